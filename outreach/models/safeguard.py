from django.conf import settings
from django.db import models

from campaigns.models import Audience, Step
from outreach.models.touch import Touch


class Canary(models.Model):
    """The first contacts of a wave leave alone. Others wait for ``released_at``, and for the row itself."""

    audience = models.OneToOneField(Audience, models.CASCADE, primary_key=True, related_name="canary")
    size = models.PositiveIntegerField("premiers contacts")
    released_at = models.DateTimeField("vague ouverte le", null=True)

    class Meta:
        verbose_name = "premiers contacts d’une vague"
        verbose_name_plural = "premiers contacts des vagues"

    def __str__(self) -> str:
        return f"Premiers contacts de la vague n° {self.audience_id}"


class Fence(models.Model):
    """One row: does this database know all that was sent? ``known_seq``: last line of the journal seen in it."""

    known_seq = models.BigIntegerField(default=0)
    closed_at = models.DateTimeField("fermée le", null=True)
    reason = models.CharField("raison", max_length=300, blank=True)
    recovered_at = models.DateTimeField("rapprochée le", null=True)  # what the journal knew is in the database again
    changed_by = models.CharField("par", max_length=150, blank=True)

    class Meta:
        verbose_name = "barrière des envois"
        verbose_name_plural = "barrière des envois"

    def __str__(self) -> str:
        return "fermée" if self.closed_at else "ouverte"


class LostIntent(models.Model):
    """A message that left before a restore, for a contact that the restored database had not planned yet."""

    attempt_uuid = models.UUIDField(unique=True)
    step = models.ForeignKey(Step, models.CASCADE, related_name="+", db_index=False)
    destination_hash = models.CharField(max_length=64)
    at = models.DateTimeField("partie le")

    class Meta:
        verbose_name = "envoi d’avant la restauration"
        verbose_name_plural = "envois d’avant la restauration"
        indexes = [models.Index(fields=["step", "destination_hash"], name="lost_intent")]

    def __str__(self) -> str:
        return f"Envoi d’avant la restauration n° {self.pk}"


class TouchDecision(models.Model):
    """What a superviseur decided of a contact that was uncertain or in quarantine, and why. Never changed."""

    touch = models.ForeignKey(Touch, models.CASCADE, related_name="decisions")
    decision = models.CharField("décision", max_length=10)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name="par", related_name="+")
    at = models.DateTimeField("le")
    reason = models.CharField("raison", max_length=300, blank=True)

    class Meta:
        verbose_name = "décision sur un contact"
        verbose_name_plural = "décisions sur des contacts"
        ordering = ["at"]

    def __str__(self) -> str:
        return self.decision
