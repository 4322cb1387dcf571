import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from campaigns.models import Campaign, Programme
from outreach.bilan import compute_campaign_bilan, compute_programme_bilan
from outreach.rules.bilan import as_json
from outreach.rules.bilan_text import write_text


class Command(BaseCommand):
    help = "Affiche les bilans des campagnes et des programmes (tous par défaut)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="JSON, chiffres exacts et textes")
        parser.add_argument("--campaign", metavar="NOM|ID", help="une seule campagne")
        parser.add_argument("--programme", metavar="CODE", help="un seul programme")

    def handle(self, *args: Any, **options: Any) -> None:
        everything = not options["campaign"] and not options["programme"]
        campaigns = [compute_campaign_bilan(campaign=c) for c in self._campaigns(options["campaign"], everything)]
        programmes = [compute_programme_bilan(programme=p) for p in self._programmes(options["programme"], everything)]
        if options["as_json"]:
            found = {"campaigns": as_json(campaigns), "programmes": as_json(programmes)}
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        self.stdout.write("\n\n".join(write_text(bilan) for bilan in campaigns + programmes) or "Aucune campagne.")

    def _campaigns(self, wanted: str | None, everything: bool) -> list[Campaign]:
        if not wanted:
            return list(Campaign.objects.order_by("launched_at", "pk")) if everything else []
        by_id = Q(pk=int(wanted)) if wanted.isascii() and wanted.isdigit() and len(wanted) < 19 else Q(pk=None)
        found = list(Campaign.objects.filter(Q(name=wanted) | by_id))
        if not found:
            raise CommandError(f"Aucune campagne ne s’appelle « {wanted} » ni ne porte ce numéro.")
        return found

    def _programmes(self, wanted: str | None, everything: bool) -> list[Programme]:
        if not wanted:
            return list(Programme.objects.order_by("code")) if everything else []
        found = list(Programme.objects.filter(code=wanted))
        if not found:
            raise CommandError(f"Aucun programme ne porte le code « {wanted} ».")
        return found
