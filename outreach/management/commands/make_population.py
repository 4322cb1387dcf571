from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from outreach.simulator.population import declare_attributes, write_population
from outreach.simulator.structure import PUBLISHED_TARGETS, PopulationImpossible


class Command(BaseCommand):
    help = "Écrit une population inventée, calée sur la structure publiée par les Caf."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--department", default="66", help="01, 31, 48 ou 66")
        parser.add_argument("--size", type=int, default=113_000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--on", type=date.fromisoformat, required=True, help="jour de l’extraction, 2023-03-01")
        parser.add_argument("--out", type=Path, required=True, help="fichier CSV à écrire")
        parser.add_argument(
            "--scenarios",
            action="store_true",
            help="ajoute les personnes des campagnes publiées et déclare leurs attributs",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        targets = PUBLISHED_TARGETS if options["scenarios"] else {}
        try:
            count = write_population(
                path=options["out"],
                department=options["department"],
                size=options["size"],
                seed=options["seed"],
                on=options["on"],
                targets=targets,
            )
        except PopulationImpossible as refusal:
            raise CommandError(str(refusal)) from None
        declare_attributes(targets)
        self.stdout.write(f"{count} personnes écrites.")
