import hashlib
import hmac
from datetime import UTC, date, datetime, timedelta

import pytest

from campaigns.enums import FactState
from campaigns.models import ContactFact
from campaigns.oppositions import hash_destination
from campaigns.rules.calendar import parse_hours, territory_of
from outreach.enums import Suppression, TouchStatus
from outreach.models import Touch
from outreach.planning import WaveNotPlanned, plan_wave
from outreach.rules.planning import slot_of
from tests.factories import make_allocataire, make_allocataires, make_commune, make_control, step_values
from tests.outreach.waves import NIGHT, PLANNED_AT, make_frozen, make_wave

pytestmark = pytest.mark.django_db
PARIS = territory_of("66136")
HOURS = parse_hours("10:00-13:00,14:00-20:00")


def paris(day: int, hour: int, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=PARIS.zone)


@pytest.mark.parametrize(
    ("due_on", "now", "opens", "closes"),
    [
        (date(2026, 3, 3), paris(3, 1), paris(3, 10), paris(3, 13)),
        (date(2026, 3, 3), paris(3, 13), paris(3, 14), paris(3, 20)),
        (date(2026, 3, 3), paris(3, 21), paris(4, 10), paris(4, 13)),  # planned too late: the next day
        (date(2026, 3, 7), paris(3, 1), paris(9, 10), paris(9, 13)),  # a Saturday
        (date(2026, 5, 1), paris(3, 1), paris(4, 10, 5), paris(4, 13, 5)),  # 1 May, then a week-end
    ],
)
def test_a_contact_is_due_in_the_first_window_of_its_day(
    due_on: date, now: datetime, opens: datetime, closes: datetime
) -> None:
    slot = slot_of(due_on=due_on, valid_days=5, channel="SMS", territory=PARIS, hours=HOURS, now=now)
    assert (slot.opens_at, slot.closes_at) == (opens, closes)
    assert slot.expires_at == datetime.combine(due_on + timedelta(days=6), datetime.min.time(), tzinfo=PARIS.zone)


def test_a_wave_is_planned_once_and_reserved_in_the_cap() -> None:
    audience = make_wave(size=3)
    make_control(audience)
    assert plan_wave(audience=audience, now=PLANNED_AT) == {"planned": 0, "no_address": 0, "shared_destination": 0}
    touches = list(Touch.objects.order_by("pk"))
    assert [t.status for t in touches] == [TouchStatus.PLANNED] * 3
    assert {t.due_at for t in touches} == {paris(3, 10)}
    assert {t.closes_at for t in touches} == {paris(3, 13)}
    facts = ContactFact.objects.all()
    assert {(f.touch_ref, f.state, f.at) for f in facts} == {(t.pk, FactState.RESERVED, t.due_at) for t in touches}


def test_temoins_and_excluded_people_get_nothing() -> None:
    audience = make_frozen(people=make_allocataires(1))
    make_control(audience)
    from tests.factories import make_member

    make_member(audience, exclusion="PRESSION")
    assert plan_wave(audience=audience, now=PLANNED_AT)["planned"] == 1


@pytest.mark.parametrize("channel", ["SMS", "EMAIL"])
def test_the_hash_of_a_destination_is_the_one_of_oppositions(channel: str) -> None:
    make_wave(size=1, steps=[step_values(channel)])
    touch = Touch.objects.get()
    assert touch.destination_hash == hash_destination(touch.destination)


@pytest.mark.parametrize("key", ["k", "k" * 64, "k" * 200])
def test_the_hash_written_in_sql_is_hmac_whatever_the_key(settings: object, key: str) -> None:
    settings.DESTINATION_HASH_KEY = key  # type: ignore[attr-defined]
    make_wave(size=1)
    touch = Touch.objects.get()
    expected = hmac.new(key.encode(), touch.destination.encode(), hashlib.sha256).hexdigest()
    assert touch.destination_hash == expected


