import tomllib
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from outreach.simulator.behaviour import Behaviour


class Command(BaseCommand):
    help = "Simule un opérateur de SMS sur cette machine (API de Twilio ou d’OVHcloud). Rien n’en sort."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = Behaviour()
        parser.add_argument("--provider", choices=["twilio", "ovh"], default="twilio")
        parser.add_argument("--port", type=int, default=8081)
        parser.add_argument("--ledger", type=Path, required=True, help="Fichier du registre (SQLite), conservé.")
        parser.add_argument("--inbound-url", default=f"{settings.PUBLIC_BASE_URL}/operateur/twilio/entrant/")
        parser.add_argument(
            "--scenario", type=Path, help="Fichier TOML des méfaits ; exemple : outreach/simulator/adversary.toml."
        )
        parser.add_argument("--seed", default=default.seed)
        parser.add_argument("--latency-ms", type=float, default=0, help="Durée moyenne d’une réponse de l’API.")
        parser.add_argument("--receipt-ms", type=float, default=20, help="Délai moyen avant chaque accusé.")
        parser.add_argument("--reply-ms", type=float, default=200, help="Délai moyen avant une réponse.")
        for name in SHARES:
            parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(default, name))

    def handle(self, *args: Any, **options: Any) -> None:
        from aiohttp import web  # installed for local use only

        app = _make_app(options)
        self.stdout.write(f"Opérateur simulé : http://127.0.0.1:{options['port']} (registre : {options['ledger']})")
        web.run_app(app, host="127.0.0.1", port=options["port"], access_log=None, print=None)


def _make_app(options: dict[str, Any]) -> Any:
    from outreach.simulator.operator import OperatorConfig
    from outreach.simulator.operator_api import make_app
    from outreach.simulator.operator_ovh import OvhAccount, make_ovh_app

    behaviour = _behaviour(options)
    if options["provider"] == "ovh":
        account = OvhAccount(
            application_key=settings.OVH_APPLICATION_KEY,
            application_secret=settings.OVH_APPLICATION_SECRET,
            consumer_key=settings.OVH_CONSUMER_KEY,
            callback_url=f"{settings.PUBLIC_BASE_URL}/operateur/ovh/accuse/?cle={settings.OVH_CALLBACK_KEY}",
        )
        config = OperatorConfig(options["ledger"], settings.OVH_SERVICE_NAME, "", behaviour=behaviour)
        return make_ovh_app(config, account)
    config = OperatorConfig(
        ledger=options["ledger"],
        account_sid=settings.TWILIO_ACCOUNT_SID,
        auth_token=settings.TWILIO_AUTH_TOKEN,
        inbound_url=options["inbound_url"],
        behaviour=behaviour,
    )
    return make_app(config)


def _behaviour(options: dict[str, Any]) -> Behaviour:
    """The options, then what the scenario says instead."""
    said = {
        "seed": options["seed"],
        "latency": options["latency_ms"] / 1000,
        "receipt_delay": options["receipt_ms"] / 1000,
        "reply_delay": options["reply_ms"] / 1000,
        **{name: options[name] for name in SHARES},
    }
    if path := options["scenario"]:
        scenario = tomllib.loads(path.read_text())
        if unknown := sorted(set(scenario) - {field.name for field in fields(Behaviour)}):
            raise CommandError(f"{path} : {', '.join(unknown)} n’existe pas. Voir outreach/simulator/adversary.toml.")
        said |= scenario
    return Behaviour(**said)


SHARES = (
    "delivered",
    "switched_off",
    "stop",
    "reply",
    "throttled",
    "error_before",
    "error_after",
    "reset_after",
    "reset_before",
    "slow_drip",
    "filtered",
)
