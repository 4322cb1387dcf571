import uuid

from django.conf import settings
from django.db import models

from campaigns.enums import Channel, TrialStatus
from campaigns.models.campaign import Campaign


class Trial(models.Model):
    """A text of a campaign that a colleague sent to herself, to read it as people will. Never a contact.

    Of her number or address nothing is kept here.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, verbose_name="campagne", related_name="trials")
    channel = models.CharField("canal", max_length=5, choices=Channel)
    text_digest = models.CharField(max_length=64)  # ``rules.trials.digest_text`` of what was written then
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name="par", related_name="+")
    at = models.DateTimeField("le")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True)  # travels with the message
    provider = models.CharField("opérateur", max_length=20)
    # Unknown until the operator answers, and for ever when it does not.
    status = models.CharField("état", max_length=9, choices=TrialStatus, default=TrialStatus.UNKNOWN)
    error_code = models.CharField("code d’erreur", max_length=40, blank=True)

    class Meta:
        verbose_name = "essai sur soi"
        verbose_name_plural = "essais sur soi"
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"Essai n° {self.pk}"
