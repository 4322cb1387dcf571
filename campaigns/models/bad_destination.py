from django.db import models

from campaigns.enums import BadDestinationReason, Channel
from campaigns.models.allocataire import Allocataire


class BadDestinationQuerySet(models.QuerySet["BadDestination"]):
    def to_correct(self) -> "BadDestinationQuerySet":
        return self.filter(corrected_at=None)


class BadDestination(models.Model):
    """An address that does not reach a person: left out until it is corrected. Another address is another hash."""

    allocataire = models.ForeignKey(Allocataire, models.CASCADE, related_name="bad_destinations")
    destination_hash = models.CharField(max_length=64)
    channel = models.CharField("canal", max_length=5, choices=Channel, blank=True)  # empty: all of them
    reason = models.CharField("raison", max_length=12, choices=BadDestinationReason)
    since = models.DateTimeField("depuis le")
    corrected_at = models.DateTimeField("corrigée le", null=True, blank=True)

    objects = BadDestinationQuerySet.as_manager()

    class Meta:
        verbose_name = "coordonnée à corriger"
        verbose_name_plural = "coordonnées à corriger"
        ordering = ["-since"]
        constraints = [
            models.UniqueConstraint(
                fields=["destination_hash", "channel", "allocataire"],
                name="bad_destination_once",
                condition=models.Q(corrected_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"Coordonnée à corriger n° {self.pk}"
