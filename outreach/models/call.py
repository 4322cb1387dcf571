from django.conf import settings
from django.db import models

from outreach.enums import CallResult
from outreach.models.touch import Touch


class Call(models.Model):
    """A person to ring today: one row of the call list. Leased to one agent at a time."""

    touch = models.OneToOneField(Touch, models.PROTECT, related_name="call")
    listed_on = models.DateField("liste du")
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="en main de", null=True, blank=True, related_name="+"
    )
    held_until = models.DateTimeField("jusqu’à", null=True, blank=True)
    next_try_at = models.DateTimeField("à essayer à partir de", null=True, blank=True)
    done_at = models.DateTimeField("terminé le", null=True, blank=True)

    class Meta:
        verbose_name = "appel"
        verbose_name_plural = "appels"
        ordering = ["listed_on", "pk"]

    def __str__(self) -> str:
        return f"Appel n° {self.pk}"


class CallAttempt(models.Model):
    """One ring, with its result."""

    call = models.ForeignKey(Call, models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField("tentative")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="par", null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField("le")
    result = models.CharField("résultat", max_length=11, choices=CallResult)
    minutes = models.PositiveSmallIntegerField("durée (minutes)", default=0)
    note = models.CharField("note", max_length=500, blank=True)

    class Meta:
        verbose_name = "tentative d’appel"
        verbose_name_plural = "tentatives d’appel"
        ordering = ["at"]
        constraints = [models.UniqueConstraint(fields=["call", "number"], name="call_attempt_number_unique")]

    def __str__(self) -> str:
        return self.get_result_display()
