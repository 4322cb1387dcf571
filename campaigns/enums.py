"""The words of the domain. Codes are stored; French labels are shown."""

from django.db.models import TextChoices


class Channel(TextChoices):
    SMS = "SMS", "SMS"
    EMAIL = "EMAIL", "E-mail"
    CALL = "CALL", "Appel"


class Civility(TextChoices):
    MADAME = "MME", "Madame"
    MONSIEUR = "M", "Monsieur"


class FamilySituation(TextChoices):
    SINGLE = "CELIBATAIRE", "Célibataire"
    SEPARATED = "SEPARE", "Séparé(e)"
    DIVORCED = "DIVORCE", "Divorcé(e)"
    WIDOWED = "VEUF", "Veuf ou veuve"
    MARRIED = "MARIE", "Marié(e)"
    CIVIL_UNION = "PACSE", "Pacsé(e)"
    COHABITING = "VIE_MARITALE", "En vie maritale"


class ProfessionalSituation(TextChoices):
    EMPLOYEE = "SALARIE", "Salarié(e)"
    SELF_EMPLOYED = "INDEPENDANT", "Indépendant(e) ou auto-entrepreneur"
    UNEMPLOYED = "CHOMAGE", "Demandeur d’emploi"
    STUDENT = "ETUDIANT", "Étudiant(e)"
    PARENTAL_LEAVE = "CONGE_PARENTAL", "En congé parental"
    RETIRED = "RETRAITE", "Retraité(e)"
    INACTIVE = "SANS_ACTIVITE", "Sans activité"


class Housing(TextChoices):
    TENANT = "LOCATAIRE", "Locataire"
    OWNER = "PROPRIETAIRE", "Propriétaire"
    HOSTED = "HEBERGE", "Hébergé(e)"


class Prestation(TextChoices):
    RSA = "RSA", "RSA"
    PPA = "PPA", "Prime d’activité"
    AAH = "AAH", "AAH"
    ASF = "ASF", "ASF"
    APL = "APL", "APL"
    ALS = "ALS", "ALS"
    ALF = "ALF", "ALF"
    AF = "AF", "Allocations familiales"
    CF = "CF", "Complément familial"
    ARS = "ARS", "ARS"
    PAJE = "PAJE", "Paje"
    AEEH = "AEEH", "AEEH"
    PREPARE = "PREPARE", "PreParE"


class RibState(TextChoices):
    VALID = "VALIDE", "Valide"
    INVALID = "INVALIDE", "Invalide"
    MISSING = "ABSENT", "Absent"


class QuittanceState(TextChoices):
    RECEIVED = "RECUE", "Reçue"
    EXPECTED = "ATTENDUE", "Attendue"
    NOT_CONCERNED = "NON_CONCERNE", "Non concerné"


class PlanFamily(TextChoices):
    ACCESS = "ACCES", "Accès aux droits"
    CONTINUITY = "MAINTIEN", "Maintien des droits"
    REGULARISATION = "REGULARISATION", "Prévention des indus : régularisation spontanée"
    GOOD_REFLEXES = "BONS_REFLEXES", "Prévention des indus : bons réflexes"
    JOURNEY = "PARCOURS", "Parcours"


class PlanMode(TextChoices):
    ONE_SHOT = "UNIQUE", "Une seule audience"
    NIGHTLY = "CHAQUE_NUIT", "Chaque nuit, qui correspond nouvellement"


class AmountNature(TextChoices):
    """Never added together."""

    MONTHLY = "MENSUEL", "Droit mensuel"
    ARREARS = "RAPPEL", "Rappel versé une fois"
    OVERPAYMENT = "INDU", "Indu évité ou détecté"


class OutcomeStage(TextChoices):
    CONSULTED = "CONSULTATION", "Consulté"
    FILED = "DEMARCHE", "Démarche déposée"
    SETTLED = "ABOUTI", "Droit ouvert ou situation déclarée"


class CampaignStatus(TextChoices):
    DRAFT = "BROUILLON", "Brouillon"
    SUBMITTED = "SOUMISE", "Soumise"
    APPROVED = "APPROUVEE", "Approuvée"
    RUNNING = "EN_COURS", "En cours"
    PAUSED = "EN_PAUSE", "En pause"
    CLOSED = "CLOSE", "Close"
    CANCELLED = "ANNULEE", "Annulée"


