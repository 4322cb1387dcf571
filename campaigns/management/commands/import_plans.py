import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.plan_catalogue import PlanFileRefused, import_plans


class Command(BaseCommand):
    help = "Lit des plans dans un fichier JSON écrit par export_plans ; rien n’est enregistré si un seul est faux."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("fichier", type=Path, help="fichier à lire")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = import_plans(json.loads(options["fichier"].read_text(encoding="utf-8")))
        except OSError as error:
            raise CommandError(f"Impossible de lire « {options['fichier']} » : {error.strerror}.") from error
        except PlanFileRefused as error:
            raise CommandError(str(error)) from error
        except (ValueError, RecursionError) as error:
            raise CommandError(f"« {options['fichier']} » n’est pas un fichier JSON en UTF-8.") from error
        self.stdout.write(
            f"Plans : {len(report.created)} créés, {len(report.updated)} mis à jour, {len(report.unchanged)} inchangés."
        )
