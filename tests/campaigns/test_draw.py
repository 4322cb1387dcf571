"""The draw: exact, fair in each stratum, blind to the order of rows."""

import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import CONTROL_ARM
from campaigns.rules.draw import (
    MERGED,
    Person,
    allocate,
    draw,
    merge_small_strata,
    rank_key,
    split_shares,
    wave_seed,
)

SMS, CALL = {"code": "SMS", "share": 1}, {"code": "APPEL", "share": 1}

shares_strategy = st.builds(
    lambda control, weights: split_shares(
        Fraction(control, 1000), [{"code": f"BRAS{i}", "share": weight} for i, weight in enumerate(weights)]
    ),
    st.integers(0, 500),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
sizes_strategy = st.dictionaries(st.text("ABCDEFGH", min_size=1, max_size=2), st.integers(1, 300), max_size=12)


def totals(quotas: dict[str, dict[str, int]]) -> Counter[str]:
    return sum((Counter(quota) for quota in quotas.values()), Counter())


@pytest.mark.parametrize(
    ("size", "control", "expected"),
    [(787, "0.1", 79), (1656, "0.1", 166), (10, "0.1", 1), (5, "0.1", 1), (4, "0.1", 0), (100, "0", 0), (7, "0.5", 4)],
)
def test_control_is_the_nearest_whole_number_of_the_total(size, control, expected):
    quotas = allocate({"A": size}, split_shares(control, [SMS]))
    assert quotas["A"] == {CONTROL_ARM: expected, "SMS": size - expected}


def test_remainders_are_carried_over_strata_too_small_for_one_control():
    quotas = allocate({f"S{i:02}": 3 for i in range(30)}, split_shares("0.1", [SMS]))
    assert totals(quotas) == {CONTROL_ARM: 9, "SMS": 81}
    assert {quota[CONTROL_ARM] for quota in quotas.values()} == {0, 1}


def test_remainders_are_carried_over_waves():
    shares = split_shares("0.1", [SMS, CALL])
    drawn: Counter[str] = Counter()
    for _ in range(50):
        drawn += totals(allocate({"A": 4}, shares, already=drawn))
    assert drawn == {CONTROL_ARM: 20, "SMS": 90, "APPEL": 90}


@given(sizes_strategy, shares_strategy)
def test_totals_are_exact_and_each_stratum_is_within_one_person(sizes, shares):
    quotas = allocate(sizes, shares)
    people = sum(sizes.values())
    assert {s: sum(quota.values()) for s, quota in quotas.items()} == sizes
    assert all(count >= 0 for quota in quotas.values() for count in quota.values())
    by_arm = totals(quotas)
    control_share = shares.arms[0][1]
    assert abs(by_arm[CONTROL_ARM] - people * control_share) <= Fraction(1, 2)
    for code, share in shares.arms:
        assert abs(by_arm[code] - people * share) < 2
    assert all(abs(quota[CONTROL_ARM] - sizes[s] * control_share) <= 1 for s, quota in quotas.items())


@given(st.lists(st.integers(0, 40), max_size=20), shares_strategy)
def test_waves_drawn_one_by_one_total_the_same_as_one_wave(waves, shares):
    drawn: Counter[str] = Counter()
    for size in waves:
        drawn.update(totals(allocate({"A": size}, shares, already=drawn)))
    whole = totals(allocate({"A": sum(waves)}, shares))
    assert {code: drawn[code] for code in shares.codes} == {code: whole[code] for code in shares.codes}


@given(st.data(), sizes_strategy, shares_strategy, st.text(max_size=8))
def test_draw_follows_the_quotas_whatever_the_order_of_rows(data, sizes, shares, seed):
    people = [Person(f"{s}{i}", s) for s, size in sizes.items() for i in range(size)]
    arms = draw(people, shares=shares, seed=seed)
    shuffled = list(people)
    random.Random(data.draw(st.integers())).shuffle(shuffled)
    assert draw(shuffled, shares=shares, seed=seed) == arms
    assert totals(allocate(sizes, shares)) == Counter(arms.values())


def test_another_seed_draws_others():
    people = [Person(f"{i:07}", "A") for i in range(200)]
    shares = split_shares("0.5", [SMS])
    first, second = (draw(people, shares=shares, seed=seed) for seed in ("a", "b"))
    same = sum(first[m] == second[m] for m in first)
    assert 70 <= same <= 130


def test_everybody_has_the_same_chance():
    """Over 400 seeds each of 40 people is a témoin about one time in four."""
    people = [Person(f"{i:07}", "A") for i in range(40)]
    shares = split_shares("0.25", [SMS])
    times: Counter[str] = Counter()
    for seed in range(400):
        arms = draw(people, shares=shares, seed=str(seed))
        times.update(m for m, arm in arms.items() if arm == CONTROL_ARM)
    assert min(times.values()) > 60
    assert max(times.values()) < 140


def test_rank_key_is_plain_sha256():
    """Anybody can redo it: ``printf 'graine0000001' | sha256sum``."""
    assert rank_key("graine", "0000001").hex() == "5689246ec39333a96078d1be1a9e5d5a904785e6754998536246bf3f5288509b"


def test_each_wave_has_its_own_seed():
    assert wave_seed("s", 1) != wave_seed("s", 2)
    assert wave_seed("s", 1) == wave_seed("s", 1)


def test_small_strata_are_merged_in_their_epci_then_together():
    merged = merge_small_strata(
        {
            "E1 · 25-29 ans · SMS": 40,
            "E1 · 30-39 ans · SMS": 6,
            "E1 · 40-49 ans · SMS": 7,
            "E2 · 25-29 ans · SMS": 3,
            "E3 · 25-29 ans · SMS": 4,
        }
    )
    assert merged == {
        "E1 · 25-29 ans · SMS": "E1 · 25-29 ans · SMS",
        "E1 · 30-39 ans · SMS": f"E1 · {MERGED}",
        "E1 · 40-49 ans · SMS": f"E1 · {MERGED}",
        "E2 · 25-29 ans · SMS": MERGED,
        "E3 · 25-29 ans · SMS": MERGED,
    }
