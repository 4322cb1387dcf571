"""Write down what an operator answered, whether at once or to a look-up: attempt, touch and contact fact together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, transaction
from psycopg.errors import DeadlockDetected

from campaigns.enums import FactState
from outreach.channels.ports import SendOutcome, SendResult
from outreach.enums import AttemptStatus, TouchStatus
from outreach.rules.delivery import fact_state
from outreach.rules.pacing import LONGEST_HOLD
from outreach.rules.retry import is_try, next_pause_end, next_try_at
from outreach.statements import STATUS, run_statement

# Same order as the receipts: touches, then attempts, then facts.
LOCK_TOUCHES = """
SELECT t.id FROM outreach_touch t JOIN outreach_attempt o ON o.touch_id = t.id
 WHERE o.uuid = ANY(%(uuids)s) ORDER BY t.id FOR NO KEY UPDATE OF t"""

# A receipt may have come first: what it said stands (a state is only left for a later one). A person who may have
# received an earlier attempt keeps counting as contacted, whatever became of this one.
RECORD = f"""
WITH result AS (
    SELECT * FROM unnest(%(uuids)s::uuid[], %(attempt_states)s::text[], %(touch_states)s::text[],
                         %(fact_states)s::text[], %(refs)s::text[], %(error_codes)s::text[], %(segments)s::int[],
                         %(due_at)s::timestamptz[])
        AS r(uuid, attempt_state, touch_state, fact_state, ref, error_code, segments, due_at)),
tried AS (
    UPDATE outreach_attempt o
       SET provider_ref = CASE WHEN o.provider_ref = '' THEN r.ref ELSE o.provider_ref END,
           submitted_at = CASE WHEN r.ref <> ''
                               THEN coalesce(o.submitted_at, app_now()) ELSE o.submitted_at END,
           segments = greatest(o.segments, r.segments),
           status_at = app_now(),
           error_code = CASE WHEN o.error_code = '' THEN r.error_code ELSE o.error_code END,
           status = CASE WHEN o.status IN ('{AttemptStatus.SENDING}', '{AttemptStatus.UNCONFIRMED}')
                         THEN r.attempt_state ELSE o.status END
      FROM result r WHERE o.uuid = r.uuid
    RETURNING o.touch_id, o.number, r.touch_state, r.fact_state, r.due_at, o.status = r.attempt_state AS is_news),
moved AS (
    UPDATE outreach_touch t
       SET status = tried.touch_state, status_at = app_now(), claimed_by = '', claimed_until = NULL,
           due_at = coalesce(tried.due_at, t.due_at)
      FROM tried
     WHERE t.id = tried.touch_id AND t.attempt_count = tried.number AND tried.is_news
       AND {STATUS} IN ('{TouchStatus.SENDING}', '{TouchStatus.UNCONFIRMED}')
    RETURNING t.id, tried.fact_state)
UPDATE campaigns_contactfact f SET state = moved.fact_state
  FROM moved
 WHERE f.touch_ref = moved.id
   AND NOT (moved.fact_state IN ('{FactState.RESERVED}', '{FactState.RELEASED}') AND EXISTS (
       SELECT 1 FROM outreach_attempt o
        WHERE o.touch_id = moved.id AND o.status = '{AttemptStatus.UNCONFIRMED}' AND o.uuid <> ALL(%(uuids)s)))"""


@dataclass(frozen=True)
class Answer:
    """What is now known of one attempt."""

    attempt_uuid: UUID
    status: AttemptStatus
    provider_ref: str = ""
    error_code: str = ""
    segments: int = 0
    may_retry: bool = False
    refused: Sequence[str] = ()  # codes of the earlier attempts that were refused; only where another try is allowed
    other_attempts: int = 0  # earlier ones as well
    retry_after: float = 0

    @classmethod
    def to_sending(
        cls, attempt_uuid: UUID, result: SendResult, *, refused: Sequence[str] = (), other_attempts: int = 0
    ) -> "Answer":
        return cls(
            attempt_uuid,
            result.status,
            result.provider_ref,
            result.error_code,
            result.segments,
            result.outcome is SendOutcome.RETRY,
            refused,
            other_attempts,
            result.retry_after or 0,
        )

    def next_try_at(self, now: datetime) -> datetime | None:
        if not self.may_retry:
            return None
        codes, delays = [*self.refused, self.error_code], settings.RETRY_DELAYS_SECONDS
        tried = self.other_attempts + sum(map(is_try, codes))
        at: datetime | None = next_pause_end(codes=codes, delays_seconds=delays, now=now)
        if is_try(self.error_code):
            at = next_try_at(tried=tried, delays_seconds=delays, now=now)
        return at and max(at, now + timedelta(seconds=min(self.retry_after, LONGEST_HOLD)))


def record_answers(*, answers: Sequence[Answer], now: datetime) -> None:
    """One transaction for all. Idempotent; a state that a receipt brought first is never undone."""
    if not answers:
        return
    rows = [_row(answer, now) for answer in answers]
    values = {name: [row[name] for row in rows] for name in rows[0]}
    for tries_left in (2, 1, 0):
        try:
            with transaction.atomic():
                run_statement(LOCK_TOUCHES, uuids=values["uuids"])
                run_statement(RECORD, **values)
            return
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected) or not tries_left:
                raise


def _row(answer: Answer, now: datetime) -> dict[str, object]:
    due_at = answer.next_try_at(now)
    touch_state = TouchStatus.PLANNED if due_at else TouchStatus(answer.status.value)
    return {
        "uuids": answer.attempt_uuid,
        "attempt_states": answer.status.value,
        "touch_states": touch_state.value,
        "fact_states": fact_state(touch_state).value,
        "refs": answer.provider_ref,
        "error_codes": answer.error_code,
        "segments": answer.segments,
        "due_at": due_at,
    }
