"""The public that a plan foresees is the plan’s own, whatever became of a segment that bears its name."""

import pytest

from campaigns.models import Segment
from campaigns.plan_public import segment_of_plan
from tests.factories import ANYBODY, make_plan, make_user

pytestmark = pytest.mark.django_db

NARROW = {"all": [{"field": "children_count", "op": "gte", "value": 5}]}


def test_a_segment_that_was_changed_since_is_not_the_plan_s() -> None:
    plan, by = make_plan(name="Vie maritale"), make_user()
    first = segment_of_plan(plan=plan, by=by)
    assert segment_of_plan(plan=plan, by=by) == first
    Segment.objects.filter(pk=first.pk).update(criteria=NARROW)
    second = segment_of_plan(plan=plan, by=by)
    assert (second.criteria, second.name) == (ANYBODY, "Vie maritale (plan, version 1), 2")
    assert segment_of_plan(plan=plan, by=by) == second


def test_two_plans_of_one_name_have_each_their_public() -> None:
    """A national kit and a plan of one’s own may be called the same."""
    mine, theirs = make_plan(name="X" * 120), make_plan(name="X" * 120, criteria=NARROW)
    by = make_user()
    found = [segment_of_plan(plan=plan, by=by).criteria for plan in (mine, theirs)]
    assert found == [ANYBODY, NARROW]
