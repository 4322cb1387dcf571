from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.models import read_now
from outreach.enums import NightStatus
from outreach.night import run_night


class Command(BaseCommand):
    help = "Exécute (ou reprend) la nuit qui prépare un jour donné."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--date", required=True, help="Jour préparé, AAAA-MM-JJ.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            on = date.fromisoformat(options["date"])
        except ValueError as error:
            raise CommandError("La date s’écrit AAAA-MM-JJ, par exemple 2023-03-03.") from error
        night = run_night(on=on, now=read_now())
        self.stdout.write(f"{night} : {night.get_status_display()}")
        for step in night.steps.all():
            counts = ", ".join(f"{number} {label}" for label, number in step.counts.items())
            self.stdout.write(f"  {step.label} : {step.problem or counts}")
        if night.status != NightStatus.DONE:
            raise CommandError("La nuit s’est terminée avec un problème ; relancez-la après correction.")