@pytest.mark.parametrize(
    ("channel", "values", "destination"),
    [
        ("SMS", {"mobile": "+33611111111"}, "+33611111111"),
        ("SMS", {"sms_allowed": False}, ""),
        ("SMS", {"mobile": ""}, ""),
        ("EMAIL", {"email": "a@exemple.invalid"}, "a@exemple.invalid"),
        ("EMAIL", {"email_allowed": False}, ""),
        ("CALL", {"mobile": "+33611111111"}, "+33611111111"),
        ("CALL", {"mobile": "", "landline": "+33411111111"}, "+33411111111"),
        ("CALL", {"call_allowed": False}, ""),
        ("CALL", {"mobile": "", "landline": ""}, ""),
    ],
)
def test_each_channel_takes_an_address_that_is_authorised(
    channel: str, values: dict[str, object], destination: str
) -> None:
    make_wave(people=[make_allocataire(**values)], steps=[step_values(channel)])
    touch = Touch.objects.get()
    assert touch.destination == destination
    if not destination:
        assert (touch.status, touch.reason) == (TouchStatus.SUPPRESSED, Suppression.NO_ADDRESS)
        assert not ContactFact.objects.exists()


def test_one_mobile_gets_one_message_at_each_step() -> None:
    people = make_allocataires(2, mobile="+33612345678")
    make_wave(people=people, steps=[step_values(), step_values(position=2, offset_days=3)])
    touches = Touch.objects.order_by("step__position", "pk")
    assert [t.reason for t in touches] == ["", Suppression.SHARED_DESTINATION] * 2
    assert ContactFact.objects.count() == 2


def test_a_step_of_another_arm_is_not_planned() -> None:
    make_wave(size=1, steps=[step_values(arm="SMS"), step_values(arm="APPEL", position=2)])
    assert Touch.objects.count() == 1


def test_days_are_counted_from_the_first_day_of_sending() -> None:
    make_wave(size=1, starts_on=date(2026, 3, 10), steps=[step_values(offset_days=2)])
    assert Touch.objects.get().due_at == paris(12, 10)


@pytest.mark.parametrize(
    ("dtr_due_on", "due_at"),
    [(date(2026, 3, 20), paris(10, 10)), (date(2026, 3, 13), paris(3, 10)), (date(2026, 3, 12), None), (None, None)],
)
def test_a_dated_step_is_due_on_its_day_or_skipped(dtr_due_on: date | None, due_at: datetime | None) -> None:
    people = [make_allocataire(dtr_due_on=dtr_due_on)]
    make_wave(people=people, steps=[step_values(anchor="dtr_due_on", offset_days=-10)])
    assert [t.due_at for t in Touch.objects.all()] == ([due_at] if due_at else [])


def test_an_unknown_date_plans_nothing_and_says_it() -> None:
    audience = make_frozen(people=make_allocataires(1), steps=[step_values(anchor="password")])
    with pytest.raises(WaveNotPlanned, match="date inconnue"):
        plan_wave(audience=audience, now=PLANNED_AT)


def test_windows_follow_the_commune() -> None:
    reunion = make_commune("97411", "Saint-Denis")
    alsace = make_commune("67482", "Strasbourg")
    people = [make_allocataire(commune=reunion), make_allocataire(commune=alsace), make_allocataire(commune=None)]
    make_wave(people=people)
    dues = [t.due_at for t in Touch.objects.order_by("member_id")]
    assert dues == [datetime(2026, 3, 3, 6, tzinfo=UTC), paris(3, 10), paris(3, 10)]


def test_what_a_replaced_wave_had_left_is_withdrawn() -> None:
    people = make_allocataires(1)
    old = make_wave(people=people)
    old.superseded_at = PLANNED_AT
    old.save()
    new = make_frozen(people=people, campaign=old.campaign)
    plan_wave(audience=new, now=PLANNED_AT)
    assert list(Touch.objects.order_by("pk").values_list("status", flat=True)) == [
        TouchStatus.CANCELLED,
        TouchStatus.PLANNED,
    ]
    assert list(ContactFact.objects.order_by("touch_ref").values_list("state", flat=True)) == [
        FactState.RELEASED,
        FactState.RESERVED,
    ]
    assert new.night_on == NIGHT
