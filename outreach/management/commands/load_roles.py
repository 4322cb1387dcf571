from typing import Any

from django.core.management.base import BaseCommand

from outreach.roles import load_roles


class Command(BaseCommand):
    help = "Crée les rôles (Agent, Superviseur, Administrateur, DPO-auditeur) avec exactement leurs droits."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{load_roles()} rôles à jour.")
