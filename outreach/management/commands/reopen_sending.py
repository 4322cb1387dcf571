from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.models import User, read_now
from outreach.reopening import StillClosed, recover_departures, reopen_sending


class Command(BaseCommand):
    help = "Après une restauration, rend à la base ce qui est parti depuis la sauvegarde ; --by rouvre les envois."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", metavar="IDENTIFIANT", help="qui rouvre les envois (superviseur ou administrateur)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = recover_departures(now=read_now())
        except StillClosed as problem:
            self.stdout.write(str(problem))
            return
        self.stdout.write(
            f"{done.oppositions} oppositions rétablies. {done.uncertain} messages partis depuis la sauvegarde rendus "
            f"à la base, dont {done.confirmed} confirmés par l’opérateur ; {done.kept_aside} gardés pour des contacts "
            f"pas encore prévus, {done.unknown} pour des campagnes inconnues, {done.quarantined} contacts mis en "
            "quarantaine."
        )
        if not options["by"]:
            self.stdout.write("Les envois restent fermés : les rouvrir dans « État du système », ou avec --by.")
            return
        self._open(options["by"])

    def _open(self, username: str) -> None:
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None or not user.has_perm("outreach.change_fence"):
            raise CommandError(
                f"« {username} » ne peut pas rouvrir les envois : il faut un superviseur ou un administrateur."
            )
        try:
            reopen_sending(by=user, now=read_now())
        except StillClosed as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write("Les envois sont ouverts.")
