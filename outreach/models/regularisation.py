from django.conf import settings
from django.db import models

from campaigns.enums import AmountNature
from campaigns.models import Allocataire, Member, RegularisationKind


class RegularisationImport(models.Model):
    """One file of régularisations. ``as_of`` says up to which day the kinds it covers are complete."""

    file_name = models.CharField("fichier", max_length=200)
    as_of = models.DateField("données arrêtées au")
    kinds = models.ManyToManyField(RegularisationKind, verbose_name="types couverts", related_name="+")
    imported_at = models.DateTimeField("importé le")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="par", null=True, blank=True)
    read_count = models.PositiveIntegerField("lignes lues", default=0)
    created_count = models.PositiveIntegerField("créées", default=0)
    known_count = models.PositiveIntegerField("déjà connues", default=0)
    rejected_count = models.PositiveIntegerField("rejetées", default=0)
    rejected = models.JSONField("lignes rejetées", default=list)  # [{line, column, reason}], the first 1,000

    class Meta:
        verbose_name = "import de régularisations"
        verbose_name_plural = "imports de régularisations"
        ordering = ["-imported_at"]

    def __str__(self) -> str:
        return self.file_name


class Regularisation(models.Model):
    """A person did something on a day, whether or not anybody contacted her."""

    allocataire = models.ForeignKey(Allocataire, models.PROTECT, related_name="regularisations", db_index=False)
    kind = models.ForeignKey(RegularisationKind, models.PROTECT, verbose_name="type", related_name="+")
    occurred_on = models.DateField("date")
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2, null=True)  # euros; nature: the kind's
    source = models.ForeignKey(RegularisationImport, models.PROTECT, related_name="regularisations")

    class Meta:
        verbose_name = "régularisation"
        verbose_name_plural = "régularisations"
        ordering = ["-occurred_on"]
        constraints = [
            models.UniqueConstraint(fields=["allocataire", "kind", "occurred_on"], name="regularisation_once")
        ]

    def __str__(self) -> str:
        return f"Régularisation n° {self.pk}"


class Outcome(models.Model):
    """What a member became: one row a retained member, beside the frozen audience. Recomputable from the facts."""

    member = models.OneToOneField(Member, models.CASCADE, related_name="outcome", primary_key=True)
    contacted_at = models.DateTimeField("contactée le", null=True)
    delivered_at = models.DateTimeField("remis le", null=True)
    consulted_on = models.DateField("consulté le", null=True)
    filed_on = models.DateField("démarche le", null=True)
    settled_on = models.DateField("aboutie le", null=True)
    amount_monthly = models.DecimalField("montant mensuel", max_digits=10, decimal_places=2, null=True)
    amount_arrears = models.DecimalField("rappel", max_digits=10, decimal_places=2, null=True)
    amount_overpayment = models.DecimalField("indu", max_digits=10, decimal_places=2, null=True)
    is_shared = models.BooleanField("partagée avec une autre campagne", default=False)
    rule_version = models.PositiveSmallIntegerField("version de la règle", default=1)

    class Meta:
        verbose_name = "résultat"
        verbose_name_plural = "résultats"

    def __str__(self) -> str:
        return f"Résultat du membre n° {self.pk}"


AMOUNT_FIELDS = {
    AmountNature.MONTHLY: "amount_monthly",
    AmountNature.ARREARS: "amount_arrears",
    AmountNature.OVERPAYMENT: "amount_overpayment",
}
