from typing import Any

from django.core.management.base import BaseCommand

from campaigns.territories import load_territories


class Command(BaseCommand):
    help = "Charge les communes et les EPCI livrés (code officiel géographique, Licence Ouverte 2.0)."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{load_territories()} communes chargées.")
