from django.conf import settings
from django.db import models

from campaigns.enums import Channel, OppositionSource
from campaigns.models.allocataire import Allocataire


class OppositionQuerySet(models.QuerySet["Opposition"]):
    def active(self) -> "OppositionQuerySet":
        return self.filter(lifted_at=None)


class Opposition(models.Model):
    """A refusal to be contacted: by a person or a destination, on a channel and a theme; empty means all."""

    allocataire = models.ForeignKey(Allocataire, models.CASCADE, null=True, blank=True, related_name="oppositions")
    destination_hash = models.CharField(max_length=64, blank=True)
    channel = models.CharField("canal", max_length=5, choices=Channel, blank=True)
    theme = models.CharField("thème", max_length=40, blank=True)
    source = models.CharField("origine", max_length=10, choices=OppositionSource)
    recorded_at = models.DateTimeField("enregistrée le")
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="par", null=True, blank=True
    )
    lifted_at = models.DateTimeField("levée le", null=True, blank=True)
    note = models.CharField("note", max_length=300, blank=True)

    objects = OppositionQuerySet.as_manager()

    class Meta:
        verbose_name = "opposition"
        verbose_name_plural = "oppositions"
        ordering = ["-recorded_at"]
        indexes = [
            models.Index(fields=["allocataire"], name="opposition_person", condition=models.Q(lifted_at=None)),
            models.Index(fields=["destination_hash"], name="opposition_dest", condition=models.Q(lifted_at=None)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(allocataire__isnull=False) | ~models.Q(destination_hash=""),
                name="opposition_of_someone",
            )
        ]

    def __str__(self) -> str:
        scope = self.get_channel_display() if self.channel else "tous canaux"
        return f"Opposition ({scope})"
