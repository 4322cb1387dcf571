from django.contrib.postgres.fields import ArrayField
from django.db import models

from campaigns.enums import (
    AttributeType,
    Civility,
    FamilySituation,
    Housing,
    ProfessionalSituation,
    QuittanceState,
    RibState,
)
from campaigns.models.territory import Commune


class Allocataire(models.Model):
    """A person with a Caf file. Written by the population import only (set-based), never holds a NIR."""

    # "C": codes and addresses are compared by their bytes; no language sorts them, and its rules cost time in an index.
    matricule = models.CharField("matricule", max_length=15, db_collation="C")
    civility = models.CharField("civilité", max_length=3, choices=Civility, blank=True)
    last_name = models.CharField("nom", max_length=100)
    first_name = models.CharField("prénom", max_length=100, blank=True)
    born_on = models.DateField("date de naissance", null=True)
    language = models.CharField("langue", max_length=2, default="fr")

    family_situation = models.CharField("situation familiale", max_length=12, choices=FamilySituation, blank=True)
    separated_on = models.DateField("date de séparation", null=True)
    children_count = models.PositiveSmallIntegerField("enfants à charge", default=0)
    children_born_on = ArrayField(models.DateField(), verbose_name="dates de naissance des enfants", default=list)
    has_working_child = models.BooleanField("enfant salarié signalé", default=False)
    birth_expected_on = models.DateField("naissance attendue le", null=True)
    event_on = models.DateField("événement le", null=True)

    # No index: criteria read the narrow row, and communes never go.
    commune = models.ForeignKey(
        Commune, models.PROTECT, verbose_name="commune", null=True, db_index=False, related_name="+"
    )
    housing = models.CharField("logement", max_length=12, choices=Housing, blank=True)
    mail_returned_on = models.DateField("courrier revenu le", null=True)

    email = models.CharField("e-mail", max_length=254, blank=True, db_collation="C")
    email_allowed = models.BooleanField("e-mail autorisé", default=False)
    mobile = models.CharField("mobile", max_length=16, blank=True, db_collation="C")  # E.164
    sms_allowed = models.BooleanField("SMS autorisé", default=False)
    landline = models.CharField("fixe", max_length=16, blank=True)  # E.164
    call_allowed = models.BooleanField("appel autorisé", default=False)

    # {"RSA": "2021-03-01", …}: prestation held → since when.
    prestations = models.JSONField("prestations", default=dict)
    prepare_ends_on = models.DateField("fin de la PreParE le", null=True)
    professional_situation = models.CharField(
        "situation professionnelle", max_length=14, choices=ProfessionalSituation, blank=True
    )
    professional_since = models.DateField("situation professionnelle depuis le", null=True)
    dtr_due_on = models.DateField("DTR attendue le", null=True)
    dtr_received_on = models.DateField("DTR reçue le", null=True)
    dar_due_on = models.DateField("déclaration annuelle attendue le", null=True)
    dar_received_on = models.DateField("déclaration annuelle reçue le", null=True)
    rib_state = models.CharField("RIB", max_length=8, choices=RibState, blank=True)
    quittance_state = models.CharField("quittance de loyer", max_length=12, choices=QuittanceState, blank=True)
    documents_missing_since = models.DateField("pièces manquantes depuis le", null=True)
    residence_permit_ends_on = models.DateField("fin du titre de séjour le", null=True)
    is_scholar = models.BooleanField("boursier", default=False)

    affiliated_on = models.DateField("affiliation le", null=True)
    is_under_guardianship = models.BooleanField("sous mesure de protection", default=False)
    closed_on = models.DateField("dossier clos le", null=True)
    deceased_on = models.DateField("décès le", null=True)

    extra = models.JSONField("attributs propres à la Caf", default=dict)  # keys: ExtraAttribute.code
    updated_at = models.DateTimeField("mise à jour", auto_now=True)

    class Meta:
        verbose_name = "allocataire"
        verbose_name_plural = "allocataires"
        permissions = [("export_allocataire", "Peut exporter des coordonnées")]
        constraints = [models.UniqueConstraint(fields=["matricule"], name="allocataire_matricule_unique")]
        indexes = [
            models.Index(fields=["mobile"], name="allocataire_mobile", condition=~models.Q(mobile="")),
            models.Index(fields=["email"], name="allocataire_email", condition=~models.Q(email="")),
        ]

    def __str__(self) -> str:
        return f"Allocataire n° {self.pk}"


class ExtraAttribute(models.Model):
    """A typed fact that one Caf adds to its extract (a datamining list, a local indicator)."""

    code = models.SlugField("code", max_length=40, primary_key=True)
    label = models.CharField("libellé", max_length=120)
    type = models.CharField("type", max_length=8, choices=AttributeType, default=AttributeType.TEXT)
    origin = models.CharField("origine", max_length=200, blank=True)
    is_sensitive = models.BooleanField("sensible", default=False)

    class Meta:
        verbose_name = "attribut propre à la Caf"
        verbose_name_plural = "attributs propres à la Caf"
        ordering = ["label"]

    def __str__(self) -> str:
        return self.label
