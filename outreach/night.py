"""The nightly batch: who newly matches, which arm, which contacts, which calls. Resumable; run once a night.

Each step stands in ``STEPS``, calls one story and returns what it counted. A step that is done is not done again;
a step that fails leaves its sentence in the night's row and does not keep the others from running; nor does a campaign
that fails keep the others from being played. What failed is tried again within the night (``rules.nights``).
"""

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Q

from campaigns.audiences import AudienceDrifted, freeze_audience
from campaigns.enums import CampaignStatus
from campaigns.lifecycle import close_campaign, pause_campaign
from campaigns.models import Campaign
from campaigns.rules.criteria import InvalidCriteria
from campaigns.segment_counts import record_segment_counts
from outreach.attribution import attribute_outcomes
from outreach.call_desk import build_call_list
from outreach.enums import NightStatus, TouchStatus
from outreach.models import Night, NightStep, Touch
from outreach.planning import WaveNotPlanned, plan_wave, planning_lock
from outreach.receipts import apply_receipts
from outreach.reconciliation import mark_crashed_attempts, release_expired_claims, reschedule_missed
from outreach.rules.nights import PAUSES_SECONDS, may_run
from outreach.rules.retry import next_try_at

logger = logging.getLogger(__name__)

Counts = dict[str, int]
NIGHT_LOCK = 4_201
TOLD_WITHIN = timedelta(days=90)  # after its window, a closed campaign's régularisations may still come
FOR_A_PERSON = (InvalidCriteria, WaveNotPlanned)  # to mend in the campaign: no other try would find it otherwise
UNSETTLED = (TouchStatus.PLANNED, TouchStatus.CLAIMED, TouchStatus.SENDING, TouchStatus.UNCONFIRMED)


@dataclass
class PartlyDone(Exception):
    """A step that was done for some campaigns only. ``problems``: a French sentence for each of the others."""

    counts: Counts = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    may_pass: bool = False  # whether one of them may go away by itself


@dataclass(frozen=True)
class StepSpec:
    """``reads``: the step whose outcome this one starts from; when that one is done again, so is this one.

    ``recounts``: what each try counts whole; its other counts are of what a try did, and add up.
    """

    name: str
    label: str
    run: Callable[[date, datetime], Counts]
    reads: str = ""
    recounts: tuple[str, ...] = ()


def run_night(*, on: date, now: datetime) -> Night:
    """Run, or resume, the batch that prepares the day ``on``. A night already done is left as it is."""
    with _only_one_night():
        night = _begin_try(on, now)
        if night.status == NightStatus.DONE:
            return night
        may_pass = _try_steps(night, now)
        failed = night.steps.exclude(problem="").exists()
        night.end_try(at=now, failed=failed, may_pass=may_pass)
    level = logging.ERROR if failed and not night.next_try_at else logging.INFO
    logger.log(level, "night %s status=%s tries=%d next=%s", on, night.status, night.tries, night.next_try_at)
    return night


def run_due_night(*, now: datetime) -> Night | None:
    """Run tonight's batch when its hour has come and it has not been done, or is to be tried again.

    Called by every tick of the bell.
    """
    on = _local(now).date()
    if not _is_in_hours(on, now):
        return None
    night = Night.objects.filter(on=on).first()
    is_due = night is None or night.is_due(now)
    return run_night(on=on, now=now) if is_due and not _is_running() else None


def _local(at: datetime) -> datetime:
    return at.astimezone(ZoneInfo(settings.TIME_ZONE))


def _is_in_hours(on: date, at: datetime) -> bool:
    return may_run(on, opens=time.fromisoformat(settings.NIGHT_STARTS_AT), local=_local(at))


def _begin_try(on: date, now: datetime) -> Night:
    """The night with one more try, and when the next is due should this one end badly, or not end at all."""
    with transaction.atomic():
        night, _ = Night.objects.get_or_create(on=on, defaults={"started_at": now})
        if night.status != NightStatus.DONE:
            again = next_try_at(tried=night.tries + 1, delays_seconds=PAUSES_SECONDS, now=now)
            night.begin_try(next_try_at=again if again and _is_in_hours(on, again) else None)
    return night


