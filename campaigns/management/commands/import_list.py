from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from campaigns.imported_lists import Delivery, ListRefused, import_list
from campaigns.models import read_now
from campaigns.rules.population_values import InvalidValue, parse_date


class Command(BaseCommand):
    help = "Importe une liste de personnes (CSV ou XLSX avec une colonne matricule), qui sert ensuite de critère."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="fichier XLSX ou CSV (; , ou tabulation ; UTF-8, UTF-16 ou cp1252)")
        parser.add_argument("--name", required=True, help="nom de la liste ; le même nom remplace la livraison passée")
        parser.add_argument("--origin", required=True, help="qui l’a établie, par exemple Cnaf")
        parser.add_argument("--as-of", required=True, help="jour où elle a été établie, JJ/MM/AAAA ou AAAA-MM-JJ")
        parser.add_argument("--sensitive", action="store_true", help="y figurer révèle la santé ou l’origine")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            as_of = date.fromisoformat(parse_date(options["as_of"].strip() or "?"))
            done = import_list(
                path=options["file"],
                file_name=options["file"].name,
                delivery=Delivery(options["name"], options["origin"], as_of, options["sensitive"]),
                by=None,
                now=read_now(),
            )
        except InvalidValue as error:
            raise CommandError(f"--as-of : {error}") from None
        except ListRefused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(
            f"{done.read_count} lignes lues : {done.people_count} personnes ({done.added_count} ajoutées, "
            f"{done.removed_count} retirées), {done.unknown_count} matricules inconnus, {done.rejected_count} rejetées."
        )
        for line, column, reason in done.rejected:
            self.stdout.write(f"  ligne {line}, {column or 'ligne'} : {reason}")
