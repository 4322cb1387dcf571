from django.conf import settings
from django.db import models

from campaigns.models import Allocataire
from outreach.enums import ReplyClass
from outreach.models.touch import Touch


class Reply(models.Model):
    """What a person answered. STOP is already recorded as an opposition when an agent reads it."""

    allocataire = models.ForeignKey(Allocataire, models.SET_NULL, null=True, blank=True, related_name="replies")
    touch = models.ForeignKey(Touch, models.SET_NULL, null=True, blank=True, related_name="replies")
    sender_hash = models.CharField(max_length=64)
    provider = models.CharField("opérateur", max_length=20)
    provider_ref = models.CharField("référence", max_length=80)
    body = models.TextField("texte", blank=True)
    kind = models.CharField("nature", max_length=9, choices=ReplyClass)
    received_at = models.DateTimeField("reçue le")
    handled_at = models.DateTimeField("traitée le", null=True, blank=True)
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="traitée par", null=True, blank=True, related_name="+"
    )
    note = models.CharField("suite donnée", max_length=300, blank=True)

    class Meta:
        verbose_name = "réponse"
        verbose_name_plural = "réponses"
        ordering = ["-received_at"]
        constraints = [models.UniqueConstraint(fields=["provider", "provider_ref"], name="reply_once")]
        indexes = [models.Index(fields=["kind"], name="reply_unread", condition=models.Q(handled_at=None))]

    def __str__(self) -> str:
        return f"Réponse n° {self.pk}"
