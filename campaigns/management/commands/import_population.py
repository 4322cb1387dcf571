from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from campaigns.models import read_now
from campaigns.population_import import ImportRefused, import_population


class Command(BaseCommand):
    help = "Importe une extraction d’allocataires au format CSV ou XLSX."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="fichier XLSX ou CSV (; , ou tabulation ; UTF-8, UTF-16 ou cp1252)")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLONNE=CHAMP",
            help="dit ce que porte une colonne ; sans champ après le signe =, la colonne est ignorée",
        )
        parser.add_argument("--accept-rejections", action="store_true", help="importe même au-delà de 1 %% de rejets")
        parser.add_argument("--accept-closures", action="store_true", help="clôt même plus de 1 %% des dossiers")
        parser.add_argument(
            "--accept-strangers",
            action="store_true",
            help="accepte que plus de 1 %% des personnes en deviennent une autre",
        )
        parser.add_argument("--full", action="store_true", help="extraction complète : clôt les dossiers absents")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = import_population(
                path=options["file"],
                file_name=options["file"].name,
                by=None,
                now=read_now(),
                mapping=dict(pair.partition("=")[::2] for pair in options["map"]),
                accept_rejections=options["accept_rejections"],
                accept_closures=options["accept_closures"],
                accept_strangers=options["accept_strangers"],
                is_full_extract=options["full"],
            )
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(
            f"{done.read_count} lignes lues : {done.created_count} créées, {done.updated_count} modifiées, "
            f"{done.unchanged_count} inchangées, {done.rejected_count} rejetées."
        )
        if done.closed_count:
            self.stdout.write(f"{done.closed_count} dossiers absents de l’extraction complète, clos.")
        if changed := done.identity_changes.count():
            self.stdout.write(f"{changed} matricules désignent peut-être une autre personne : leur fiche le dit.")
        for title, counts in (("Réparé", done.repairs), ("Laissé vide", done.emptied), ("Modifié", done.changes)):
            for reason, count in counts.items():
                self.stdout.write(f"{title} — {reason} : {count}")
        if done.problem:
            self.stdout.write(done.problem)
