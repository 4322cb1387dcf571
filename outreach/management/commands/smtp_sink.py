import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Reçoit les e-mails sur cette machine et les garde dans un fichier. Rien n’en sort."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8025)
        parser.add_argument("--ledger", type=Path, required=True, help="Fichier des messages (un JSON par ligne).")

    def handle(self, *args: Any, **options: Any) -> None:
        from outreach.simulator.mailbox import serve_mailbox  # aiosmtpd is installed for local use only

        mailbox = serve_mailbox(options["ledger"], port=options["port"])
        self.stdout.write(f"Boîte aux lettres : 127.0.0.1:{mailbox.port} ({options['ledger']})")
        self.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
        finally:
            mailbox.stop()
