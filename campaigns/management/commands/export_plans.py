import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.models import Plan
from campaigns.plan_catalogue import export_plans


class Command(BaseCommand):
    help = "Écrit des plans dans un fichier JSON (tous, ou ceux dont le code est donné)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("fichier", type=Path, help="fichier à écrire")
        parser.add_argument("codes", nargs="*", help="codes des plans (tous par défaut)")

    def handle(self, *args: Any, **options: Any) -> None:
        plans = Plan.objects.prefetch_related("steps", "expected_kinds")
        codes = set(options["codes"])
        unknown = codes - set(plans.values_list("code", flat=True))
        if unknown:
            raise CommandError(f"Plan inconnu : {', '.join(sorted(unknown))}.")
        data = export_plans(plans.filter(code__in=codes) if codes else plans)
        try:
            options["fichier"].write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise CommandError(f"Impossible d’écrire « {options['fichier']} » : {error.strerror}.") from error
        self.stdout.write(f"{len(data['plans'])} plans écrits dans {options['fichier']}.")
