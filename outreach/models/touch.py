import uuid

from django.contrib.postgres.indexes import BrinIndex, HashIndex
from django.db import models

from campaigns.enums import Channel
from campaigns.models import Allocataire, Audience, Campaign, Member, Step
from outreach.enums import AttemptStatus, Suppression, TouchStatus


class Touch(models.Model):
    """One contact of one member at one step. Decided by its attempts."""

    # References held by the statement that writes them (docs/adr/0014): those of its member, and a step.
    member = models.ForeignKey(Member, models.PROTECT, related_name="touches", db_constraint=False, db_index=False)
    step = models.ForeignKey(Step, models.PROTECT, related_name="touches", db_constraint=False, db_index=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="touches", db_constraint=False, db_index=False)
    audience = models.ForeignKey(Audience, models.PROTECT, related_name="touches", db_constraint=False, db_index=False)
    allocataire = models.ForeignKey(Allocataire, models.PROTECT, related_name="touches", db_constraint=False)
    channel = models.CharField("canal", max_length=5, choices=Channel)
    destination = models.CharField("destination", max_length=254, blank=True)  # E.164 or e-mail; goes with retention
    destination_hash = models.CharField(max_length=64, blank=True)
    priority = models.PositiveSmallIntegerField(default=50)
    status = models.CharField("état", max_length=15, choices=TouchStatus, default=TouchStatus.PLANNED)
    reason = models.CharField("raison", max_length=16, blank=True, choices=Suppression)
    due_at = models.DateTimeField("prévu le")
    closes_at = models.DateTimeField("fermeture du créneau")  # end of the contact window that due_at opens
    expires_at = models.DateTimeField("expire le")  # nothing is sent after
    claimed_by = models.CharField(max_length=80, blank=True)
    claimed_until = models.DateTimeField(null=True)
    attempt_count = models.PositiveSmallIntegerField("tentatives", default=0)
    status_at = models.DateTimeField("état depuis", null=True)
    is_canary = models.BooleanField(default=False, db_default=False)  # among the first of its wave, which leave alone

    class Meta:
        verbose_name = "contact prévu"
        verbose_name_plural = "contacts prévus"
        constraints = [
            models.UniqueConstraint(fields=["member", "step"], name="touch_once"),
            models.UniqueConstraint(
                fields=["audience", "step", "destination_hash"],
                name="touch_destination_once",
                condition=~models.Q(destination_hash="")
                & ~models.Q(status__in=[TouchStatus.CANCELLED, TouchStatus.SUPPRESSED]),
            ),
        ]
        indexes = [
            models.Index(
                fields=["channel", "priority", "due_at"],
                name="touch_due",
                condition=models.Q(status=TouchStatus.PLANNED),
            ),
            models.Index(
                fields=["status", "claimed_until"],
                name="touch_in_flight",
                condition=models.Q(
                    status__in=[
                        TouchStatus.CLAIMED,
                        TouchStatus.SENDING,
                        TouchStatus.SUBMITTED,
                        TouchStatus.SENT,
                        TouchStatus.UNCONFIRMED,
                    ]
                ),
            ),
            models.Index(fields=["campaign", "status"], name="touch_campaign_status"),
            # A third of a btree of 64 characters; not the empty ones, which would all lie in one bucket.
            HashIndex(
                fields=["destination_hash"],
                name="touch_destination",
                condition=~models.Q(destination_hash=""),
            ),
            models.Index(fields=["audience"], name="touch_canary", condition=models.Q(is_canary=True)),
        ]

    def __str__(self) -> str:
        return f"Contact n° {self.pk}"


class Attempt(models.Model):
    """One try at a touch: the intent is committed before the provider is called; a final state never regresses."""

    touch = models.ForeignKey(Touch, models.PROTECT, related_name="attempts", db_index=False)  # attempt_number_unique
    number = models.PositiveSmallIntegerField("tentative")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True)  # travels with the message
    provider = models.CharField("opérateur", max_length=20)
    provider_ref = models.CharField("référence de l’opérateur", max_length=80, blank=True)
    status = models.CharField("état", max_length=15, choices=AttemptStatus, default=AttemptStatus.SENDING)
    intent_at = models.DateTimeField("décidée le")
    submitted_at = models.DateTimeField("remise le", null=True)
    status_at = models.DateTimeField("état depuis", null=True)
    error_code = models.CharField("code d’erreur", max_length=40, blank=True)
    segments = models.PositiveSmallIntegerField("segments", default=0)
    lookup_count = models.PositiveSmallIntegerField("recherches", default=0)
    looked_up_at = models.DateTimeField("recherchée le", null=True)

    class Meta:
        verbose_name = "tentative"
        verbose_name_plural = "tentatives"
        constraints = [
            models.UniqueConstraint(fields=["touch", "number"], name="attempt_number_unique"),
            models.UniqueConstraint(
                fields=["provider", "provider_ref"], name="attempt_ref_unique", condition=~models.Q(provider_ref="")
            ),
        ]
        # No index names the state: a receipt rewrites its attempt in place, half of each page being kept free for it.
        # Of the last days, whatever came before: attempts are written in the order of their dates.
        indexes = [BrinIndex(fields=["intent_at"], name="attempt_intent", autosummarize=True)]

    def __str__(self) -> str:
        return f"Tentative {self.number} du contact n° {self.touch_id}"


class Pause(models.Model):
    """The stop button: one row for each scope ("" = everything, else a channel). A missing row means: send nothing."""

    scope = models.CharField(
        "portée", max_length=5, primary_key=True, choices=[("", "Tous les envois"), *Channel.choices]
    )
    is_paused = models.BooleanField("en pause", default=False)
    changed_at = models.DateTimeField("depuis", null=True)
    changed_by = models.CharField("par", max_length=150, blank=True)
    reason = models.CharField("raison", max_length=300, blank=True)

    class Meta:
        verbose_name = "pause générale"
        verbose_name_plural = "pauses générales"

    def __str__(self) -> str:
        return self.get_scope_display()
