from django.conf import settings
from django.db import models

from campaigns.models.allocataire import Allocataire


class ImportedListQuerySet(models.QuerySet["ImportedList"]):
    def in_use(self) -> "ImportedListQuerySet":
        return self.filter(archived_at=None)


class ImportedList(models.Model):
    """People designated elsewhere (a national datamining list…), as its last delivery said. Criteria name its ``code``.

    Its entries are replaced by each delivery and go when it is archived.
    """

    code = models.SlugField("code", max_length=40, unique=True)
    name = models.CharField("nom", max_length=80)
    origin = models.CharField("origine", max_length=80, help_text="Qui l’a établie : Cnaf, partenaire, service…")
    is_sensitive = models.BooleanField("sensible", default=False, help_text="Y figurer révèle la santé ou l’origine.")
    as_of = models.DateField("établie le")
    file_name = models.CharField("fichier", max_length=200)
    imported_at = models.DateTimeField("importée le")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name="par", null=True, blank=True)
    archived_at = models.DateTimeField("archivée le", null=True)

    # Of the last delivery.
    read_count = models.PositiveIntegerField("lignes lues", default=0)
    people_count = models.PositiveIntegerField("personnes", default=0)
    added_count = models.PositiveIntegerField("ajoutées", default=0)
    removed_count = models.PositiveIntegerField("retirées", default=0)
    unknown_count = models.PositiveIntegerField("matricules inconnus", default=0)
    rejected_count = models.PositiveIntegerField("lignes rejetées", default=0)
    rejected = models.JSONField(
        "lignes rejetées ou inconnues", default=list
    )  # [[line, column, reason]], the first ones

    objects = ImportedListQuerySet.as_manager()

    class Meta:
        verbose_name = "liste importée"
        verbose_name_plural = "listes importées"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def in_words(self) -> str:
        """As a sentence names it, with where it comes from and its date."""
        return f"la liste «\N{NO-BREAK SPACE}{self.name}\N{NO-BREAK SPACE}» ({self.origin}, {self.as_of:%d/%m/%Y})"


class ListEntry(models.Model):
    """One person of an imported list."""

    imported_list = models.ForeignKey(ImportedList, models.CASCADE, related_name="entries", db_index=False)
    allocataire = models.ForeignKey(Allocataire, models.CASCADE, related_name="list_entries")

    class Meta:
        verbose_name = "personne d’une liste"
        verbose_name_plural = "personnes d’une liste"
        constraints = [models.UniqueConstraint(fields=["imported_list", "allocataire"], name="list_entry_once")]

    def __str__(self) -> str:
        return f"Personne n° {self.pk}"
