from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from outreach.simulator.judge import Verdict, judge
from outreach.simulator.load import play_load
from outreach.simulator.operator_desk import OperatorDesk
from outreach.simulator.pace import DemoStuck
from outreach.simulator.stage import Stage
from outreach.simulator.team import create_accounts


class Command(BaseCommand):
    help = "Joue l’essai de charge et le juge d’après le registre de l’opérateur ; ./dev load démarre ce qu’il faut."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--folder", type=Path, required=True, help="Dossier des fichiers produits.")
        parser.add_argument("--messages", type=int, required=True)
        parser.add_argument("--kills", type=int, default=0, help="Workers que ./dev load doit avoir tués.")
        parser.add_argument("--kill-log", type=Path, help="Fichier où il les note, un par ligne.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("L’essai de charge ne se joue que là où DEMO=1 : lancez ./dev load.")
        stage = Stage(options["folder"], 0, self.stdout.write, team=create_accounts())
        try:
            campaign, observed = play_load(stage, messages=options["messages"])
        except DemoStuck as stuck:
            raise CommandError(str(stuck)) from stuck
        log: Path | None = options["kill_log"]
        verdict = judge(
            campaign=campaign,
            observed=observed,
            ledger=OperatorDesk(settings.TWILIO_API_URL).read_ledger(with_messages=True),
            asked=options["messages"],
            kills_asked=options["kills"],
            kills=len(log.read_text().splitlines()) if log and log.exists() else 0,
        )
        self._print(verdict)

    def _print(self, verdict: Verdict) -> None:
        self.stdout.write("\nEssai de charge, jugé par le registre de l’opérateur")
        for label, figure in verdict.rows():
            self.stdout.write(f"  {label:<40}{figure:>16}")
        if faults := verdict.faults():
            raise CommandError("L’essai a échoué. " + " ; ".join(faults) + ".")
        self.stdout.write("  Réussi : chaque message une fois, aucun de trop.")
