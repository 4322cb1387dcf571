from datetime import datetime

from django.db import models

from outreach.enums import NightStatus


class Night(models.Model):
    """One nightly batch, resumable: a step that is done is not done again.

    ``next_try_at``: when the bell tries again what is not done; none once all is, or once it is left to a person.
    """

    on = models.DateField("nuit du", unique=True)
    status = models.CharField("état", max_length=10, choices=NightStatus, default=NightStatus.RUNNING)
    started_at = models.DateTimeField("commencée")
    finished_at = models.DateTimeField("terminée", null=True)
    tries = models.PositiveSmallIntegerField("essais", default=0)
    next_try_at = models.DateTimeField("prochain essai", null=True)

    class Meta:
        verbose_name = "nuit"
        verbose_name_plural = "nuits"
        ordering = ["-on"]

    def __str__(self) -> str:
        return f"Nuit du {self.on:%d/%m/%Y}"

    def is_due(self, now: datetime) -> bool:
        return self.next_try_at is not None and self.next_try_at <= now

    def begin_try(self, *, next_try_at: datetime | None) -> None:
        """Written before anything is done: a try that kills its worker counts, and is followed by a pause."""
        self.tries += 1
        self.next_try_at = next_try_at
        self.save(update_fields=["tries", "next_try_at"])

    def end_try(self, *, at: datetime, failed: bool, may_pass: bool) -> None:
        self.status = NightStatus.PROBLEM if failed else NightStatus.DONE
        self.finished_at = at
        if not may_pass:
            self.next_try_at = None
        self.save(update_fields=["status", "finished_at", "next_try_at"])


class NightStep(models.Model):
    """A step of a night: what it counted, or what went wrong."""

    night = models.ForeignKey(Night, models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    name = models.CharField("étape", max_length=40)
    label = models.CharField("libellé", max_length=120)
    started_at = models.DateTimeField("commencée")
    finished_at = models.DateTimeField("terminée", null=True)
    counts = models.JSONField("nombres", default=dict)  # {French label: number}
    problem = models.TextField("problème", blank=True)

    class Meta:
        verbose_name = "étape de la nuit"
        verbose_name_plural = "étapes de la nuit"
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["night", "name"], name="night_step_once")]

    def __str__(self) -> str:
        return self.label

    @property
    def is_done(self) -> bool:
        return self.finished_at is not None and not self.problem
