"""What follows a fault: time passes, the sweepers put things in order, the workers send, a superviseur decides."""

from datetime import datetime, timedelta
from functools import partial

from django.db.models import Q

from campaigns.models import read_now, set_clock
from outreach.enums import TouchStatus
from outreach.models import Touch
from outreach.reconciliation import (
    mark_crashed_attempts,
    reconcile_unconfirmed,
    release_expired_claims,
    reschedule_missed,
    resolve_touch,
)
from outreach.rules.retry import LOOKUPS_BEFORE_RESEND, Resolution
from tests.factories import make_user
from tests.faults.harness import OperatorProcess, wait_until

ON_THE_WIRE = [TouchStatus.CLAIMED, TouchStatus.SENDING]
UNDECIDED = [TouchStatus.UNCONFIRMED, TouchStatus.QUARANTINED]
LOOKED_UP = 500  # at once
ROUNDS = 9  # three hours: past the closing of noon, if it comes to that


def go_on(minutes: int) -> datetime:
    """Later in the morning, whatever is on the wire meanwhile: what the dead left is put in order."""
    now = read_now() + timedelta(minutes=minutes)
    set_clock(now)
    release_expired_claims(now=now)
    mark_crashed_attempts(now=now)
    reschedule_missed(now=now)
    return now


def settle(minutes: int) -> None:
    """What is in doubt is looked for, and the workers send what is planned again."""
    now = go_on(minutes)
    for _ in range(Touch.objects.filter(status=TouchStatus.UNCONFIRMED).count() // LOOKED_UP + 1):
        reconcile_unconfirmed(now=now, limit=LOOKED_UP)
    wait_until(partial(nothing_is_due, now), what="what was due has left", seconds=240)


def nothing_is_due(now: datetime) -> bool:
    waiting = Touch.objects.filter(status=TouchStatus.PLANNED, due_at__lte=now)
    return not waiting.exists() and not Touch.objects.filter(status__in=ON_THE_WIRE).exists()


def recover(operator: OperatorProcess, troubles: dict[str, float]) -> int:
    """Until everybody's fate is known: an hour, then a superviseur for what is left; returns how many those were."""
    for minutes in (5, 5, 15, 20, 15):
        settle(minutes)
        assert_never_twice(operator)
    operator.behave(**dict.fromkeys(troubles, 0))
    settle(20)  # an operator that answers: what it has is found
    decided = let_a_superviseur_decide()
    for _ in range(ROUNDS):  # on a busy machine an answer may come too late even now: it is looked for, and decided
        settle(20)
        if not Touch.objects.filter(status__in=[*UNDECIDED, TouchStatus.PLANNED]).exists():
            break
        decided += let_a_superviseur_decide()
    assert_never_twice(operator)
    return decided


def let_a_superviseur_decide() -> int:
    """The operator swears twice that it has none of them, or their senders died thrice: they are sent again."""
    superviseur = make_user()
    is_sure = Q(status=TouchStatus.QUARANTINED) | Q(attempts__lookup_count__gte=LOOKUPS_BEFORE_RESEND)
    left = list(Touch.objects.filter(is_sure, status__in=UNDECIDED).distinct().order_by("pk"))
    for touch in left:
        resolve_touch(touch=touch, decision=Resolution.RESEND, by=superviseur, now=read_now(), reason="Essai")
    return len(left)


def assert_never_twice(operator: OperatorProcess) -> None:
    doubled = {recipient for recipient, times in operator.recipients().items() if times > 1}
    assert not doubled, f"{len(doubled)} people got two messages"


def count_lost(operator: OperatorProcess) -> int:
    """People whose contact was planned and to whom nothing left."""
    return len(set(Touch.objects.values_list("destination", flat=True)) - set(operator.recipients()))
