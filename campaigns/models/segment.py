from django.conf import settings
from django.db import models


class Segment(models.Model):
    """A public described by a validated criteria tree (``rules.criteria``)."""

    name = models.CharField("nom", max_length=120, unique=True)
    description = models.TextField("description", blank=True)
    criteria = models.JSONField("critères")
    justification = models.TextField(
        "justification", blank=True, help_text="Obligatoire quand un critère est sensible (nationalité, santé)."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="créé par", null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField("créé le", auto_now_add=True)
    updated_at = models.DateTimeField("modifié le", auto_now=True)

    class Meta:
        verbose_name = "segment"
        verbose_name_plural = "segments"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SegmentCount(models.Model):
    """How many people a segment designated one night."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="counts", db_index=False)
    on = models.DateField("nuit du")
    count = models.PositiveIntegerField("personnes")

    class Meta:
        verbose_name = "effectif d’un segment"
        verbose_name_plural = "effectifs des segments"
        ordering = ["segment", "on"]
        constraints = [models.UniqueConstraint(fields=["segment", "on"], name="segment_count_once_a_night")]

    def __str__(self) -> str:
        return f"{self.count} le {self.on:%d/%m/%Y}"
