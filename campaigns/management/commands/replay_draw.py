from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count

from campaigns.audiences import DrawNotReplayable, replay_draw
from campaigns.enums import CONTROL_ARM
from campaigns.models import Audience


class Command(BaseCommand):
    help = "Refait le tirage au sort d’une campagne à partir de sa graine, et dit si chacun est dans son bras."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--campaign", type=int, required=True, metavar="N", help="numéro de la campagne")

    def handle(self, *args: Any, **options: Any) -> None:
        audiences = list(Audience.objects.filter(campaign=options["campaign"]).select_related("campaign"))
        if not audiences:
            raise CommandError(f"La campagne n° {options['campaign']} n’existe pas ou n’a pas encore d’audience figée.")
        failed = [audience.number for audience in audiences if not self._replay(audience)]
        if failed:
            waves = ", ".join(str(number) for number in failed)
            raise CommandError(f"Tirage non prouvé pour la ou les vagues {waves} : lisez les lignes qui précèdent.")
        self.stdout.write(
            f"Campagne « {audiences[0].campaign} » : le tirage de {len(audiences)} vague(s) est prouvé. Chacun "
            "est dans le bras que donnent la graine et les parts gardées."
        )

    def _replay(self, audience: Audience) -> bool:
        try:
            is_same = replay_draw(audience)
        except DrawNotReplayable as refusal:
            self.stdout.write(str(refusal))
            return False
        verdict = "identique" if is_same else "DIFFÉRENT de ce que la graine donne"
        replaced = ", remplacée depuis" if audience.superseded_at else ""
        self.stdout.write(
            f"Vague {audience.number} (nuit du {audience.night_on:%d/%m/%Y}{replaced}) : {audience.retained_count} "
            f"personnes, {_say_arms(audience)}. Graine {audience.seed} : tirage refait, {verdict}."
        )
        return is_same


def _say_arms(audience: Audience) -> str:
    sizes = audience.members.retained().values_list("arm").annotate(Count("pk")).order_by("arm")
    return ", ".join(f"{'témoins' if arm == CONTROL_ARM else arm} {size}" for arm, size in sizes)
