from django.db import models


class Epci(models.Model):
    code = models.CharField("code", max_length=9, primary_key=True)
    name = models.CharField("nom", max_length=120)

    class Meta:
        verbose_name = "EPCI"
        verbose_name_plural = "EPCI"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Commune(models.Model):
    """A commune of the code officiel géographique; its department gives time zone and holidays."""

    code = models.CharField("code Insee", max_length=5, primary_key=True)
    name = models.CharField("nom", max_length=120)
    department = models.CharField("département", max_length=3, db_index=True)
    postal_code = models.CharField("code postal", max_length=5, blank=True)
    population = models.PositiveIntegerField("population", default=0)
    epci = models.ForeignKey(Epci, models.PROTECT, verbose_name="EPCI", null=True, related_name="communes")

    class Meta:
        verbose_name = "commune"
        verbose_name_plural = "communes"
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"
