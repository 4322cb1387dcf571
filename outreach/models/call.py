from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models

from campaigns.models import User
from outreach.enums import CallResult
from outreach.models.touch import Touch


class CallHandover(models.Model):
    """Calls entrusted for some hours to a dialler: written in a file, rung by others, given back as a file."""

    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name="confiés par", related_name="+")
    at = models.DateTimeField("confiés le")
    until = models.DateTimeField("à appeler avant")
    call_count = models.PositiveIntegerField("appels", default=0)

    class Meta:
        verbose_name = "lot d’appels confiés"
        verbose_name_plural = "lots d’appels confiés"
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"Lot n° {self.pk}"


class CallResultImport(models.Model):
    """One file of results from a dialler, read line by line."""

    file_name = models.CharField("fichier", max_length=200)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="par", null=True, blank=True)
    imported_at = models.DateTimeField("importé le")
    read_count = models.PositiveIntegerField("lignes lues", default=0)
    created_count = models.PositiveIntegerField("résultats écrits", default=0)
    known_count = models.PositiveIntegerField("déjà connus", default=0)
    late_count = models.PositiveIntegerField("hors des heures d’appel", default=0)
    rejected_count = models.PositiveIntegerField("rejetées", default=0)
    rejected = models.JSONField("lignes rejetées", default=list)  # [{line, column, reason}], the first 1,000

    class Meta:
        verbose_name = "fichier de résultats d’appels"
        verbose_name_plural = "fichiers de résultats d’appels"
        ordering = ["-imported_at"]

    def __str__(self) -> str:
        return self.file_name


class CallQuerySet(models.QuerySet["Call"]):
    def held(self, agent: User, now: datetime) -> CallQuerySet:
        """What an agent has in hand at her desk."""
        return self.filter(held_by=agent, held_until__gt=now, done_at=None)

    def waiting(self, now: datetime) -> CallQuerySet:
        """What nobody has in hand and may be rung now, hours and stop conditions apart."""
        is_free = models.Q(held_until=None) | models.Q(held_until__lte=now)
        return self.filter(is_free, models.Q(next_try_at=None) | models.Q(next_try_at__lte=now), done_at=None)


class Call(models.Model):
    """A person to ring today: one row of the call list. Leased to one agent, or to a dialler, at a time."""

    touch = models.OneToOneField(Touch, models.PROTECT, related_name="call")
    listed_on = models.DateField("liste du")
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="en main de", null=True, blank=True, related_name="+"
    )
    held_until = models.DateTimeField("jusqu’à", null=True, blank=True)
    handover = models.ForeignKey(
        CallHandover, models.SET_NULL, verbose_name="lot", null=True, blank=True, related_name="calls"
    )  # the last one it was in; in the dialler's hands while it is held by nobody
    next_try_at = models.DateTimeField("à essayer à partir de", null=True, blank=True)
    done_at = models.DateTimeField("terminé le", null=True, blank=True)

    objects = CallQuerySet.as_manager()

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
        constraints = [
            models.UniqueConstraint(fields=["call", "number"], name="call_attempt_number_unique"),
            models.UniqueConstraint(fields=["call", "at"], name="call_attempt_once"),
        ]

    def __str__(self) -> str:
        return self.get_result_display()
