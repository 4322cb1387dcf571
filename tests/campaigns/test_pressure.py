"""The cap, against a naive reading of the rule."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules.pressure import Contact, Limits, breaks_cap

NOW = datetime(2026, 3, 3, 0, 30, tzinfo=UTC)
LIMITS = Limits(campaigns_7_days=1, contacts_30_days=4)
OURS, OTHER, THIRD = 1, 2, 3


def contacts(*pairs: tuple[float, int]) -> list[Contact]:
    return [Contact(NOW + timedelta(days=days), campaign) for days, campaign in pairs]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], False),
        ([(-1, OTHER)], True),
        ([(-6.9, OTHER)], True),
        ([(-7, OTHER)], False),
        ([(+3, OTHER)], True),  # already planned by another campaign
        ([(+7, OTHER)], False),
        ([(-1, OURS), (-2, OURS), (-3, OURS)], False),  # our own steps do not count in the 7 days
        ([(-1, OURS), (-2, OURS), (-3, OURS), (-4, OURS)], True),  # but they do in the 30
        ([(-8, OTHER), (-15, OTHER), (-22, OTHER), (-29, OTHER)], True),
        ([(-8, OTHER), (-15, OTHER), (-22, OTHER), (-30, OTHER)], False),
        ([(-20, OTHER), (-15, OTHER), (+12, OTHER), (+14, OTHER)], False),  # never four in one window of 30 days
        ([(-14, OTHER), (-12, OTHER), (+12, OTHER), (+14, OTHER)], True),
    ],
)
def test_table(pairs, expected):
    assert breaks_cap(NOW, campaign=OURS, contacts=contacts(*pairs), limits=LIMITS) is expected


def naive(pairs: list[tuple[int, int]], limits: Limits) -> bool:
    """Try every window of 30 × 24 hours that holds the instant, hour by hour."""
    near = {campaign for hours, campaign in pairs if campaign != OURS and -168 < hours < 168}
    if len(near) >= limits.campaigns_7_days:
        return True
    return any(
        sum(start <= hours < start + 720 for hours, _ in pairs) >= limits.contacts_30_days for start in range(-719, 1)
    )


@given(
    st.lists(st.tuples(st.integers(-1000, 1000), st.sampled_from([OURS, OTHER, THIRD])), max_size=12),
    st.builds(Limits, st.integers(1, 3), st.integers(1, 6)),
)
def test_same_answer_as_trying_every_window(pairs, limits):
    found = [Contact(NOW + timedelta(hours=hours), campaign) for hours, campaign in pairs]
    assert breaks_cap(NOW, campaign=OURS, contacts=found, limits=limits) is naive(pairs, limits)
