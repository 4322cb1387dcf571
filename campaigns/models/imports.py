from django.conf import settings
from django.db import models


class ImportStatus(models.TextChoices):
    RUNNING = "EN_COURS", "En cours"
    DONE = "TERMINE", "Terminé"
    REFUSED = "REFUSE", "Refusé"


class PopulationImport(models.Model):
    """One file of allocataires that was read, with what became of its lines."""

    file_name = models.CharField("fichier", max_length=200)
    sha256 = models.CharField("empreinte", max_length=64, blank=True)
    status = models.CharField("état", max_length=8, choices=ImportStatus, default=ImportStatus.RUNNING)
    started_at = models.DateTimeField("commencé")
    finished_at = models.DateTimeField("terminé", null=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="par", null=True, blank=True)
    read_count = models.PositiveIntegerField("lignes lues", default=0)
    created_count = models.PositiveIntegerField("créées", default=0)
    updated_count = models.PositiveIntegerField("modifiées", default=0)
    unchanged_count = models.PositiveIntegerField("inchangées", default=0)
    rejected_count = models.PositiveIntegerField("rejetées", default=0)
    problem = models.TextField("problème", blank=True)

    class Meta:
        verbose_name = "import de population"
        verbose_name_plural = "imports de population"
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.started_at:%d/%m/%Y})"


class RejectedLine(models.Model):
    """Why one line was refused. Holds the class of the value, never the value itself."""

    population_import = models.ForeignKey(PopulationImport, models.CASCADE, related_name="rejected_lines")
    line = models.PositiveIntegerField("ligne")
    column = models.CharField("colonne", max_length=80, blank=True)
    value_class = models.CharField("nature de la valeur", max_length=80, blank=True)
    reason = models.CharField("raison", max_length=300)

    class Meta:
        verbose_name = "ligne rejetée"
        verbose_name_plural = "lignes rejetées"
        ordering = ["line"]

    def __str__(self) -> str:
        return f"ligne {self.line}"
