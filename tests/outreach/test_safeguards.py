"""The first contacts of a wave leave alone; a campaign that goes wrong stops by itself, and may be resumed."""

from datetime import timedelta
from typing import Any

import pytest

from campaigns.enums import CampaignStatus, OppositionSource
from campaigns.lifecycle import resume_campaign
from campaigns.models import Campaign, CampaignMove, Opposition, set_clock
from outreach.channels.fake import FakeGateway, accept
from outreach.channels.ports import OutgoingMessage, SendOutcome, SendResult
from outreach.dispatch import dispatch_due
from outreach.enums import AttemptStatus, Suppression, TouchStatus
from outreach.models import Attempt, Canary, Pause, Touch
from outreach.rules.safeguards import FILTERED, CanaryState, Limits, Tally, canary_size, pause_reason
from outreach.safeguards import watch_campaigns
from tests.factories import make_user
from tests.outreach.waves import MORNING, make_wave

HOLD = timedelta(minutes=15)
LIMITS = Limits(failures=0.05, stops=0.02, sample=30, count=5)


@pytest.fixture
def ten_first(settings: Any) -> None:
    settings.CANARY_MINIMUM = 10


def send(worker: str = "test") -> None:
    dispatch_due(channel="SMS", worker=worker, deadline_seconds=30)


def at(delay: timedelta) -> int:
    set_clock(MORNING + delay)
    return watch_campaigns(now=MORNING + delay)


@pytest.mark.parametrize(
    ("total", "size"), [(0, 0), (1, 1), (49, 49), (50, 50), (51, 50), (5_000, 50), (5_001, 51), (100_000, 1_000)]
)
def test_one_in_a_hundred_and_fifty_at_least(total: int, size: int) -> None:
    assert canary_size(total=total, share=0.01, minimum=50) == size


@pytest.mark.parametrize(
    ("state", "minutes", "may_release"),
    [
        (CanaryState(10, 10, 0, 90, MORNING), 15, True),
        (CanaryState(10, 10, 0, 90, MORNING), 14.9, False),
        (CanaryState(10, 9, 1, 90, MORNING), 60, False),  # one may still leave
        (CanaryState(10, 9, 0, 90, MORNING), 60, False),  # one was stopped: another joins
        (CanaryState(10, 9, 0, 0, MORNING), 0, True),  # nobody waits
        (CanaryState(10, 0, 0, 0, None), 0, True),
    ],
)
def test_when_the_rest_goes_on(state: CanaryState, minutes: float, may_release: bool) -> None:
    assert state.may_release(now=MORNING + timedelta(minutes=minutes), hold=HOLD) is may_release


@pytest.mark.parametrize(
    ("tally", "says"),
    [
        (Tally(29, 29, 29, 0), ""),  # too few to judge
        (Tally(30, 4, 4, 0), ""),  # too few of them: chance
        (Tally(100, 5, 0, 0), ""),  # the limit itself is allowed
        (Tally(100, 6, 0, 0), "6 échecs sur 100 contacts dont le sort est connu, soit 6 % (seuil : 5 %)"),
        (Tally(250, 0, 5, 0), ""),
        (Tally(240, 0, 5, 0), "5 refus (STOP) sur 240 contacts dont le sort est connu, soit 2,1 % (seuil : 2 %)"),
        (Tally(1, 1, 0, 1), FILTERED),
    ],
)
def test_the_reason_gives_the_figures(tally: Tally, says: str) -> None:
    reason = pause_reason(tally, LIMITS)
    assert says in reason
    assert bool(says) is bool(reason)


@pytest.mark.django_db
@pytest.mark.usefixtures("ten_first")
def test_the_first_ten_leave_and_the_rest_waits_fifteen_minutes(operator: FakeGateway) -> None:
    make_wave(size=60)
    for worker in ("a", "b", "c"):
        send(worker)
    assert len(operator.sent) == 10
    assert at(timedelta(minutes=14)) == 0
    send()
    assert len(operator.sent) == 10
    last = Attempt.objects.order_by("-intent_at").values_list("intent_at", flat=True)[0]
    at(last + HOLD - MORNING)
    send()
    assert len(operator.sent) == 60


@pytest.mark.django_db
@pytest.mark.usefixtures("ten_first")
def test_a_small_wave_leaves_as_a_whole(operator: FakeGateway) -> None:
    make_wave(size=10)
    send()
    assert len(operator.sent) == 10


@pytest.mark.django_db
@pytest.mark.usefixtures("ten_first")
def test_others_take_the_place_of_first_contacts_that_were_stopped(operator: FakeGateway) -> None:
    make_wave(size=60)
    first = list(Touch.objects.filter(is_canary=True).order_by("pk").values_list("pk", flat=True))
    Touch.objects.filter(pk__in=first[:4]).update(status=TouchStatus.SUPPRESSED, reason=Suppression.OPPOSED)
    send()
    at(timedelta(minutes=1))
    send()
    assert len(operator.sent) == 10
    assert Touch.objects.filter(is_canary=True).count() == 14
    assert Canary.objects.get().released_at is None


