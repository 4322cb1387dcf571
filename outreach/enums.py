"""States of what was done and heard. Moves live in ``rules/delivery.py``."""

from django.db.models import TextChoices

from campaigns.enums import Channel


class TouchStatus(TextChoices):
    PLANNED = "PREVU", "Prévu"
    CLAIMED = "RESERVE", "Pris par un expéditeur"
    SENDING = "ENVOI", "Envoi en cours"
    SUBMITTED = "REMIS_OPERATEUR", "Remis à l’opérateur"
    SENT = "ENVOYE", "Envoyé"
    DELIVERED = "REMIS", "Remis"
    UNDELIVERED = "NON_REMIS", "Non remis"
    FAILED = "ECHEC", "Refusé"
    EXPIRED = "EXPIRE", "Délai dépassé"
    UNCONFIRMED = "INCERTAIN", "Incertain"
    SUPPRESSED = "SUPPRIME", "Supprimé avant l’envoi"
    CANCELLED = "ANNULE", "Annulé"
    QUARANTINED = "QUARANTAINE", "En quarantaine"

    @classmethod
    def final(cls) -> frozenset[str]:
        return frozenset(
            {
                cls.DELIVERED,
                cls.UNDELIVERED,
                cls.FAILED,
                cls.EXPIRED,
                cls.SUPPRESSED,
                cls.CANCELLED,
                cls.QUARANTINED,
            }
        )

    @property
    def is_final(self) -> bool:
        return self in TouchStatus.final()

    @classmethod
    def contacted(cls) -> frozenset[str]:
        """The operator or the person was reached: what the funnel calls "contactés"."""
        return frozenset({cls.SUBMITTED, cls.SENT, cls.DELIVERED, cls.UNDELIVERED})


class AttemptStatus(TextChoices):
    SENDING = "ENVOI", "Envoi en cours"
    SUBMITTED = "REMIS_OPERATEUR", "Remis à l’opérateur"
    SENT = "ENVOYE", "Envoyé"
    DELIVERED = "REMIS", "Remis"
    UNDELIVERED = "NON_REMIS", "Non remis"
    FAILED = "ECHEC", "Refusé"
    EXPIRED = "EXPIRE", "Délai dépassé"
    UNCONFIRMED = "INCERTAIN", "Incertain"

    @classmethod
    def final(cls) -> frozenset[str]:
        return frozenset({cls.DELIVERED, cls.UNDELIVERED, cls.FAILED, cls.EXPIRED})


class Suppression(TextChoices):
    """Stop condition met before sending."""

    OPPOSED = "OPPOSITION", "Opposition à être contactée"
    REGULARISED = "REGULARISE", "Démarche déjà faite"
    CAP = "PRESSION", "Plafond de contacts atteint"
    CLOSED = "DOSSIER_CLOS", "Dossier clos"
    DECEASED = "DECES", "Personne décédée"
    GUARDIANSHIP = "TUTELLE", "Mesure de protection"
    NO_ADDRESS = "SANS_ADRESSE", "Aucune adresse pour ce canal"
    SHARED_DESTINATION = "ADRESSE_PARTAGEE", "Adresse partagée, déjà contactée"
    MISSING_VALUE = "VALEUR_MANQUANTE", "Texte impossible : une donnée manque"
    CRASHED = "ARRETS_REPETES", "Trois expéditeurs se sont arrêtés en le préparant"
    JOURNAL_LOST = "JOURNAL_PERDU", "Peut-être envoyé avant la restauration"


class EventKind(TextChoices):
    STATUS = "ETAT", "Accusé"
    INBOUND = "ENTRANT", "Message reçu"


class ReplyClass(TextChoices):
    STOP = "STOP", "Opposition"
    AMBIGUOUS = "AMBIGUE", "À lire : opposition possible"
    ORDINARY = "ORDINAIRE", "Réponse"


class CallResult(TextChoices):
    REACHED = "JOINT", "Jointe"
    VOICEMAIL = "MESSAGE", "Message laissé"
    NO_ANSWER = "ABSENT", "Pas de réponse"
    CALL_BACK = "A_RAPPELER", "À rappeler"
    WRONG_NUMBER = "FAUX_NUMERO", "Faux numéro"
    REFUSED = "REFUS", "Ne veut plus être appelée"
    OPPOSED = "OPPOSITION", "Ne veut plus être contactée, par aucun canal"

    @classmethod
    def refusals(cls) -> "dict[CallResult, str]":
        """Result → the channel that the person refuses; empty: all of them."""
        return {cls.REFUSED: Channel.CALL, cls.OPPOSED: ""}

    @property
    def ends_the_call(self) -> bool:
        return self in {CallResult.REACHED, CallResult.WRONG_NUMBER, *CallResult.refusals()}


class NightStatus(TextChoices):
    RUNNING = "EN_COURS", "En cours"
    DONE = "TERMINEE", "Terminée"
    PROBLEM = "PROBLEME", "Terminée avec un problème"
