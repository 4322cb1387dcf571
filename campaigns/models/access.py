from django.conf import settings
from django.db import models

from campaigns.models.allocataire import Allocataire


class AccessLog(models.Model):
    """Who saw a person's own data, when and why. Append-only (a database trigger refuses the rest)."""

    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name="par", related_name="+")
    at = models.DateTimeField("le")
    action = models.CharField("action", max_length=40)
    allocataire = models.ForeignKey(
        Allocataire,
        models.DO_NOTHING,
        verbose_name="allocataire",
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
    )
    detail = models.CharField("détail", max_length=200, blank=True)

    class Meta:
        verbose_name = "consultation"
        verbose_name_plural = "consultations"
        ordering = ["-at"]

    def __str__(self) -> str:
        return self.action
