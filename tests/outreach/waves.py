"""A planned wave, ready to be dispatched, for the tests of what leaves and of what must not."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from campaigns.models import Allocataire, Audience, Campaign, Member, set_clock
from outreach.planning import plan_wave
from tests.factories import make_allocataires, make_audience, make_running_campaign

NIGHT = date(2026, 3, 3)  # a Tuesday
PLANNED_AT = datetime(2026, 3, 3, 0, 30, tzinfo=UTC)
MORNING = datetime(2026, 3, 3, 9, 30, tzinfo=UTC)  # 10:30 in Paris: the first window is open until 13:00


def make_wave(
    *, people: Sequence[Allocataire] | None = None, size: int = 1, at: datetime | None = MORNING, **campaign: Any
) -> Audience:
    """A running campaign with one planned wave; the application's clock then reads ``at``."""
    people = people or make_allocataires(size)
    audience = make_frozen(people=people, **campaign)
    plan_wave(audience=audience, now=PLANNED_AT)
    if at:
        set_clock(at)
    return audience


def make_frozen(*, people: Sequence[Allocataire], campaign: Campaign | None = None, **values: Any) -> Audience:
    campaign = campaign or make_running_campaign(expected_size=len(people), **values)
    audience = make_audience(campaign, night_on=NIGHT)
    Member.objects.bulk_create(
        Member(audience=audience, campaign=campaign, allocataire=person, arm="SMS") for person in people
    )
    return audience
