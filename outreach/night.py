"""The nightly batch: who newly matches, which arm, which contacts, which calls. Resumable; run once a night.

Each step stands in ``STEPS``, calls one story and returns what it counted. A step that is done is not done again;
a step that fails leaves its sentence in the night's row and does not keep the others from running; nor does a campaign
that fails keep the others from being played.
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

logger = logging.getLogger(__name__)

Counts = dict[str, int]
NIGHT_LOCK = 4_201
TOLD_WITHIN = timedelta(days=90)  # after its window, a closed campaign's régularisations may still come
UNSETTLED = (TouchStatus.PLANNED, TouchStatus.CLAIMED, TouchStatus.SENDING, TouchStatus.UNCONFIRMED)


@dataclass
class PartlyDone(Exception):
    """A step that was done for some campaigns only. ``problems``: a French sentence for each of the others."""

    counts: Counts = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StepSpec:
    name: str
    label: str
    run: Callable[[date, datetime], Counts]


def run_night(*, on: date, now: datetime) -> Night:
    """Run, or resume, the batch that prepares the day ``on``. A night already done is left as it is."""
    with _only_one_night():
        night, _ = Night.objects.get_or_create(on=on, defaults={"started_at": now})
        if night.status == NightStatus.DONE:
            return night
        for position, spec in enumerate(STEPS, start=1):
            _run_step(night, position, spec, now)
        failed = night.steps.exclude(problem="").exists()
        night.status = NightStatus.PROBLEM if failed else NightStatus.DONE
        night.finished_at = now
        night.save(update_fields=["status", "finished_at"])
    logger.info("night %s finished status=%s", on.isoformat(), night.status)
    return night


def run_due_night(*, now: datetime) -> Night | None:
    """Run tonight's batch when its hour has come and it has not been done; called by every tick of the bell."""
    local = now.astimezone(ZoneInfo(settings.TIME_ZONE))
    opens = time.fromisoformat(settings.NIGHT_STARTS_AT)
    if not opens <= local.time() < _latest_start(opens):
        return None
    done = Night.objects.filter(on=local.date()).exclude(status=NightStatus.RUNNING)
    return None if done.exists() or _is_running() else run_night(on=local.date(), now=now)


def _latest_start(opens: time) -> time:
    """A night is not begun when the day's window is about to open: six hours after its hour at most."""
    return (datetime.combine(date.min, opens) + timedelta(hours=6)).time()


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


def _run_step(night: Night, position: int, spec: StepSpec, now: datetime) -> None:
    step, _ = NightStep.objects.get_or_create(
        night=night, name=spec.name, defaults={"position": position, "label": spec.label, "started_at": now}
    )
    if step.finished_at and not step.problem:
        return
    try:
        step.counts, step.problem = spec.run(night.on, now), ""
    except PartlyDone as done:
        step.counts, step.problem = done.counts, " ".join(done.problems)
    except Exception as error:
        _log_failure(error, f"night={night.on} step={spec.name}")
        step.problem = f"L’étape a échoué ({type(error).__name__}). Elle reprendra à la prochaine exécution de la nuit."
    step.finished_at = now
    step.save(update_fields=["counts", "problem", "finished_at"])


def _log_failure(error: Exception, where: str) -> None:
    """The frames, never the message: a database error quotes the row."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("night step failed %s error=%s\n%s", where, type(error).__name__, frames)


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
    if done.problems:
        raise done
    return counts


def _say_failure(campaign: Campaign, error: Exception) -> str:
    if isinstance(error, InvalidCriteria | WaveNotPlanned):  # sentences of ours, without anybody's data
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
    StepSpec("freeze", "Trouver, tirer au sort et prévoir", _freeze_and_plan),
    StepSpec("calls", "Préparer la liste d’appels", _prepare_calls),
    StepSpec("outcomes", "Mesurer les régularisations", _measure_outcomes),
    StepSpec("close", "Clore les campagnes terminées", _close_finished),
    StepSpec("segments", "Compter les segments", _count_segments),
)
