"""A contact that was handed to the operator, for the tests of what comes back."""

from datetime import timedelta
from typing import Any

from campaigns.models import ContactFact
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, Touch
from outreach.rules.delivery import fact_state
from tests.outreach.waves import MORNING, make_wave

NOW = MORNING + timedelta(minutes=5)


def make_sent(*, status: str = AttemptStatus.SUBMITTED, provider_ref: str = "SM1", **wave: Any) -> Attempt:
    """One attempt in this state, with its touch and its contact fact."""
    touch = Touch.objects.get(audience=make_wave(**wave))
    return add_attempt(touch, status=status, provider_ref=provider_ref)


def add_attempt(touch: Touch, *, status: str = AttemptStatus.SUBMITTED, provider_ref: str = "SM1") -> Attempt:
    touch.status = TouchStatus(str(status))
    touch.attempt_count += 1
    touch.save(update_fields=["status", "attempt_count"])
    ContactFact.objects.filter(touch_ref=touch.pk).update(state=fact_state(touch.status))
    return Attempt.objects.create(
        touch=touch,
        number=touch.attempt_count,
        provider="twilio",
        provider_ref=provider_ref,
        status=status,
        intent_at=MORNING,
    )
