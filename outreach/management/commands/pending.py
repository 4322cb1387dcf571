import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from campaigns.models import read_now
from outreach.pending import read_pending
from outreach.reopening import read_fence
from outreach.rules.pending import late_steps


class Command(BaseCommand):
    help = "Ce qui attend, étape par étape (JSON) ; sort avec 1 si un seuil est dépassé ou les envois fermés."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--late", action="store_true", help="seulement ce qui dépasse son seuil")

    def handle(self, *args: Any, **options: Any) -> None:
        now = read_now()
        table = read_pending(now=now)
        late = late_steps(table)
        fence = read_fence(now=now)
        closed = fence.reason if fence else "La barrière des envois manque dans la base : lancer « manage.py migrate »."
        shown = late if options["late"] else table
        said = {
            "at": now.isoformat(),
            "sending_closed": closed,
            "late": [row.step.code for row in late],
            "steps": [
                {
                    "code": row.step.code,
                    "label": row.step.label,
                    "count": row.count,
                    "oldest_seconds": int(row.age.total_seconds()),
                    "limit_seconds": int(row.step.limit.total_seconds()),
                    "until": row.until and row.until.isoformat(),
                    "advice": row.step.advice if row.is_late else "",
                }
                for row in shown
            ],
        }
        self.stdout.write(json.dumps(said, ensure_ascii=False, indent=2))
        if late or closed:
            sys.exit(1)
