from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from outreach.simulator.behaviour import Behaviour


class Command(BaseCommand):
    help = "Simule l’opérateur de SMS sur cette machine (API de Twilio). Rien n’en sort."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = Behaviour()
        parser.add_argument("--port", type=int, default=8081)
        parser.add_argument("--ledger", type=Path, required=True, help="Fichier du registre (SQLite), conservé.")
        parser.add_argument("--inbound-url", default=f"{settings.PUBLIC_BASE_URL}/operateur/twilio/entrant/")
        parser.add_argument("--seed", default=default.seed)
        parser.add_argument("--latency-ms", type=float, default=0, help="Durée moyenne d’une réponse de l’API.")
        parser.add_argument("--receipt-ms", type=float, default=20, help="Délai moyen avant chaque accusé.")
        parser.add_argument("--reply-ms", type=float, default=200, help="Délai moyen avant une réponse.")
        for name in SHARES:
            parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(default, name))

    def handle(self, *args: Any, **options: Any) -> None:
        from outreach.simulator.operator import OperatorConfig  # aiohttp is installed for local use only
        from outreach.simulator.operator_api import serve_operator

        behaviour = Behaviour(
            seed=options["seed"],
            latency=options["latency_ms"] / 1000,
            receipt_delay=options["receipt_ms"] / 1000,
            reply_delay=options["reply_ms"] / 1000,
            **{name: options[name] for name in SHARES},
        )
        config = OperatorConfig(
            ledger=options["ledger"],
            account_sid=settings.TWILIO_ACCOUNT_SID,
            auth_token=settings.TWILIO_AUTH_TOKEN,
            inbound_url=options["inbound_url"],
            behaviour=behaviour,
        )
        self.stdout.write(f"Opérateur simulé : http://127.0.0.1:{options['port']} (registre : {options['ledger']})")
        serve_operator(config, port=options["port"])


SHARES = (
    "delivered",
    "switched_off",
    "stop",
    "reply",
    "throttled",
    "error_before",
    "error_after",
    "reset_after",
    "filtered",
)
