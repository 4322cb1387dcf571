from django.db import models

from campaigns.enums import CONTROL_ARM, Channel, Exclusion, FactState
from campaigns.models.allocataire import Allocataire
from campaigns.models.campaign import Campaign


class Audience(models.Model):
    """One wave: who was targeted one night, who was kept, in which arm. Never changed after ``frozen_at``."""

    campaign = models.ForeignKey(Campaign, models.PROTECT, verbose_name="campagne", related_name="audiences")
    number = models.PositiveIntegerField("vague")
    night_on = models.DateField("nuit du")
    seed = models.CharField("graine", max_length=64)
    fingerprint = models.CharField("empreinte approuvée", max_length=64)
    frozen_at = models.DateTimeField("figée le")
    superseded_at = models.DateTimeField("remplacée le", null=True)
    targeted_count = models.PositiveIntegerField("ciblés", default=0)
    retained_count = models.PositiveIntegerField("retenus", default=0)
    control_count = models.PositiveIntegerField("témoins", default=0)
    override_count = models.PositiveIntegerField("retenus malgré le thème sensible", default=0)
    # [[arm, "1/10"], …]: exact shares in the order in which arms were filled, so that the draw can be done again.
    shares = models.JSONField("parts du tirage", default=list)

    class Meta:
        verbose_name = "audience"
        verbose_name_plural = "audiences"
        ordering = ["campaign", "number"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="audience_number_unique"),
            models.UniqueConstraint(
                fields=["campaign", "night_on"],
                name="audience_night_unique",
                condition=models.Q(superseded_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} — vague {self.number}"


class MemberQuerySet(models.QuerySet["Member"]):
    def retained(self) -> "MemberQuerySet":
        return self.filter(exclusion="")

    def control(self) -> "MemberQuerySet":
        return self.filter(arm=CONTROL_ARM)

    def to_contact(self) -> "MemberQuerySet":
        return self.retained().exclude(arm=CONTROL_ARM)


class Member(models.Model):
    """A person of an audience: excluded with the reason, or retained in the arm drawn for her."""

    # References held by the statement that writes them (docs/adr/0014). Members of a campaign are found by its
    # audiences: ``member_once`` begins with them.
    audience = models.ForeignKey(Audience, models.PROTECT, related_name="members", db_constraint=False, db_index=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="members", db_constraint=False, db_index=False)
    allocataire = models.ForeignKey(Allocataire, models.PROTECT, related_name="memberships", db_constraint=False)
    exclusion = models.CharField("exclusion", max_length=15, choices=Exclusion, blank=True)
    arm = models.CharField("bras", max_length=20, blank=True)  # empty when excluded
    stratum = models.CharField("strate", max_length=60, blank=True)

    objects = MemberQuerySet.as_manager()

    class Meta:
        verbose_name = "membre"
        verbose_name_plural = "membres"
        constraints = [
            models.UniqueConstraint(fields=["audience", "allocataire"], name="member_once"),
            models.CheckConstraint(
                condition=models.Q(exclusion="", arm__gt="") | (~models.Q(exclusion="") & models.Q(arm="")),
                name="member_excluded_or_drawn",
            ),
        ]

    def __str__(self) -> str:
        return f"Membre n° {self.pk}"


class ContactFact(models.Model):
    """One contact, planned or made, as cap, theme rule and segments see it. Only ``outreach`` writes it."""

    touch_ref = models.BigIntegerField("contact", primary_key=True)
    # References held by the statement that writes them (docs/adr/0014).
    allocataire = models.ForeignKey(
        Allocataire, models.CASCADE, related_name="contact_facts", db_constraint=False, db_index=False
    )
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    plan_code = models.CharField("plan", max_length=40)
    theme = models.CharField("thème", max_length=40)
    channel = models.CharField("canal", max_length=5, choices=Channel)
    at = models.DateTimeField("le")  # planned, then actual
    state = models.CharField("résultat", max_length=15, choices=FactState, default=FactState.RESERVED)
    is_exempt = models.BooleanField("hors plafond", default=False)
    answered_at = models.DateTimeField("réponse reçue le", null=True)  # an answer, not a refusal
    settled_on = models.DateField("régularisée le", null=True)  # by the person, from the day of this contact

    class Meta:
        verbose_name = "contact"
        verbose_name_plural = "contacts"
        indexes = [
            models.Index(fields=["allocataire", "at"], name="fact_person_at"),
            # Cap and contact history read nothing but this index.
            models.Index(
                fields=["at"],
                include=["allocataire", "campaign", "is_exempt"],
                condition=models.Q(state__in=FactState.counted()),
                name="fact_at",
            ),
        ]

    def __str__(self) -> str:
        return f"Contact n° {self.touch_ref}"
