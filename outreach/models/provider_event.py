from django.db import models
from django.db.models.fields.json import KT

from outreach.enums import EventKind


class ProviderEventQuerySet(models.QuerySet["ProviderEvent"]):
    def unapplied(self) -> "ProviderEventQuerySet":
        return self.filter(applied_at=None)


class InboundPoll(models.Model):
    """Until when all that people wrote is known to us, by operator: what its own list said, read to its end."""

    provider = models.CharField("opérateur", max_length=20, primary_key=True)
    heard_until = models.DateTimeField("tout est connu jusqu’au")

    class Meta:
        verbose_name = "écoute d’un opérateur"
        verbose_name_plural = "écoutes des opérateurs"

    def __str__(self) -> str:
        return self.provider


class MailboxPlace(models.Model):
    """Where the reading of a mailbox in one file stopped (``outreach.mbox.Place``)."""

    path = models.CharField("fichier", max_length=500, primary_key=True)
    inode = models.CharField(max_length=20, blank=True)
    position = models.BigIntegerField("octets lus", default=0)
    before = models.CharField(max_length=32, blank=True)
    last = models.CharField(max_length=32, blank=True)

    class Meta:
        verbose_name = "place dans une boîte aux lettres"
        verbose_name_plural = "places dans les boîtes aux lettres"

    def __str__(self) -> str:
        return self.path


class ProviderEvent(models.Model):
    """What an operator told us, raw, stored before we answered; applied later, in batches, by rank."""

    provider = models.CharField("opérateur", max_length=20)
    kind = models.CharField("nature", max_length=8, choices=EventKind)
    attempt_uuid = models.UUIDField(null=True)  # travels in the callback's address
    provider_ref = models.CharField("référence", max_length=80)
    status = models.CharField("état annoncé", max_length=20, blank=True)
    error_code = models.CharField("code d’erreur", max_length=40, blank=True)
    payload = models.JSONField("contenu")
    received_at = models.DateTimeField("reçu le")
    applied_at = models.DateTimeField("appliqué le", null=True)
    problem = models.CharField("problème", max_length=200, blank=True)

    objects = ProviderEventQuerySet.as_manager()

    class Meta:
        verbose_name = "message de l’opérateur"
        verbose_name_plural = "messages de l’opérateur"
        constraints = [
            # A report that a mail server sent back, read again from the same mailbox.
            models.UniqueConstraint(KT("payload__digest"), name="event_report_once", condition=models.Q(provider="dsn"))
        ]
        indexes = [
            models.Index(fields=["id"], name="event_unapplied", condition=models.Q(applied_at=None)),
            models.Index(fields=["received_at"], name="event_inbound", condition=models.Q(kind=EventKind.INBOUND)),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.provider_ref}"
