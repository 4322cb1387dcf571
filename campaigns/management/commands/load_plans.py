from typing import Any

from django.core.management.base import BaseCommand, CommandError

from campaigns.plan_catalogue import PlanFileRefused, refresh_shipped_plans


class Command(BaseCommand):
    help = "Charge les plans livrés avec le produit ; relancée, n’écrit rien."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = refresh_shipped_plans()
        except PlanFileRefused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Plans : {len(report.created)} créés, {len(report.updated)} mis à jour, "
            f"{len(report.unchanged)} inchangés, {len(report.kept)} gardés dans leur version locale."
        )
