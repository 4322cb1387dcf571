from django.db import models

from outreach.enums import NightStatus


class Night(models.Model):
    """One nightly batch, resumable: a step that is done is not done again."""

    on = models.DateField("nuit du", unique=True)
    status = models.CharField("état", max_length=10, choices=NightStatus, default=NightStatus.RUNNING)
    started_at = models.DateTimeField("commencée")
    finished_at = models.DateTimeField("terminée", null=True)

    class Meta:
        verbose_name = "nuit"
        verbose_name_plural = "nuits"
        ordering = ["-on"]

    def __str__(self) -> str:
        return f"Nuit du {self.on:%d/%m/%Y}"


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
