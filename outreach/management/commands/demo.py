import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.lifecycle import MoveRefused
from outreach.simulator.demo import play_demo, prepare_demo
from outreach.simulator.pace import DemoStuck

# The published campaigns target 4,266 people of one department: below, there would be nobody to draw them from.
SMALLEST = 30_000


class Command(BaseCommand):
    help = "Joue la démonstration ; ./dev demo démarre ce qu’il faut autour."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--folder", type=Path, required=True, help="Dossier des fichiers produits.")
        parser.add_argument("--size", type=int, default=113_000, help="Allocataires du plus grand département.")

        parser.add_argument("--prepare", action="store_true", help="Seulement la mise en place, avant les workers.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("La démonstration ne se joue que là où DEMO=1 : lancez ./dev demo.")
        if options["size"] < SMALLEST:
            raise CommandError(f"Il faut au moins {SMALLEST} allocataires pour jouer les campagnes publiées.")
        self.started = time.monotonic()
        if options["prepare"]:
            prepare_demo(say=self._say)
            return
        try:
            play_demo(folder=options["folder"], size=options["size"], say=self._say)
        except DemoStuck as stuck:
            raise CommandError(str(stuck)) from stuck
        except MoveRefused as refused:
            raise CommandError(f"{refused} Base d’une autre version ? Recommencez : ./dev demo --reset") from refused

    def _say(self, words: str) -> None:
        self.stdout.write(f"{time.monotonic() - self.started:5.0f} s  {words}")
        self.stdout.flush()
