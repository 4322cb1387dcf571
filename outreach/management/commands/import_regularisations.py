from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.models import RegularisationKind, read_now
from campaigns.rules.population_values import InvalidValue, parse_date
from outreach.regularisations import RegularisationsRefused, import_regularisations


class Command(BaseCommand):
    help = "Importe un fichier de régularisations (CSV : matricule;type;date;montant)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="fichier CSV")
        parser.add_argument("--as-of", required=True, help="jour d’arrêté des données, JJ/MM/AAAA ou AAAA-MM-JJ")
        parser.add_argument(
            "--kind",
            action="append",
            dest="kinds",
            metavar="CODE",
            help="type que le fichier couvre en entier (répétable ; par défaut ceux de ses lignes)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["path"]
        self._refuse_unknown(options["kinds"] or [])
        try:
            done = import_regularisations(
                path=path,
                file_name=path.name,
                as_of=self._day(options["as_of"]),
                by=None,
                now=read_now(),
                kinds=options["kinds"],
            )
        except RegularisationsRefused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"{done.read_count} lignes lues : {done.created_count} créées, {done.known_count} déjà connues, "
            f"{done.rejected_count} rejetées"
        )
        for line in done.rejected:
            self.stdout.write(f"  ligne {line['line']}, {line['column'] or 'ligne'} : {line['reason']}")

    def _day(self, text: str) -> date:
        try:
            return date.fromisoformat(parse_date(text.strip() or "?"))
        except InvalidValue as error:
            raise CommandError(f"--as-of : {error}") from None

    def _refuse_unknown(self, kinds: list[str]) -> None:
        known = set(RegularisationKind.objects.filter(code__in=kinds).values_list("code", flat=True))
        unknown = sorted(set(kinds) - known)
        if unknown:
            raise CommandError(f"Type de régularisation inconnu : {', '.join(unknown)}.")
