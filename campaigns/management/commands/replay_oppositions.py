from typing import Any

from django.core.management.base import BaseCommand

from campaigns.models import read_now
from campaigns.oppositions import replay_journal


class Command(BaseCommand):
    help = "Après la restauration d’une sauvegarde, rejoue le journal des oppositions."

    def handle(self, *args: Any, **options: Any) -> None:
        report = replay_journal(now=read_now())
        self.stdout.write(
            f"{report.restored} oppositions rétablies, {report.lifted} levées, {report.orphaned} sans personne connue, "
            f"{report.caught_up} ajoutées au journal, {report.unreadable} lignes illisibles."
        )
