from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models

from campaigns.enums import CampaignStatus, PlanMode
from campaigns.models.plan import Plan, StepFields
from campaigns.models.segment import Segment

PLAN_RULES = ("theme", "reentry_days", "is_sensitive", "sensitive_days", "is_exempt_from_cap", "allows_resend")


class Campaign(models.Model):
    """One use of a plan on one segment. Its status moves only through ``campaigns.lifecycle``."""

    name = models.CharField("nom", max_length=120, unique=True)
    plan = models.ForeignKey(Plan, models.PROTECT, verbose_name="plan", related_name="campaigns")
    segment = models.ForeignKey(Segment, models.PROTECT, verbose_name="segment", related_name="campaigns")
    status = models.CharField("état", max_length=9, choices=CampaignStatus, default=CampaignStatus.DRAFT)
    mode = models.CharField("mode", max_length=11, choices=PlanMode, default=PlanMode.ONE_SHOT)
    priority = models.PositiveSmallIntegerField("priorité", default=50)
    arms = models.JSONField("bras contactés", default=list)
    control_share = models.DecimalField(
        "part de témoins", max_digits=4, decimal_places=3, default=0, validators=[MaxValueValidator(0.5)]
    )
    window_days = models.PositiveSmallIntegerField("fenêtre d’attribution (jours)", default=60)
    starts_on = models.DateField("premier jour d’envoi", null=True, blank=True)
    ends_on = models.DateField("dernière nuit", null=True, blank=True, help_text="Pour un plan de chaque nuit.")
    night_size_max = models.PositiveIntegerField(
        "maximum par nuit", null=True, blank=True, help_text="Au-delà, la campagne se met en pause."
    )
    justification = models.TextField("justification", blank=True)

    # The rules of its plan, its own once submitted: a plan changed later changes no campaign (docs/adr/0017).
    theme = models.CharField("thème", max_length=40, editable=False, db_default="")
    reentry_days = models.PositiveSmallIntegerField("délai de retour (jours)", editable=False, db_default=90)
    is_sensitive = models.BooleanField("thème sensible", editable=False, db_default=False)
    sensitive_days = models.PositiveSmallIntegerField("délai du thème sensible (jours)", editable=False, db_default=730)
    is_exempt_from_cap = models.BooleanField("hors plafond", editable=False, db_default=False)
    allows_resend = models.BooleanField("un renvoi permis", editable=False, db_default=False)
    expected_kinds = ArrayField(
        models.CharField(max_length=40), verbose_name="régularisations attendues", default=list, editable=False
    )  # codes of ``RegularisationKind``
    # False: approved before its rules were part of what is approved.
    pins_rules = models.BooleanField(default=True, db_default=True, editable=False)

    # A superviseur's decision (``lifecycle.override_sensitive_theme``), part of what is approved.
    sensitive_override_reason = models.CharField(
        "raison de lever le délai du thème sensible", max_length=300, blank=True, editable=False
    )
    sensitive_override_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name="délai levé par", null=True, editable=False,
        related_name="+",
    )  # fmt: skip
    sensitive_override_at = models.DateTimeField("délai levé le", null=True, editable=False)

    # Pinned by submission; nothing below is edited by hand.
    criteria = models.JSONField("critères figés", null=True, editable=False)
    expected_size = models.PositiveIntegerField("effectif attendu", null=True, editable=False)
    approved_fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    seed = models.CharField("graine du tirage", max_length=64, blank=True, editable=False)
    submitted_at = models.DateTimeField("soumise le", null=True, editable=False)
    approved_at = models.DateTimeField("approuvée le", null=True, editable=False)
    launched_at = models.DateTimeField("lancée le", null=True, editable=False)
    closed_at = models.DateTimeField("close le", null=True, editable=False)
    created_at = models.DateTimeField("créée le", auto_now_add=True)

    class Meta:
        verbose_name = "campagne"
        verbose_name_plural = "campagnes"
        ordering = ["-created_at"]
        permissions = [
            ("submit_campaign", "Peut soumettre une campagne"),
            ("approve_campaign", "Peut approuver, renvoyer et lancer une campagne"),
            ("pause_campaign", "Peut mettre une campagne en pause"),
            ("resume_campaign", "Peut reprendre une campagne"),
            ("override_campaign", "Peut lever le délai d’un thème sensible"),
        ]

    def __str__(self) -> str:
        return self.name

    def take_rules_of_plan(self) -> None:
        """Copy what the plan says now of whom to take."""
        for name in PLAN_RULES:
            setattr(self, name, getattr(self.plan, name))

    def pin_rules_of_plan(self) -> None:
        """Copy all that the plan says now; the caller saves."""
        self.take_rules_of_plan()
        kinds = self.plan.expected_kinds.order_by("pk").values_list("pk", flat=True) if self.plan.pk else []
        self.expected_kinds, self.pins_rules = list(kinds), True

    @property
    def is_nightly(self) -> bool:
        return self.mode == PlanMode.NIGHTLY

    def label_arm(self, code: str) -> str:
        """How people read an arm: its label, its code when it has none or is no longer there."""
        return next((arm.get("label") or code for arm in self.arms if arm["code"] == code), code)

    @property
    def is_editable(self) -> bool:
        return self.status == CampaignStatus.DRAFT


class Step(StepFields):
    """A step as this campaign will play it; changed only while the campaign is a draft."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="steps")

    class Meta(StepFields.Meta):
        verbose_name = "étape"
        verbose_name_plural = "étapes"
        constraints = [models.UniqueConstraint(fields=["campaign", "position"], name="step_position_unique")]


class CampaignMove(models.Model):
    """The lifecycle log: who did what to a campaign, when and why. Editing counts as a move (``EDIT``)."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="moves")
    move = models.CharField("action", max_length=12)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name="par", null=True, related_name="+")
    at = models.DateTimeField("le")
    reason = models.CharField("raison", max_length=300, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = "étape de vie"
        verbose_name_plural = "vie de la campagne"
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return self.move


class Programme(models.Model):
    """A named set of campaigns evaluated together: each person counts once."""

    name = models.CharField("nom", max_length=120, unique=True)
    code = models.SlugField("code", max_length=40, unique=True)
    campaigns = models.ManyToManyField(Campaign, verbose_name="campagnes", related_name="programmes")

    class Meta:
        verbose_name = "programme"
        verbose_name_plural = "programmes"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
