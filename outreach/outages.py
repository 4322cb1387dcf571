"""An operator that nobody can reach: its channel waits, longer and longer, instead of trying one contact after another.

What is shared is one row a channel. Whoever finds its delay over asks the operators whether they are back, alone:
nothing is sent by asking.
"""

import logging
from collections import Counter
from collections.abc import Sequence

from outreach.channels.ports import SendResult
from outreach.channels.registry import gateways_of, is_any_ready
from outreach.intents import Intent
from outreach.rules.outages import FIRST_HOLD_SECONDS, LONGEST_HOLD_SECONDS, SILENCES_BEFORE_HOLD, is_out_of_reach
from outreach.statements import run_statement

logger = logging.getLogger(__name__)

_HOLD = f"make_interval(secs => least({FIRST_HOLD_SECONDS} * power(2, least({{asked}}, 20)), {LONGEST_HOLD_SECONDS}))"
# No row: nothing holds it. The delay is lengthened before the operators are asked: whoever dies meanwhile, the others
# do not ask at once.
READ = f"""
WITH turn AS (
    UPDATE outreach_outage SET asked = asked + 1, until = app_now() + {_HOLD.format(asked="asked + 1")}
     WHERE channel = %(channel)s AND until <= app_now() RETURNING 1)
SELECT EXISTS (SELECT FROM turn) FROM outreach_outage WHERE channel = %(channel)s"""
BEGIN = f"""
INSERT INTO outreach_outage (channel, since, until, asked, error_code)
VALUES (%(channel)s, app_now(), app_now() + {_HOLD.format(asked="0")}, 0, %(error_code)s) ON CONFLICT DO NOTHING"""
END = "DELETE FROM outreach_outage WHERE channel = %(channel)s"


class Outage:
    """What one run knows of it."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.is_held = self._is_still_held()
        self._silences: Counter[str] = Counter()  # by operator, since it last said anything

    def hear(self, results: Sequence[tuple[Intent, SendResult]]) -> None:
        """The channel is held once each of its operators has said nothing several times in a row."""
        codes = []
        for intent, result in results:
            is_silent = is_out_of_reach(result.outcome, result.error_code)
            if is_silent:
                self._silences[intent.gateway.name] += 1
                codes.append(result.error_code)
            elif is_silent is not None:
                self._silences.pop(intent.gateway.name, None)
        names = [one.name for one in gateways_of(self.channel)]
        if codes and all(self._silences[name] >= SILENCES_BEFORE_HOLD for name in names):
            self.is_held = True
            run_statement(BEGIN, channel=self.channel, error_code=codes[-1][:40])
            logger.error("no operator can be reached channel=%s code=%s", self.channel, codes[-1])

    def _is_still_held(self) -> bool:
        rows = run_statement(READ, channel=self.channel)
        if not rows:
            return False
        [(is_our_turn,)] = rows
        if not is_our_turn or not is_any_ready(self.channel):
            return True
        run_statement(END, channel=self.channel)
        logger.warning("operators can be reached again channel=%s", self.channel)
        return False
