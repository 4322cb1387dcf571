from django.conf import settings
from django.db import models

from campaigns.models.allocataire import Allocataire


class ImportStatus(models.TextChoices):
    TO_CONVERT = "A_CONVERTIR", "Classeur en lecture"  # a large workbook: a worker makes a text of it
    PREPARED = "A_PREPARER", "À préparer"  # uploaded: its columns are being named
    WAITING = "EN_ATTENTE", "En attente"  # a worker will take it
    RUNNING = "EN_COURS", "En cours"
    TO_CONFIRM = "A_CONFIRMER", "À confirmer"  # read, nothing applied: somebody must look first
    DONE = "TERMINE", "Terminé"
    REFUSED = "REFUSE", "Refusé"
    ABANDONED = "ABANDONNE", "Abandonné"


class PopulationImport(models.Model):
    """One file of allocataires that was read, with what became of its lines."""

    file_name = models.CharField("fichier", max_length=200)
    sha256 = models.CharField("empreinte", max_length=64, blank=True)
    status = models.CharField("état", max_length=12, choices=ImportStatus, default=ImportStatus.RUNNING)
    started_at = models.DateTimeField("commencé")
    finished_at = models.DateTimeField("terminé", null=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="par", null=True, blank=True)

    # How it was asked for. ``stored_as``: name in the import files while the file waits, empty once it is gone.
    stored_as = models.CharField("fichier gardé", max_length=80, blank=True)
    mapping = models.JSONField("correspondance des colonnes", default=dict, blank=True)
    is_full_extract = models.BooleanField("extraction complète", default=False)
    accepts_rejections = models.BooleanField("rejets acceptés", default=False)
    accepts_closures = models.BooleanField("clôtures acceptées", default=False)
    accepts_strangers = models.BooleanField("changements d’identité acceptés", default=False)

    expected_count = models.PositiveIntegerField("lignes du fichier", default=0)  # known before reading: progress
    read_count = models.PositiveIntegerField("lignes lues", default=0)
    created_count = models.PositiveIntegerField("créées", default=0)
    updated_count = models.PositiveIntegerField("modifiées", default=0)
    unchanged_count = models.PositiveIntegerField("inchangées", default=0)
    rejected_count = models.PositiveIntegerField("rejetées", default=0)
    closed_count = models.PositiveIntegerField("dossiers clos", default=0)
    # {"mobile : zéros de tête rendus": 12}: what is said in French, and how many times.
    repairs = models.JSONField("valeurs réparées", default=dict, blank=True)
    emptied = models.JSONField("coordonnées laissées vides", default=dict, blank=True)
    changes = models.JSONField("données modifiées", default=dict, blank=True)
    problem = models.TextField("problème", blank=True)

    class Meta:
        verbose_name = "import de population"
        verbose_name_plural = "imports de population"
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.started_at:%d/%m/%Y})"


class DifferenceKind(models.TextChoices):
    CREATED = "CREEE", "Créée"
    UPDATED = "MODIFIEE", "Modifiée"
    CLOSED = "CLOSE", "Dossier clos"


class PopulationDifference(models.Model):
    """What an import that waits to be confirmed would do to one person. Gone as soon as somebody has decided.

    ``before`` and ``after``: the columns that differ, {name of the field: value}; for a person who would be created,
    ``after`` names her.
    """

    population_import = models.ForeignKey(PopulationImport, models.CASCADE, related_name="differences")
    kind = models.CharField("quoi", max_length=8, choices=DifferenceKind)
    line = models.PositiveIntegerField("ligne", null=True)
    allocataire = models.ForeignKey(
        Allocataire, models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    before = models.JSONField("avant", default=dict)
    after = models.JSONField("après", default=dict)

    class Meta:
        verbose_name = "différence d’un import"
        verbose_name_plural = "différences d’un import"
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"différence n° {self.pk}"


class IdentityChange(models.Model):
    """An import brought another name or birth under a known matricule: what is known from before may be about somebody
    else. Two of last name, first name and date of birth, together; holds none of them."""

    population_import = models.ForeignKey(PopulationImport, models.CASCADE, related_name="identity_changes")
    allocataire = models.ForeignKey(Allocataire, models.CASCADE, related_name="identity_changes")
    line = models.PositiveIntegerField("ligne")
    at = models.DateTimeField("le")

    class Meta:
        verbose_name = "identité changée"
        verbose_name_plural = "identités changées"
        ordering = ["-at", "line"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"identité changée n° {self.pk}"


class ReportedLine(models.Model):
    """What an import says of one line. Holds the class of the value, never the value itself."""

    line = models.PositiveIntegerField("ligne")
    column = models.CharField("colonne", max_length=80, blank=True)
    value_class = models.CharField("nature de la valeur", max_length=80, blank=True)
    reason = models.CharField("raison", max_length=300)

    class Meta:
        abstract = True
        ordering = ["line"]

    def __str__(self) -> str:
        return f"ligne {self.line}"


class RejectedLine(ReportedLine):
    """Why one line was refused."""

    population_import = models.ForeignKey(PopulationImport, models.CASCADE, related_name="rejected_lines")

    class Meta(ReportedLine.Meta):
        verbose_name = "ligne rejetée"
        verbose_name_plural = "lignes rejetées"


class EmptiedCell(ReportedLine):
    """Why a way of contacting somebody was left empty; the rest of her line was taken."""

    population_import = models.ForeignKey(PopulationImport, models.CASCADE, related_name="emptied_cells")

    class Meta(ReportedLine.Meta):
        verbose_name = "coordonnée laissée vide"
        verbose_name_plural = "coordonnées laissées vides"
        default_permissions = ()


class ColumnMapping(models.Model):
    """What the columns of one provider's file hold, kept under a name: {column: field, "" to ignore}."""

    name = models.CharField("nom", max_length=80)
    mapping = models.JSONField("correspondance", default=dict)

    class Meta:
        verbose_name = "correspondance de colonnes"
        verbose_name_plural = "correspondances de colonnes"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["name"], name="column_mapping_name_unique")]

    def __str__(self) -> str:
        return self.name
