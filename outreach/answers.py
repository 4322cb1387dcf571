"""What operators' answers teach beyond the contacts they are for: refusals, bad addresses, an account in trouble."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from campaigns.bad_destinations import Finding, record_bad_destinations
from campaigns.enums import OppositionSource
from campaigns.oppositions import record_opposition
from outreach.channels.ports import SendOutcome, SendResult
from outreach.channels.registry import gateways_of
from outreach.intents import Intent
from outreach.pauses import stop_refused_channel
from outreach.rules.delivery import Action, action_for, bad_number_reason
from outreach.rules.safeguards import TROUBLES_BEFORE_PAUSE, is_account_trouble

Results = Sequence[tuple[Intent, SendResult]]


class Listener:
    """Hears the answers of one channel during one run."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self._refusals: Counter[str] = Counter()  # of our account or sender, by operator, since one took a message

    def heed(self, results: Results, *, now: datetime) -> None:
        """To be called before the answers are written down, so that no crash loses what they teach."""
        for intent, result in results:
            if action_for(result.error_code) == Action.OPPOSE:
                self._oppose(intent, now)
        self._stop_if_refused(results, now)
        record_bad_destinations(findings=self._bad_numbers(results), now=now)

    def _stop_if_refused(self, results: Results, now: datetime) -> None:
        """The operator refuses us, and no other one takes over: a person must look."""
        if any(result.outcome is SendOutcome.ACCEPTED for _, result in results):
            self._refusals.clear()
        refused = [(i.gateway.name, r.error_code) for i, r in results if is_account_trouble(r.error_code)]
        self._refusals.update(name for name, _ in refused)
        if refused and all(self._refusals[one.name] >= TROUBLES_BEFORE_PAUSE for one in gateways_of(self.channel)):
            stop_refused_channel(channel=self.channel, error_code=refused[-1][1], now=now)

    def _bad_numbers(self, results: Results) -> list[Finding]:
        return [
            Finding(intent.claimed.allocataire_id, intent.claimed.destination, self.channel, reason)
            for intent, result in results
            if (reason := bad_number_reason(result.error_code))
        ]

    def _oppose(self, intent: Intent, now: datetime) -> None:
        record_opposition(
            allocataire_ids=[intent.claimed.allocataire_id],
            channel=self.channel,
            source=OppositionSource.OPERATOR,
            now=now,
            destination=intent.claimed.destination,
        )
