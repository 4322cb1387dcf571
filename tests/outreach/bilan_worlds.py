"""Campaigns with many people, built in few INSERTs: what the evaluation is tried on."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from campaigns.enums import CONTROL_ARM, CampaignStatus, Channel
from campaigns.models import Allocataire, Audience, Campaign, Member, RegularisationKind, refresh_statistics
from outreach.enums import CallResult, TouchStatus
from outreach.models import Attempt, Call, CallAttempt, Regularisation, RegularisationImport, Touch
from tests.factories import make_allocataires, make_audience, make_campaign, make_plan, step_values

SMS_AND_CALL = [{"code": "SMS", "label": "SMS", "share": 1}, {"code": "APPEL", "label": "Appel", "share": 1}]


def noon(day: date) -> datetime:
    return datetime.combine(day, time(11), UTC)


def make_kind(code: str, stage: str = "ABOUTI", nature: str = "") -> RegularisationKind:
    return RegularisationKind.objects.get_or_create(
        code=code, defaults={"label": f"Type {code}", "stage": stage, "nature": nature}
    )[0]


def make_wave(
    launched_on: date,
    arms: dict[str, int],
    *,
    kinds: Sequence[RegularisationKind] = (),
    campaign: Campaign | None = None,
    people: Sequence[Allocataire] | None = None,
    **values: Any,
) -> tuple[Campaign, dict[str, list[Member]]]:
    """A frozen wave whose people are drawn as ``arms`` says (code → size); a campaign is made unless given."""
    if campaign is None:
        plan = make_plan(
            arms=SMS_AND_CALL,
            steps=[step_values(arm="SMS"), step_values(Channel.CALL, position=2, arm="APPEL")],
            window_days=60,
        )
        plan.expected_kinds.set(kinds)
        campaign = make_campaign(plan=plan, status=CampaignStatus.RUNNING, launched_at=noon(launched_on), **values)
    size = sum(arms.values())
    audience = make_audience(campaign, night_on=launched_on, targeted_count=size, retained_count=size)
    codes = [code for code, count in arms.items() for _ in range(count)]
    drawn = zip(people or make_allocataires(size), codes, strict=True)
    members = Member.objects.bulk_create(
        [Member(audience=audience, campaign=campaign, allocataire=person, arm=code) for person, code in drawn]
    )
    refresh_statistics(Allocataire, Member, written=len(members))
    return campaign, {code: [m for m in members if m.arm == code] for code in arms}


def contact(members: Sequence[Member], status: str = TouchStatus.DELIVERED) -> list[Touch]:
    """One touch a member on the channel of her arm, with its attempt (SMS) or its answered call."""
    if not members:
        return []
    audience = Audience.objects.select_related("campaign").get(pk=members[0].audience_id)
    at = noon(audience.night_on)
    step = audience.campaign.steps.get(arm=members[0].arm)
    touches = Touch.objects.bulk_create(
        [
            Touch(
                member=member,
                step=step,
                campaign_id=member.campaign_id,
                audience=audience,
                allocataire_id=member.allocataire_id,
                channel=step.channel,
                status=status,
                status_at=at,
                due_at=at,
                closes_at=at,
                expires_at=at + timedelta(days=1),
            )
            for member in members
        ]
    )
    if step.channel == Channel.CALL:
        calls = Call.objects.bulk_create([Call(touch=touch, listed_on=audience.night_on) for touch in touches])
        CallAttempt.objects.bulk_create(
            [CallAttempt(call=call, number=1, at=at, result=CallResult.REACHED, minutes=6) for call in calls]
        )
    else:
        Attempt.objects.bulk_create(
            [
                Attempt(touch=touch, number=1, provider="test", intent_at=at, submitted_at=at, segments=1)
                for touch in touches
            ]
        )
    refresh_statistics(Touch, Attempt, Call, CallAttempt, written=len(touches))
    return touches


def feed(kinds: Sequence[RegularisationKind], as_of: date) -> RegularisationImport:
    """An import that says: these kinds are complete up to ``as_of``."""
    done = RegularisationImport.objects.create(file_name="test.csv", as_of=as_of, imported_at=noon(as_of))
    done.kinds.set(kinds)
    return done


def regularise(
    source: RegularisationImport,
    members: Sequence[Member],
    kind: RegularisationKind,
    on: date,
    amounts: Sequence[float] | None = None,
) -> None:
    Regularisation.objects.bulk_create(
        [
            Regularisation(
                allocataire_id=member.allocataire_id,
                kind=kind,
                occurred_on=on,
                amount=amounts[at] if amounts else None,
                source=source,
            )
            for at, member in enumerate(members)
        ]
    )


def spread(mean: float, count: int) -> list[float]:
    """``count`` amounts that differ and whose mean is ``mean``."""
    gaps = [(i % 7) * 10 for i in range(count // 2)]
    return [mean - g for g in gaps] + [mean + g for g in gaps] + [mean] * (count % 2)


__all__ = ["CONTROL_ARM", "SMS_AND_CALL", "contact", "feed", "make_kind", "make_wave", "noon", "regularise", "spread"]