class Exclusion(TextChoices):
    """Why a targeted person was left out, in the order in which reasons are tried: the first that holds is kept."""

    DECEASED = "DECES", "Personne décédée"
    CLOSED = "DOSSIER_CLOS", "Dossier clos"
    GUARDIANSHIP = "TUTELLE", "Mesure de protection : contacter le tuteur"
    OPPOSED = "OPPOSITION", "Opposition à être contactée"
    NO_ADDRESS = "SANS_ADRESSE", "Aucune adresse utilisable pour les canaux de la campagne"
    SENSITIVE_THEME = "THEME_SENSIBLE", "Déjà contactée sur ce thème sensible"
    CONTROL_ELSEWHERE = "TEMOIN_AILLEURS", "Témoin d’une autre campagne du même thème"
    CAP = "PRESSION", "Plafond de contacts atteint"
    SHARED_MOBILE = "MOBILE_PARTAGE", "Mobile partagé avec une autre personne de la campagne"


class FactState(TextChoices):
    """Where a contact stands, as far as cap and theme rules care."""

    RESERVED = "RESERVE", "Prévu"
    SUBMITTED = "REMIS_OPERATEUR", "Remis à l’opérateur"
    UNCONFIRMED = "INCERTAIN", "Réponse de l’opérateur inconnue"
    DELIVERED = "REMIS", "Remis à la personne"
    ANSWERED = "REPONDU", "A répondu"
    RELEASED = "LIBERE", "Supprimé, annulé ou en échec"

    @classmethod
    def counted(cls) -> list[str]:
        """States that count in the cap (suppressed, cancelled and failed contacts do not)."""
        return [s for s in cls.values if s != cls.RELEASED]


class ContactOutcome(TextChoices):
    """What followed a contact, as segments ask for it."""

    DELIVERED = "REMIS", "message reçu"
    ANSWERED = "REPONDU", "réponse de la personne"
    SETTLED = "REGULARISE", "régularisation ensuite"


class OppositionSource(TextChoices):
    SMS_STOP = "STOP_SMS", "STOP par SMS"
    LINK = "LIEN", "Page d’opposition"
    EMAIL = "EMAIL", "Lien de désabonnement d’un e-mail"
    OPERATOR = "OPERATEUR", "Signalée par l’opérateur"
    CALL = "APPEL", "Dite au téléphone"
    AGENT = "AGENT", "Enregistrée par un agent"


class TrialStatus(TextChoices):
    """What became of a text that a colleague sent herself."""

    DELIVERED = "REMIS", "Remis"
    ACCEPTED = "PRIS", "Pris par l’opérateur"
    UNDELIVERED = "NON_REMIS", "Non remis"
    REFUSED = "REFUSE", "Refusé par l’opérateur"
    LATER = "PLUS_TARD", "Pas parti : à refaire"
    UNKNOWN = "INCONNU", "Réponse de l’opérateur inconnue"

    @classmethod
    def received(cls) -> frozenset[str]:
        """As far as can be known: not all operators say what was delivered."""
        return frozenset({cls.DELIVERED, cls.ACCEPTED})


class BadDestinationReason(TextChoices):
    UNKNOWN = "INCONNU", "Numéro inconnu de l’opérateur"
    NOT_A_MOBILE = "PAS_MOBILE", "Ce numéro ne reçoit pas de SMS"
    SOMEBODY_ELSE = "FAUX_NUMERO", "Numéro d’une autre personne, dit au téléphone"
    NO_MAILBOX = "SANS_BOITE", "Adresse e-mail qui n’existe pas"
    KEEPS_FAILING = "REJETS", "E-mails refusés plusieurs fois de suite"
    COMPLAINT = "PLAINTE", "E-mail signalé comme indésirable par la personne"


class AttributeType(TextChoices):
    TEXT = "TEXTE", "Texte"
    NUMBER = "NOMBRE", "Nombre"
    BOOLEAN = "OUI_NON", "Oui ou non"
    DATE = "DATE", "Date"


CONTROL_ARM = "TEMOIN"
AFTER_REPLY = "REPONSE"  # anchor of a step: an automatic answer to whoever replies