@pytest.mark.django_db
@pytest.mark.usefixtures("ten_first")
def test_a_wave_that_waits_does_not_hold_the_others_of_its_campaign(operator: FakeGateway) -> None:
    audience = make_wave(size=60)
    Canary.objects.update(released_at=MORNING)
    Touch.objects.filter(audience=audience).update(is_canary=False)
    send()
    assert len(operator.sent) == 60


def end(number: int, status: TouchStatus, *, code: str = "", intent_at: Any = MORNING) -> None:
    """So many contacts that left get their end."""
    ids = list(Touch.objects.filter(status=TouchStatus.SUBMITTED).order_by("pk").values_list("pk", flat=True)[:number])
    assert len(ids) == number
    Touch.objects.filter(pk__in=ids).update(status=status)
    Attempt.objects.filter(touch_id__in=ids).update(
        status=AttemptStatus(status.value), error_code=code, intent_at=intent_at
    )


def stop(number: int) -> None:
    for touch in Touch.objects.filter(status=TouchStatus.DELIVERED).order_by("pk")[:number]:
        Opposition.objects.create(
            allocataire=touch.allocataire, source=OppositionSource.SMS_STOP, recorded_at=MORNING + timedelta(minutes=1)
        )


def a_campaign() -> Campaign:
    return Campaign.objects.get()


def last_move() -> CampaignMove:
    return a_campaign().moves.last() or pytest.fail("no move")


def make_sent(size: int) -> None:
    make_wave(size=size)
    a_campaign().moves.create(move="LAUNCH", at=MORNING - timedelta(hours=1))
    send()


@pytest.mark.django_db
def test_failures_pause_the_campaign_and_a_resume_starts_afresh(operator: FakeGateway) -> None:
    make_sent(100)
    end(60, TouchStatus.DELIVERED)
    end(3, TouchStatus.UNDELIVERED)
    assert at(timedelta(minutes=1)) == 0
    end(2, TouchStatus.FAILED)
    assert at(timedelta(minutes=2)) == 1
    campaign = a_campaign()
    move = last_move()
    assert (campaign.status, move.by) == (CampaignStatus.PAUSED, None)
    assert "5 échecs sur 65 contacts" in move.reason
    resume_campaign(campaign=campaign, by=make_user(), now=MORNING + timedelta(minutes=3))
    assert at(timedelta(minutes=4)) == 0, "what had left before the resume paused it again"
    assert a_campaign().status == CampaignStatus.RUNNING


@pytest.mark.django_db
def test_refusals_pause_the_campaign(operator: FakeGateway) -> None:
    make_sent(100)
    end(100, TouchStatus.DELIVERED)
    stop(4)
    assert at(timedelta(minutes=2)) == 0
    stop(5)
    assert at(timedelta(minutes=3)) == 1
    assert "5 refus (STOP) sur 100" in last_move().reason


@pytest.mark.django_db
def test_refusals_known_before_do_not_count(operator: FakeGateway) -> None:
    make_sent(100)
    end(100, TouchStatus.DELIVERED)
    stop(5)
    Opposition.objects.update(recorded_at=MORNING - timedelta(minutes=1))
    assert at(timedelta(minutes=3)) == 0


@pytest.mark.django_db
def test_one_filtered_message_is_enough(operator: FakeGateway) -> None:
    make_sent(3)
    end(1, TouchStatus.UNDELIVERED, code="30007")
    assert at(timedelta(minutes=1)) == 1
    assert last_move().reason == FILTERED


@pytest.mark.django_db
@pytest.mark.usefixtures("ten_first")
def test_a_wave_whose_first_contacts_fail_never_goes_on(operator: FakeGateway, settings: Any) -> None:
    settings.AUTO_PAUSE_SAMPLE = 10
    make_wave(size=60)
    a_campaign().moves.create(move="LAUNCH", at=MORNING - timedelta(hours=1))
    send()
    end(5, TouchStatus.FAILED)
    end(5, TouchStatus.DELIVERED)
    assert at(timedelta(minutes=30)) == 1
    assert Canary.objects.get().released_at is None
    send()
    assert len(operator.sent) == 10


def refuse_us(_message: OutgoingMessage) -> SendResult:
    return SendResult(SendOutcome.RETRY, error_code="20003", is_alert=True)


@pytest.mark.django_db
def test_an_operator_that_refuses_our_account_stops_its_channel(operator: FakeGateway, settings: Any) -> None:
    settings.SMS_CONNECTIONS = 4
    operator.script = refuse_us
    make_wave(size=60)
    send()
    pause = Pause.objects.get(scope="SMS")
    assert (pause.is_paused, pause.changed_by) == (True, "")
    assert "(code 20003)" in pause.reason
    assert Attempt.objects.count() < 20, "every contact lost a try"
    assert Campaign.objects.get().status == CampaignStatus.RUNNING


@pytest.mark.django_db
def test_a_hiccup_of_the_operator_stops_nothing(operator: FakeGateway, settings: Any) -> None:
    settings.SMS_CONNECTIONS = 4
    refusals = iter([refuse_us, refuse_us])
    operator.script = lambda message: next(refusals, accept)(message)
    make_wave(size=60)
    send()
    assert not Pause.objects.filter(is_paused=True).exists()
    assert len(operator.sent) == 58
