"""What the demo and the load run ask of the simulated operator: its ledger, its clock, its moods, an answer."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.request import ProxyHandler, build_opener

_open = build_opener(ProxyHandler({})).open  # it is on this machine, whatever the proxy
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class OperatorDesk:
    """``url``: the address of its API (``settings.TWILIO_API_URL``)."""

    url: str

    def read_ledger(self, *, with_messages: bool = False) -> dict[str, Any]:
        """The summary of ``Ledger.summary``; ``messages`` as well, each an ``Entry``, when asked for."""
        with _open(f"{self.url}/__ledger__{'?messages=1' if with_messages else ''}", timeout=TIMEOUT_SECONDS) as answer:
            return dict(json.load(answer))

    def tell_clock(self, now: datetime) -> None:
        self._post("/__clock__", {"now": now.isoformat()})

    def behave(self, **shares: float) -> None:
        """Change shares of ``Behaviour`` while it runs."""
        self._post("/__behaviour__", shares)

    def write_as(self, sender: str, text: str) -> None:
        """A person writes to us."""
        self._post("/__inbound__", {"from": sender, "body": text})

    def _post(self, path: str, body: object) -> None:
        _open(f"{self.url}{path}", json.dumps(body).encode(), timeout=TIMEOUT_SECONDS).close()