def _is_running() -> bool:
    """A bell that waited for the night to end would keep a worker from receipts and STOPs meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CASE WHEN pg_try_advisory_lock(%(lock)s) THEN NOT pg_advisory_unlock(%(lock)s) ELSE true END",
            {"lock": NIGHT_LOCK},
        )
        return bool(cursor.fetchone()[0])


@contextmanager
def _only_one_night() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [NIGHT_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [NIGHT_LOCK])


def _try_steps(night: Night, now: datetime) -> bool:
    """Run the steps that are not done; whether what failed may pass if it is tried again."""
    tried, may_pass = set(), False
    for position, spec in enumerate(STEPS, start=1):
        step, _ = NightStep.objects.get_or_create(
            night=night, name=spec.name, defaults={"position": position, "label": spec.label, "started_at": now}
        )
        if not step.is_done or spec.reads in tried:
            tried.add(spec.name)
            may_pass |= _run_step(night, step, spec, now)
    return may_pass


def _run_step(night: Night, step: NightStep, spec: StepSpec, now: datetime) -> bool:
    may_pass = False
    try:
        counts, step.problem = spec.run(night.on, now), ""
    except PartlyDone as done:
        counts, step.problem, may_pass = done.counts, " ".join(done.problems), done.may_pass
    except Exception as error:
        _log_failure(error, f"night={night.on} step={spec.name}")
        counts, may_pass = {}, True
        step.problem = f"L’étape a échoué ({type(error).__name__}). Elle reprendra à la prochaine exécution de la nuit."
    step.counts |= {
        label: number if label in spec.recounts else number + step.counts.get(label, 0)
        for label, number in counts.items()
    }
    step.finished_at = now
    step.save(update_fields=["counts", "problem", "finished_at"])
    return may_pass


def _log_failure(error: Exception, where: str) -> None:
    """The frames, never the message: a database error quotes the row. The night says at its end what is left."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.warning("night step failed %s error=%s\n%s", where, type(error).__name__, frames)


def _for_each(campaigns: Iterable[Campaign], act: Callable[[Campaign], Counts], counts: Counts) -> Counts:
    """``counts`` and what each campaign adds to them. Raises ``PartlyDone`` at the end when some could not be done."""
    done = PartlyDone(counts)
    for campaign in campaigns:
        try:
            for name, number in act(campaign).items():
                counts[name] = counts.get(name, 0) + number
        except Exception as error:
            _log_failure(error, f"campaign={campaign.pk}")
            done.problems.append(_say_failure(campaign, error))
            done.may_pass |= not isinstance(error, FOR_A_PERSON)
    if done.problems:
        raise done
    return counts


def _say_failure(campaign: Campaign, error: Exception) -> str:
    if isinstance(error, FOR_A_PERSON):  # sentences of ours, without anybody's data
        return f"Campagne « {campaign.name} » : {error}"
    return f"La campagne « {campaign.name} » ({type(error).__name__}) reprendra à la prochaine exécution de la nuit."


def _settle_yesterday(on: date, now: datetime) -> Counts:
    return {
        "accusés appliqués": apply_receipts(now=now),
        "réservations rendues": release_expired_claims(now=now),
        "envois interrompus": mark_crashed_attempts(now=now),
        "contacts reportés": reschedule_missed(now=now),
    }


def _close_finished(on: date, now: datetime) -> Counts:
    def close(campaign: Campaign) -> Counts:
        if not _is_over(campaign, on):
            return {}
        close_campaign(campaign=campaign, now=now)
        return {"campagnes closes": 1}

    running = Campaign.objects.filter(status=CampaignStatus.RUNNING).order_by("pk")
    return _for_each(running, close, {"campagnes closes": 0})


