from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from campaigns.enums import AFTER_REPLY, AmountNature, Channel, OutcomeStage, PlanFamily, PlanMode
from campaigns.rules.messages import sample_values


class RegularisationKind(models.Model):
    """Something a person does that a contact was for. Stable codes let several Caf compare their bilans."""

    code = models.SlugField("code", max_length=40, primary_key=True)
    label = models.CharField("libellé", max_length=120)
    stage = models.CharField("étape", max_length=12, choices=OutcomeStage)
    nature = models.CharField("nature du montant", max_length=8, choices=AmountNature, blank=True)
    feed_max_age_days = models.PositiveSmallIntegerField(
        "âge maximal des données (jours)",
        null=True,
        blank=True,
        help_text="Au-delà, rien n’est envoyé : une personne pourrait avoir déjà fait la démarche. Vide : non vérifié.",
    )

    class Meta:
        verbose_name = "type de régularisation"
        verbose_name_plural = "types de régularisation"
        ordering = ["label"]

    def __str__(self) -> str:
        return self.label


class StepQuerySet(models.QuerySet[Any]):
    def planned(self) -> "StepQuerySet":
        """What everybody of an arm gets: answers to those who reply are left out."""
        return self.exclude(anchor=AFTER_REPLY)


def example_values() -> dict[str, str]:
    """What a text says of somebody, as an example: the name and the address of this Caf are the real ones."""
    return sample_values(caf=settings.CAF_NAME, site=settings.PUBLIC_BASE_URL)


class StepFields(models.Model):
    """What one contact of a plan or campaign is: who (arm), when (anchor and offset), how (channel), what (text)."""

    LAUNCH = ""
    AFTER_REPLY = AFTER_REPLY

    position = models.PositiveSmallIntegerField("ordre")
    label = models.CharField("libellé", max_length=80)
    channel = models.CharField("canal", max_length=5, choices=Channel)
    arm = models.SlugField("bras", max_length=20, blank=True, help_text="Vide : tous les bras contactés.")
    anchor = models.CharField(
        "date de référence",
        max_length=40,
        blank=True,
        help_text="Vide : le lancement de la vague ; sinon un fait daté.",
    )
    offset_days = models.SmallIntegerField("décalage en jours", default=0)
    valid_days = models.PositiveSmallIntegerField(
        "validité en jours", default=5, validators=[MinValueValidator(1), MaxValueValidator(60)]
    )
    subject = models.CharField("objet", max_length=150, blank=True)
    body = models.TextField("texte", help_text="Texte du message, ou trame de l’appel.")

    objects = StepQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["position"]

    def __str__(self) -> str:
        return self.label

    @property
    def answers_a_reply(self) -> bool:
        """Sent to whoever replies, and to nobody else."""
        return self.anchor == AFTER_REPLY


class Plan(models.Model):
    """A ready-made way to go towards a public: data, not code, exported and imported as one file."""

    code = models.SlugField("code", max_length=40, unique=True)
    version = models.PositiveSmallIntegerField("version", default=1)
    name = models.CharField("nom", max_length=120)
    family = models.CharField("famille", max_length=14, choices=PlanFamily)
    theme = models.SlugField("thème", max_length=40)
    purpose = models.TextField("finalité")
    mode = models.CharField("mode", max_length=11, choices=PlanMode, default=PlanMode.ONE_SHOT)
    criteria = models.JSONField("critères")
    arms = models.JSONField("bras", default=list, help_text="[{code, label, share}] : les bras contactés.")
    control_share = models.DecimalField(
        "part de témoins", max_digits=4, decimal_places=3, default=0, validators=[MaxValueValidator(0.5)]
    )
    expected_kinds = models.ManyToManyField(
        RegularisationKind, verbose_name="régularisations attendues", related_name="plans", blank=True
    )
    window_days = models.PositiveSmallIntegerField("fenêtre d’attribution (jours)", default=60)
    reentry_days = models.PositiveSmallIntegerField("délai de retour (jours)", default=90)
    is_sensitive = models.BooleanField("thème sensible", default=False)
    sensitive_days = models.PositiveSmallIntegerField("délai du thème sensible (jours)", default=730)
    priority = models.PositiveSmallIntegerField("priorité", default=50, help_text="1 : la plus haute.")
    is_exempt_from_cap = models.BooleanField("message de service, hors plafond", default=False)
    allows_resend = models.BooleanField("un renvoi permis si l’opérateur ne sait rien", default=False)

    class Meta:
        verbose_name = "plan"
        verbose_name_plural = "plans"
        ordering = ["family", "name"]

    def __str__(self) -> str:
        return self.name


class PlanStep(StepFields):
    plan = models.ForeignKey(Plan, models.CASCADE, related_name="steps")

    class Meta(StepFields.Meta):
        verbose_name = "étape du plan"
        verbose_name_plural = "étapes du plan"
        constraints = [models.UniqueConstraint(fields=["plan", "position"], name="plan_step_position_unique")]
