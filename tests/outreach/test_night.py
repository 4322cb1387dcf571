"""The night: run once, resumed where it stopped, never stopped by one step's trouble."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from campaigns.enums import CampaignStatus, Channel, PlanMode
from campaigns.lifecycle import close_campaign, current_fingerprint
from campaigns.models import Audience, Campaign, RegularisationKind
from outreach import night as night_module
from outreach.enums import NightStatus, TouchStatus
from outreach.models import Night, NightStep, Outcome, Regularisation, RegularisationImport, Touch
from outreach.night import StepSpec, run_due_night, run_night
from outreach.rules.nights import PAUSES_SECONDS
from tests.factories import (
    NIGHT,
    NOW,
    give_rules,
    make_allocataires,
    make_plan,
    make_running_campaign,
    step_values,
)

pytestmark = pytest.mark.django_db


def counts_of(night: Night, step: str) -> dict[str, int]:
    counts: dict[str, int] = night.steps.get(name=step).counts
    return counts


def test_a_night_freezes_draws_and_plans() -> None:
    make_allocataires(40)
    campaign = make_running_campaign(expected_size=40, control_share="0.25", starts_on=NIGHT)
    night = run_night(on=NIGHT, now=NOW)
    assert night.status == NightStatus.DONE
    assert counts_of(night, "freeze") == {
        "campagnes": 1,
        "ciblés": 40,
        "retenus": 40,
        "témoins": 10,
        "contacts prévus": 30,
        "mises en pause": 0,
    }
    assert Touch.objects.filter(campaign=campaign, status=TouchStatus.PLANNED).count() == 30


def test_a_night_is_run_once() -> None:
    make_allocataires(5)
    make_running_campaign(expected_size=5, starts_on=NIGHT)
    first = run_night(on=NIGHT, now=NOW)
    again = run_night(on=NIGHT, now=NOW + timedelta(hours=1))
    assert again.finished_at == first.finished_at
    assert Audience.objects.count() == 1
    assert Touch.objects.count() == 5


def test_a_failed_step_says_so_and_is_done_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []
    mobile = "06" + "12345678"

    def fail_once(on: date, now: datetime) -> dict[str, int]:
        calls.append("fail")
        if len(calls) == 1:
            raise RuntimeError(f"{mobile} must not be told")
        return {"fait": 1}

    def count(on: date, now: datetime) -> dict[str, int]:
        calls.append("count")
        return {"fait": 1}

    monkeypatch.setattr(night_module, "STEPS", (StepSpec("a", "A", fail_once), StepSpec("b", "B", count)))
    night = run_night(on=NIGHT, now=NOW)
    assert night.status == NightStatus.PROBLEM
    assert "RuntimeError" in night.steps.get(name="a").problem
    assert mobile not in night.steps.get(name="a").problem + caplog.text
    assert run_night(on=NIGHT, now=NOW).status == NightStatus.DONE
    assert calls == ["fail", "count", "fail"], "what was done is not done again"
    assert NightStep.objects.filter(night=night, problem="").count() == 2


def test_a_drift_pauses_the_campaign_and_not_the_night() -> None:
    make_allocataires(30)
    drifted = make_running_campaign(expected_size=10, starts_on=NIGHT)
    night = run_night(on=NIGHT, now=NOW)
    drifted.refresh_from_db()
    assert drifted.status == CampaignStatus.PAUSED
    assert counts_of(night, "freeze")["mises en pause"] == 1
    assert night.status == NightStatus.DONE
    assert not Audience.objects.exists()


def make_unreadable(campaign: Campaign) -> Campaign:
    """A field that was removed since the approval: nobody can be designated any more."""
    campaign.criteria = {"all": [{"field": "extra.disparu", "op": "eq", "value": True}]}
    campaign.approved_fingerprint = current_fingerprint(campaign)
    campaign.save()
    return campaign


def test_a_campaign_that_cannot_be_played_does_not_keep_the_others_from_it(caplog: pytest.LogCaptureFixture) -> None:
    make_allocataires(3)
    broken = make_unreadable(make_running_campaign(expected_size=3, starts_on=NIGHT, priority=1))
    sound = make_running_campaign(expected_size=3, starts_on=NIGHT, priority=2)
    night = run_night(on=NIGHT, now=NOW)
    assert sound.audiences.count() == 1
    assert Touch.objects.filter(campaign=sound).count() == 3
    step = night.steps.get(name="freeze")
    assert step.counts["ciblés"] == 3
    assert f"« {broken.name} »" in step.problem
    assert "n’existe plus" in step.problem
    assert night.status == NightStatus.PROBLEM
    assert f"campaign={broken.pk}" in caplog.text
    again = run_night(on=NIGHT, now=NOW)
    assert (again.status, Touch.objects.count()) == (NightStatus.PROBLEM, 3), "played once, told every time"


def test_a_campaign_whose_results_fail_keeps_none_from_being_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    make_allocataires(2)
    first, second = (make_running_campaign(expected_size=2, starts_on=NIGHT) for _ in range(2))
    measured: list[int] = []

    def measure(*, campaign: Campaign, now: datetime) -> int:
        if campaign == first:
            raise RuntimeError("secret")
        measured.append(campaign.pk)
        return 1

    monkeypatch.setattr(night_module, "attribute_outcomes", measure)
    night = run_night(on=NIGHT, now=NOW)
    step = night.steps.get(name="outcomes")
    assert measured == [second.pk]
    assert step.counts == {"résultats mis à jour": 1}
    assert f"« {first.name} » (RuntimeError)" in step.problem
    assert "secret" not in step.problem


def test_a_closed_campaign_is_measured_until_its_feeds_can_have_told_its_window() -> None:
    """Closed before its time, or closed at its end before the last régularisations were told: its bilan goes on."""
    kind = RegularisationKind.objects.create(code="FAIT", label="Fait", stage="ABOUTI")
    (person,) = make_allocataires(1)
    plan = make_plan()
    plan.expected_kinds.add(kind)
    campaign = make_running_campaign(expected_size=1, plan=plan, starts_on=NIGHT, window_days=10)
    run_night(on=NIGHT, now=NOW)
    close_campaign(campaign=campaign, now=NOW + timedelta(days=1))
    source = RegularisationImport.objects.create(file_name="f.csv", as_of=NIGHT, imported_at=NOW)
    Regularisation.objects.create(
        allocataire=person, kind=kind, occurred_on=NIGHT + timedelta(days=9), source=source
    )  # fmt: skip
    run_night(on=NIGHT + timedelta(days=40), now=NOW + timedelta(days=40))
    assert Outcome.objects.get().settled_on == NIGHT + timedelta(days=9)
    Regularisation.objects.create(
        allocataire=person, kind=kind, occurred_on=NIGHT + timedelta(days=8), source=source
    )  # fmt: skip
    late = 10 + night_module.TOLD_WITHIN.days + 1
    run_night(on=NIGHT + timedelta(days=late), now=NOW + timedelta(days=late))
    assert Outcome.objects.get().settled_on == NIGHT + timedelta(days=9), "too late to change a bilan"


def test_a_nightly_campaign_takes_who_newly_matches() -> None:
    plan = make_plan(mode=PlanMode.NIGHTLY)
    campaign = make_running_campaign(expected_size=3, plan=plan, night_size_max=50, starts_on=NIGHT)
    make_allocataires(3)
    run_night(on=NIGHT, now=NOW)
    make_allocataires(2)
    run_night(on=NIGHT + timedelta(days=1), now=NOW + timedelta(days=1))
    waves = campaign.audiences.order_by("number").values_list("number", "targeted_count")
    assert list(waves) == [(1, 3), (2, 2)]


@pytest.mark.parametrize(
    ("status", "is_closed"),
    [
        (TouchStatus.DELIVERED, True),
        (TouchStatus.SUBMITTED, True),  # no receipt will come for it any more
        (TouchStatus.UNCONFIRMED, False),
        (TouchStatus.PLANNED, False),
    ],
)
def test_a_campaign_closes_when_its_window_has_passed(status: str, is_closed: bool) -> None:
    make_allocataires(2)
    campaign = make_running_campaign(expected_size=2, starts_on=NIGHT, window_days=10)
    run_night(on=NIGHT, now=NOW)
    Touch.objects.update(
        status=status, closes_at=NOW + timedelta(days=90), expires_at=NOW + timedelta(days=90), due_at=NOW
    )
    run_night(on=NIGHT + timedelta(days=10), now=NOW + timedelta(days=10))
    campaign.refresh_from_db()
    assert campaign.status == CampaignStatus.RUNNING, "the window's last day is still in it"
    run_night(on=NIGHT + timedelta(days=11), now=NOW + timedelta(days=11))
    campaign.refresh_from_db()
    assert (campaign.status == CampaignStatus.CLOSED) == is_closed


@pytest.mark.parametrize(
    ("local_hour", "runs"), [("00:30", False), ("01:05", True), ("06:59", True), ("07:30", False), ("15:00", False)]
)
def test_the_bell_rings_all_day_and_the_night_runs_in_its_hours(local_hour: str, runs: bool) -> None:
    hour, minute = map(int, local_hour.split(":"))
    now = datetime(2026, 3, 3, tzinfo=UTC) + timedelta(hours=hour - 1, minutes=minute)  # Paris is UTC+1
    assert (run_due_night(now=now) is not None) == runs
    assert run_due_night(now=now) is None, "tonight's is done"


def test_a_bell_does_not_wait_for_a_night_that_runs() -> None:
    """It would hold a worker that receipts and STOPs need."""
    after_one = NOW + timedelta(minutes=45)
    other = connection.copy()
    with other.cursor() as elsewhere, connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        elsewhere.execute("SELECT pg_advisory_lock(%s)", [night_module.NIGHT_LOCK])
        assert run_due_night(now=after_one) is None
        elsewhere.execute("SELECT pg_advisory_unlock(%s)", [night_module.NIGHT_LOCK])
    other.close()
    assert run_due_night(now=after_one) is not None


AT_ONE = datetime(2026, 3, 3, 0, 0, tzinfo=UTC)  # 01:00 in Paris


def fail_until(succeeds_at: int) -> tuple[list[int], StepSpec]:
    """A step that fails, as when two transactions block each other, until its try of that number."""
    tries: list[int] = []

    def run(on: date, now: datetime) -> dict[str, int]:
        tries.append(len(tries) + 1)
        if tries[-1] < succeeds_at:
            raise OperationalError("deadlock detected")
        return {"fait": 1}

    return tries, StepSpec("a", "A", run)


def ring_through_the_night(*, seconds: int) -> list[datetime]:
    """Every bell of the night; those that set off a try."""
    bells = (AT_ONE + timedelta(seconds=at) for at in range(0, 7 * 3600, seconds))
    return [bell for bell in bells if run_due_night(now=bell)]


def test_what_passes_is_tried_again_within_the_night_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    _, failing = fail_until(3)
    monkeypatch.setattr(night_module, "STEPS", (failing,))
    begun = ring_through_the_night(seconds=20)
    assert [at - AT_ONE for at in begun] == [timedelta(0), timedelta(minutes=1), timedelta(minutes=6)]
    night = Night.objects.get()
    assert (night.status, night.tries, night.next_try_at) == (NightStatus.DONE, 3, None)
    assert night.steps.get().counts == {"fait": 1}


def test_what_lasts_is_tried_a_few_times_then_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries, failing = fail_until(1_000)
    monkeypatch.setattr(night_module, "STEPS", (failing,))
    ring_through_the_night(seconds=60)
    assert len(tries) == len(PAUSES_SECONDS) + 1
    night = Night.objects.get()
    assert (night.status, night.tries, night.next_try_at) == (NightStatus.PROBLEM, 7, None)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


def test_what_only_a_person_can_mend_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    make_allocataires(3)
    make_unreadable(make_running_campaign(expected_size=3, starts_on=NIGHT))
    assert len(ring_through_the_night(seconds=600)) == 1
    night = Night.objects.get()
    assert (night.status, night.tries, night.next_try_at) == (NightStatus.PROBLEM, 1, None)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


def test_no_try_is_promised_after_the_hours_of_the_night(monkeypatch: pytest.MonkeyPatch) -> None:
    _, failing = fail_until(1_000)
    monkeypatch.setattr(night_module, "STEPS", (failing,))
    assert run_night(on=NIGHT, now=AT_ONE + timedelta(hours=5, minutes=58)).next_try_at is not None
    assert run_night(on=NIGHT, now=AT_ONE + timedelta(hours=5, minutes=58)).next_try_at is None
    assert run_night(on=NIGHT, now=AT_ONE + timedelta(days=1)).next_try_at is None, "run by hand for a day that passed"


def test_a_night_that_kills_its_worker_is_not_begun_again_by_every_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def kill(on: date, now: datetime) -> dict[str, int]:
        raise Killed

    monkeypatch.setattr(night_module, "STEPS", (StepSpec("a", "A", kill),))
    bells = 0
    for at in range(0, 6 * 3600, 60):
        with suppress(Killed):
            bells += run_due_night(now=AT_ONE + timedelta(seconds=at)) is None
    assert bells == 6 * 60 - 7
    assert Night.objects.get().status == NightStatus.RUNNING, "« Ce qui attend » tells it"


@pytest.mark.django_db(transaction=True)
def test_a_night_whose_database_goes_away_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[datetime] = []

    def cut(on: date, now: datetime) -> dict[str, int]:
        tries.append(now)
        if len(tries) == 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return {"fait": 1}

    monkeypatch.setattr(night_module, "STEPS", (StepSpec("a", "A", cut),))
    with pytest.raises(OperationalError):
        run_due_night(now=AT_ONE)
    connection.close()  # as Celery does between two tasks
    assert run_due_night(now=AT_ONE + timedelta(seconds=59)) is None
    night = run_due_night(now=AT_ONE + timedelta(seconds=60))
    assert night
    assert (night.status, night.tries) == (NightStatus.DONE, 2)


def test_calls_are_listed_again_once_the_wave_that_failed_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    make_allocataires(4)
    plans = [make_plan(steps=[step_values(Channel.CALL)]) for _ in range(2)]
    _, last = [make_running_campaign(expected_size=4, plan=plan, starts_on=NIGHT) for plan in plans]
    give_rules(is_exempt_from_cap=True)
    freeze, failed = night_module.freeze_audience, []

    def fail_once(*, campaign: Campaign, **values: Any) -> Audience | None:
        if campaign == last and not failed:
            failed.append(campaign)
            raise OperationalError("deadlock detected")
        return freeze(campaign=campaign, **values)

    monkeypatch.setattr(night_module, "freeze_audience", fail_once)
    first = run_due_night(now=AT_ONE)
    assert first
    assert counts_of(first, "calls") == {"appels du jour": 4}
    again = run_due_night(now=AT_ONE + timedelta(minutes=1))
    assert again
    assert again.status == NightStatus.DONE
    assert counts_of(again, "calls") == {"appels du jour": 8}
    assert counts_of(again, "freeze") == {
        "campagnes": 2,
        "ciblés": 8,
        "retenus": 8,
        "témoins": 0,
        "contacts prévus": 8,
        "mises en pause": 0,
    }


def test_the_command(capsys: pytest.CaptureFixture[str], settings: Any) -> None:
    call_command("night", "--date", "2026-03-03")
    assert "Nuit du 03/03/2026 : Terminée" in capsys.readouterr().out
    with pytest.raises(CommandError, match="AAAA-MM-JJ"):
        call_command("night", "--date", "demain")