def _is_over(campaign: Campaign, on: date) -> bool:
    """Over: no wave can come, the last wave's window has passed and nothing is left to send, nor in doubt."""
    if campaign.is_nightly and (campaign.ends_on is None or campaign.ends_on >= on):
        return False
    last = campaign.audiences.filter(superseded_at=None).order_by("-night_on").first()
    if last is None or last.night_on + timedelta(days=campaign.window_days) >= on:
        return False
    return not Touch.objects.filter(campaign=campaign, status__in=UNSETTLED).exists()


def _freeze_and_plan(on: date, now: datetime) -> Counts:
    counts: Counts = {
        "campagnes": 0,
        "ciblés": 0,
        "retenus": 0,
        "témoins": 0,
        "contacts prévus": 0,
        "mises en pause": 0,
    }
    running = Campaign.objects.filter(status=CampaignStatus.RUNNING, starts_on__lte=on)
    by_priority = running.select_related("plan").order_by("priority", "pk")
    return _for_each(by_priority, lambda campaign: _play_campaign(campaign, on, now), counts)


def _play_campaign(campaign: Campaign, on: date, now: datetime) -> Counts:
    """One campaign's wave, whole or not at all: frozen, drawn, planned and reserved under the one planning lock."""
    if not _expects_a_wave(campaign, on):
        return {}
    try:
        with transaction.atomic(), planning_lock():
            audience = freeze_audience(campaign=campaign, night_on=on, now=now)
            if audience is None:
                return {"campagnes": 1}
            planned = plan_wave(audience=audience, now=now)
    except AudienceDrifted as drift:
        pause_campaign(campaign=campaign, by=None, now=now, reason=str(drift))
        return {"mises en pause": 1}
    return {
        "campagnes": 1,
        "ciblés": audience.targeted_count,
        "retenus": audience.retained_count,
        "témoins": audience.control_count,
        "contacts prévus": planned.get("planned", 0),
    }


def _expects_a_wave(campaign: Campaign, on: date) -> bool:
    if campaign.is_nightly:
        return campaign.ends_on is None or on <= campaign.ends_on
    return not campaign.audiences.filter(superseded_at=None).exclude(night_on=on).exists()


def _prepare_calls(on: date, now: datetime) -> Counts:
    return {"appels du jour": build_call_list(on=on, now=now)}


def _measure_outcomes(on: date, now: datetime) -> Counts:
    """Of the campaigns that act, and of those that are closed while their régularisations are still being told."""
    acting = [CampaignStatus.RUNNING, CampaignStatus.PAUSED]
    launched = Campaign.objects.filter(status__in=[*acting, CampaignStatus.CLOSED]).annotate(
        last_night=Max("audiences__night_on", filter=Q(audiences__superseded_at=None))
    )
    return _for_each(
        (each for each in launched.order_by("pk") if each.status in acting or _is_still_told(each, on)),
        lambda campaign: {"résultats mis à jour": attribute_outcomes(campaign=campaign, now=now)},
        {"résultats mis à jour": 0},
    )


def _is_still_told(campaign: Any, on: date) -> bool:
    last: date | None = campaign.last_night
    return last is not None and last + timedelta(days=campaign.window_days) + TOLD_WITHIN >= on


def _count_segments(on: date, _now: datetime) -> Counts:
    done = record_segment_counts(on=on)
    return {"segments comptés": done.counted, "segments illisibles": done.unreadable}


STEPS = (
    StepSpec("settle", "Solder la veille", _settle_yesterday),
    StepSpec(
        "freeze",
        "Trouver, tirer au sort et prévoir",
        _freeze_and_plan,
        recounts=("campagnes", "ciblés", "retenus", "témoins"),
    ),
    StepSpec("calls", "Préparer la liste d’appels", _prepare_calls, reads="freeze", recounts=("appels du jour",)),
    StepSpec("outcomes", "Mesurer les régularisations", _measure_outcomes, reads="freeze"),
    StepSpec("close", "Clore les campagnes terminées", _close_finished),
    StepSpec("segments", "Compter les segments", _count_segments, recounts=("segments comptés", "segments illisibles")),
)
