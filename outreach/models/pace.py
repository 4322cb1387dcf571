from django.db import models

from campaigns.enums import Channel


class Outage(models.Model):
    """No operator of a channel can be reached: nothing is tried before ``until`` (``outreach.outages``)."""

    channel = models.CharField("canal", max_length=5, primary_key=True, choices=Channel)
    since = models.DateTimeField("depuis")
    until = models.DateTimeField("demandé de nouveau le")
    asked = models.PositiveIntegerField("fois demandé en vain", default=0)
    error_code = models.CharField("panne", max_length=40)

    class Meta:
        verbose_name = "panne d’un canal"
        verbose_name_plural = "pannes des canaux"

    def __str__(self) -> str:
        return self.channel


class ProviderPace(models.Model):
    """How fast one operator is sent to, by all workers and hosts together: its only ledger (``outreach.rules.pacing``).

    Instants are seconds since 1970 on the database's own clock, never the application's: operators have no other.
    """

    provider = models.CharField("opérateur", max_length=20, primary_key=True)
    contract = models.FloatField("segments par seconde au contrat")  # as last read from the settings; to be looked at
    rate = models.FloatField("segments par seconde en ce moment", default=0)
    ceiling = models.FloatField(default=0)
    changed_at = models.FloatField(default=0)
    cut_at = models.FloatField(default=0)
    next_at = models.FloatField(default=0)
    held_until = models.FloatField(default=0)
    recent = models.JSONField(default=list)  # [[instant, segments], …]
    version = models.BigIntegerField(default=0)  # whoever writes has read the last one

    class Meta:
        verbose_name = "cadence d’un opérateur"
        verbose_name_plural = "cadences des opérateurs"

    def __str__(self) -> str:
        return self.provider
