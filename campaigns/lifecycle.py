"""The life of a campaign, from a plan to its close. Every move is locked, checked against the table, and logged.

Permissions are the caller's matter; what is held here, whoever calls: nobody approves what she wrote, what is
approved is pinned, and a campaign is launched once.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from campaigns.enums import CONTROL_ARM, TrialStatus
from campaigns.known_criteria import load_catalogue
from campaigns.models import Allocataire, Campaign, CampaignMove, Plan, PlanStep, Segment, Step, User
from campaigns.rules import criteria as criteria_rules
from campaigns.rules import lifecycle as rules
from campaigns.rules.announcements import announce_calls
from campaigns.rules.automatic_answers import find_answer_problems
from campaigns.rules.messages import check_text
from campaigns.rules.trials import find_untried
from campaigns.segments import count_matching, expand_criteria

REASON_LENGTH = 300
STEP_FIELDS = [field.name for field in PlanStep._meta.fields if field.name not in {"id", "plan"}]


class MoveRefused(Exception):
    """A move that cannot be made: one French sentence for people, and each ``problem`` alone."""

    def __init__(self, verb: str, name: str, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(f"Impossible de {verb} la campagne « {name} » : {' '.join(problems)}")


class TooWide(MoveRefused):
    """The campaign would contact most of the population: its size must be typed by whoever submits it."""


def current_fingerprint(campaign: Campaign) -> str:
    """What an approval of the campaign as it is now would pin (hexadecimal SHA-256)."""
    return rules.fingerprint(campaign, campaign.steps.all())


@transaction.atomic
def start_campaign(
    *,
    plan: Plan,
    segment: Segment,
    name: str,
    by: User,
    now: datetime,
    announces_calls: bool = False,
    **overrides: Any,
) -> Campaign:
    """Begin a draft from a plan: its arms, témoins, window and steps are copied, then belong to the campaign.

    ``announces_calls``: an SMS goes the day before each call.
    """
    if Campaign.objects.filter(name=name).exists():
        raise MoveRefused("créer", name, ["une campagne porte déjà ce nom. Ajoutez une date ou un territoire."])
    copied = {
        "mode": plan.mode,
        "priority": plan.priority,
        "arms": plan.arms,
        "control_share": plan.control_share,
        "window_days": plan.window_days,
    }
    campaign = Campaign(name=name, plan=plan, segment=segment, **{**copied, **overrides})
    campaign.pin_rules_of_plan()
    campaign.save()
    steps = list(plan.steps.order_by("position").values(*STEP_FIELDS))
    if announces_calls:
        steps = announce_calls(steps)
    Step.objects.bulk_create([Step(campaign=campaign, **values) for values in steps])
    _log(campaign, rules.CREATE, by, now)
    return campaign


@transaction.atomic
def record_edit(*, campaign: Campaign, by: User, now: datetime) -> None:
    """Note that somebody changed a draft: she becomes one of its authors."""
    locked = _lock(campaign)
    if not locked.is_editable:
        raise MoveRefused("modifier", locked.name, [_say_state(locked)])
    _log(locked, rules.EDIT, by, now)


def submit_campaign(*, campaign: Campaign, by: User, now: datetime, typed_size: int | None = None) -> Campaign:
    """Count the public, pin its criteria and size and the rules of the plan, and hand the campaign to somebody else.

    ``typed_size``: how many people, typed by whoever means to contact most of the population; not asked otherwise.
    """
    with _moving(campaign, rules.SUBMIT, by, now) as locked:
        today = timezone.localdate(now)
        locked.pin_rules_of_plan()
        problems = _find_problems(locked, today)
        if not problems:
            locked.criteria = expand_criteria(locked.segment.criteria)
            locked.expected_size = count_matching(locked.criteria, today=today)
            if not locked.expected_size:
                problems = ["Son segment ne contient personne aujourd’hui."]
            elif typed_size != locked.expected_size and (doubt := _doubt_width(locked.expected_size)):
                raise TooWide(rules.SUBMIT.verb, locked.name, [doubt])
        if problems:
            raise MoveRefused(rules.SUBMIT.verb, locked.name, problems)
        locked.submitted_at = now
    return locked


def approve_campaign(*, campaign: Campaign, by: User, now: datetime) -> Campaign:
    """Agree to exactly what was submitted. Refused to whoever wrote any of it since the last approval."""
    with _moving(campaign, rules.APPROVE, by, now) as locked:
        if by.pk in rules.authors(locked.moves.order_by("at", "pk").values_list("move", "by_id")):
            raise MoveRefused(
                "approuver", locked.name, ["vous l’avez écrite ou modifiée. Une autre personne doit le faire."]
            )
        submitted = locked.moves.filter(move=rules.SUBMIT.code).order_by("at", "pk").last()
        if submitted is None or submitted.fingerprint != current_fingerprint(locked):
            raise MoveRefused(
                "approuver", locked.name, ["elle a changé depuis sa soumission. Renvoyez-la à son auteur."]
            )
        locked.approved_fingerprint = submitted.fingerprint
        locked.approved_at = now
    return locked


def send_back_campaign(*, campaign: Campaign, by: User, now: datetime, reason: str) -> Campaign:
    """Make it a draft again, with the reason. A single audience already frozen can no longer be written anew."""
    with _moving(campaign, rules.SEND_BACK, by, now, reason) as locked:
        if not reason.strip():
            raise MoveRefused(rules.SEND_BACK.verb, locked.name, ["dites ce qui doit changer."])
        if not locked.is_nightly and locked.audiences.filter(superseded_at=None).exists():
            raise MoveRefused(
                rules.SEND_BACK.verb, locked.name, ["son audience est déjà figée. Reprenez-la ou créez-en une autre."]
            )
        locked.approved_fingerprint = ""
        locked.approved_at = locked.submitted_at = None
    return locked


def launch_campaign(*, campaign: Campaign, by: User, now: datetime, typed_size: int) -> Campaign:
    """Authorise the nights to freeze and contact. ``typed_size`` must be the expected size: it was read, not guessed.

    Exactly once, however many people press the button: the second finds the campaign running.
    """
    with _moving(campaign, rules.LAUNCH, by, now) as locked:
        _check_approval(locked, rules.LAUNCH)
        if typed_size != locked.expected_size:
            raise MoveRefused(
                "lancer", locked.name, [f"vous avez tapé {typed_size}, l’effectif attendu est {locked.expected_size}."]
            )
        # A campaign approved again keeps its seed, so that people keep their arms.
        locked.seed = locked.seed or secrets.token_hex(16)
        locked.starts_on = locked.starts_on or timezone.localdate(now)
        locked.launched_at = now
    return locked


def override_sensitive_theme(*, campaign: Campaign, by: User, now: datetime, reason: str) -> Campaign:
    """Let a draft contact again people already contacted on its sensitive theme, for a written reason.

    Part of what is then submitted and approved; the people it concerns are counted on each audience.
    """
    with _moving(campaign, rules.OVERRIDE, by, now, reason) as locked:
        if not locked.plan.is_sensitive:
            raise MoveRefused(rules.OVERRIDE.verb, locked.name, ["le thème de son plan n’est pas sensible."])
        if not reason.strip():
            raise MoveRefused(
                rules.OVERRIDE.verb, locked.name, ["dites pourquoi recontacter ces personnes est nécessaire."]
            )
        locked.sensitive_override_reason = reason.strip()[:REASON_LENGTH]
        locked.sensitive_override_by, locked.sensitive_override_at = by, now
    return locked


def pause_campaign(*, campaign: Campaign, by: User | None, now: datetime, reason: str) -> Campaign:
    """Stop contacting for this campaign. ``by`` is None when the night or a threshold does it."""
    with _moving(campaign, rules.PAUSE, by, now, reason) as locked:
        pass
    return locked


def resume_campaign(*, campaign: Campaign, by: User, now: datetime) -> Campaign:
    """Contact again, provided the campaign is still the one that was approved."""
    with _moving(campaign, rules.RESUME, by, now) as locked:
        _check_approval(locked, rules.RESUME)
    return locked


def cancel_campaign(*, campaign: Campaign, by: User, now: datetime, reason: str = "") -> Campaign:
    """Give up a campaign that was never launched."""
    with _moving(campaign, rules.CANCEL, by, now, reason) as locked:
        if locked.launched_at:
            raise MoveRefused(
                rules.CANCEL.verb, locked.name, ["elle a déjà été lancée. Elle ne peut plus qu’être close."]
            )
    return locked


def close_campaign(*, campaign: Campaign, now: datetime, by: User | None = None, reason: str = "") -> Campaign:
    """End a campaign: nothing more is frozen nor sent; its window goes on being measured."""
    with _moving(campaign, rules.CLOSE, by, now, reason) as locked:
        locked.closed_at = now
    return locked


@contextmanager
def _moving(
    campaign: Campaign, move: rules.Move, by: User | None, now: datetime, reason: str = ""
) -> Iterator[Campaign]:
    """Lock the campaign, refuse a state the table does not allow, then save the new state and log the move."""
    with transaction.atomic():
        locked = _lock(campaign)
        if locked.status not in move.sources:
            raise MoveRefused(move.verb, locked.name, [_say_state(locked)])
        yield locked
        locked.status = move.target
        locked.save()
        _log(locked, move.code, by, now, reason)


def _lock(campaign: Campaign) -> Campaign:
    rows = Campaign.objects.select_related("plan", "segment").select_for_update(of=("self",))
    return rows.get(pk=campaign.pk)


def _say_state(campaign: Campaign) -> str:
    """« elle est en cours (lancement par sup1, le 03/03/2026 à 10:12). »"""
    state = f"son état est « {campaign.get_status_display()} »"
    last = campaign.moves.select_related("by").order_by("at", "pk").last()
    if last is None:
        return f"{state}."
    who = f" par {last.by.get_username()}" if last.by else ""
    at = timezone.localtime(last.at)
    return f"{state} ({rules.MOVE_LABELS[last.move].lower()}{who}, le {at:%d/%m/%Y} à {at:%H:%M})."


def _log(campaign: Campaign, code: str, by: User | None, now: datetime, reason: str = "") -> None:
    CampaignMove.objects.create(
        campaign=campaign,
        move=code,
        by=by,
        at=now,
        reason=reason if len(reason) <= REASON_LENGTH else reason[: REASON_LENGTH - 1] + "…",
        fingerprint=current_fingerprint(campaign),
    )


def _check_approval(campaign: Campaign, move: rules.Move) -> None:
    if current_fingerprint(campaign) != campaign.approved_fingerprint:
        raise MoveRefused(
            move.verb, campaign.name, ["elle n’est plus celle qui a été approuvée. Renvoyez-la à son auteur."]
        )


def _find_problems(campaign: Campaign, today: Any) -> list[str]:
    """All that keeps a draft from being submitted, as French sentences."""
    steps = list(campaign.steps.all())
    problems = _find_written_problems(campaign, steps, today)
    # A text that must change is not worth a trial: what is wrong with it is said first.
    return problems or find_untried(steps, _tried(campaign))


def _tried(campaign: Campaign) -> set[str]:
    """Texts that somebody of the team received, whoever she is."""
    return set(campaign.trials.filter(status__in=TrialStatus.received()).values_list("text_digest", flat=True))


def _find_written_problems(campaign: Campaign, steps: Sequence[Step], today: Any) -> list[str]:
    return [
        *_criteria_problems(campaign),
        *rules.find_arm_problems(campaign.arms, _planned_arms(steps), control_code=CONTROL_ARM),
        *find_answer_problems([vars(step) for step in steps], [arm.get("code", "") for arm in campaign.arms]),
        *rules.find_date_problems(
            today=today,
            starts_on=campaign.starts_on,
            ends_on=campaign.ends_on,
            is_nightly=campaign.is_nightly,
            night_size_max=campaign.night_size_max,
        ),
        *rules.find_return_problems(
            is_nightly=campaign.is_nightly,
            has_control=campaign.control_share > 0,
            reentry_days=campaign.reentry_days,
            window_days=campaign.window_days,
        ),
        *(f"Étape « {step.label} » : {problem}" for step in steps for problem in _text_problems(step)),
    ]


def _planned_arms(steps: Iterable[Step]) -> list[str]:
    """An arm that only answers has nobody to answer."""
    return [step.arm for step in steps if not step.answers_a_reply]


def _doubt_width(size: int) -> str:
    """What to say to a colleague who would contact most of the population; nothing to others."""
    known = Allocataire.objects.filter(closed_on=None, deceased_on=None).count()
    if size < settings.WIDE_FLOOR or size <= settings.WIDE_SHARE * known:
        return ""
    return (
        f"Son segment désigne {size} personnes, plus de {100 * settings.WIDE_SHARE:.0f} % des {known} dossiers "
        "ouverts. Si c’est voulu, tapez ce nombre ; sinon, resserrez le segment."
    )


def _criteria_problems(campaign: Campaign) -> list[str]:
    catalogue = load_catalogue()
    criteria = campaign.segment.criteria
    if problems := criteria_rules.check(criteria, catalogue):
        return problems
    justified = campaign.justification.strip() or campaign.segment.justification.strip()
    if criteria_rules.is_sensitive(criteria, catalogue) and not justified:
        return ["Un critère de son segment est sensible : écrivez la justification."]
    return []


def _text_problems(step: Step) -> list[str]:
    return check_text(step.channel, step.subject, step.body)
