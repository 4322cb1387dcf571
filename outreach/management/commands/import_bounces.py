from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.models import read_now
from outreach.bounce_reports import BounceMailboxRefused, import_bounces


class Command(BaseCommand):
    help = "Lit les rapports de non-remise (rebonds) et de plainte d’une boîte Maildir ou d’un fichier mbox."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="dossier Maildir ou fichier mbox")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = import_bounces(path=options["path"], now=read_now())
        except BounceMailboxRefused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"{done.read} messages lus : {done.stored} rapports retenus, {done.known} déjà connus, "
            f"{done.foreign} sur d’autres envois, {done.others} qui ne sont pas des rapports"
        )
