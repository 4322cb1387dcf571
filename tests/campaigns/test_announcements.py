from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import Channel
from campaigns.lifecycle import start_campaign
from campaigns.models import PlanStep
from campaigns.rules.announcements import ANNOUNCEMENT, announce_calls
from campaigns.rules.messages import check_text, sms_parts
from tests.factories import make_plan, make_segment, make_user, step_values


def step(channel: str, **values: Any) -> dict[str, Any]:
    return step_values(channel, **{"arm": "", "anchor": "", "offset_days": 0, **values})


def test_an_sms_goes_the_day_before_a_call_to_the_same_people() -> None:
    sms, call = announce_calls([step(Channel.CALL, arm="APPEL", offset_days=2)])
    assert (sms["channel"], sms["arm"], sms["offset_days"]) == (Channel.SMS, "APPEL", 2)
    assert (call["channel"], call["arm"], call["offset_days"]) == (Channel.CALL, "APPEL", 3)


def test_a_dated_call_keeps_its_day() -> None:
    sms, call = announce_calls([step(Channel.CALL, anchor="dtr_due_on", offset_days=-3)])
    assert (sms["offset_days"], call["offset_days"]) == (-4, -3)


@given(st.lists(st.sampled_from(Channel.values), max_size=8))
def test_only_calls_are_announced_and_every_step_keeps_its_order(channels: list[str]) -> None:
    steps = announce_calls([step(channel, position=at, label=f"{at}") for at, channel in enumerate(channels, 1)])
    assert [each["position"] for each in steps] == list(range(1, len(steps) + 1))
    assert [each["label"] for each in steps if each["body"] != ANNOUNCEMENT] == [
        f"{n + 1}" for n in range(len(channels))
    ]
    assert sum(each["body"] == ANNOUNCEMENT for each in steps) == channels.count(Channel.CALL)


def test_the_text_of_the_announcement_obeys_the_rules_of_texts() -> None:
    assert check_text(Channel.SMS, "", ANNOUNCEMENT) == []
    filled = ANNOUNCEMENT.replace("{{ caf }}", "Caf des Pyrénées-Orientales").replace("{{ telephone_caf }}", "3230")
    assert sms_parts(filled).segments <= 2


@pytest.mark.django_db
def test_a_campaign_may_announce_its_calls() -> None:
    plan = make_plan()
    plan.steps.all().delete()
    PlanStep.objects.create(plan=plan, **step(Channel.CALL))
    campaign = start_campaign(
        plan=plan, segment=make_segment(), name="ASF", by=make_user(), now=datetime.now(UTC), announces_calls=True
    )
    assert list(campaign.steps.order_by("position").values_list("channel", flat=True)) == [Channel.SMS, Channel.CALL]
