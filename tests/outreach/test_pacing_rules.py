"""Whatever is asked and whenever, no second holds more than the contract, and the contract is used."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outreach.rules.pacing import (
    CUT,
    DOUBLING_SECONDS,
    HORIZON,
    LONGEST_HOLD,
    REST_SECONDS,
    WINDOW,
    Pace,
    advance,
    reserve,
    room,
    slow_down,
)

NOW = 1_800_000_000.0
FULL = Pace(rate=10, ceiling=10, changed_at=NOW, next_at=NOW)
Departures = list[tuple[float, int]]


def most_in_a_second(departures: Departures) -> int:
    """By brute force: the segments of the fullest second that begins with a departure."""
    return max((sum(n for at, n in departures if begun <= at < begun + 1) for begun, _ in departures), default=0)


def play(contract: float, batches: Sequence[tuple[float, list[int]]], pace: Pace | None = None) -> Departures:
    """``batches``: seconds since the one before, sizes."""
    pace, now = pace or Pace(), NOW
    departures: Departures = []
    for after, sizes in batches:
        now += after
        pace, instants = reserve(pace, sizes, contract=contract, now=now)
        departures += zip(instants, sizes, strict=True)
    return departures


batches = st.lists(st.tuples(st.floats(0, 3), st.lists(st.integers(1, 3), max_size=32)), min_size=1, max_size=12)


@given(contract=st.sampled_from([3, 7.5, 10, 30, 100]), asked=batches)
def test_no_second_holds_more_than_the_contract(contract: float, asked: list[tuple[float, list[int]]]) -> None:
    departures = play(contract, asked, Pace(contract, contract, NOW, next_at=NOW))
    assert most_in_a_second(departures) <= contract
    assert departures == sorted(departures, key=lambda departure: departure[0])


@given(asked=batches, shift=st.floats(0, WINDOW - 1))
def test_the_network_may_delay_some_by_the_margin(asked: list[tuple[float, list[int]]], shift: float) -> None:
    """Every other message arrives later by as much as the margin allows."""
    departures = play(10, asked, FULL)
    arrived = [(at + shift * (rank % 2), size) for rank, (at, size) in enumerate(departures)]
    assert most_in_a_second([(at + 1e-4 * rank, size) for rank, (at, size) in enumerate(arrived)]) <= 10


@settings(deadline=None)  # as many messages as twenty seconds take
@given(contract=st.sampled_from([10, 50, 100, 1000]), size=st.integers(1, 32))
def test_the_contract_is_used(contract: float, size: int) -> None:
    pace = Pace(contract, contract, NOW, next_at=NOW)
    departures = play(contract, [(0, [1] * size)] * int(contract * 20 / size + 1), pace)
    sent = [at for at, _ in departures if at < NOW + 20]
    assert len(sent) >= 0.98 * contract * 20


@pytest.mark.parametrize(("contract", "sizes", "best"), [(10, [2], 10), (10, [3], 9), (100, [3], 99), (10, [1, 3], 8)])
def test_messages_of_several_segments_use_what_they_can(contract: int, sizes: list[int], best: int) -> None:
    departures = play(contract, [(0, sizes)] * contract * 10, Pace(contract, contract, NOW, next_at=NOW))
    within = sum(size for at, size in departures if at < NOW + 10)
    assert within >= 0.96 * best * 10


def test_a_message_larger_than_the_contract_leaves_alone() -> None:
    first, second, third = (at for at, _ in play(1, [(0, [3, 1, 1])], Pace(1, 1, NOW, next_at=NOW)))
    assert (first, second - first >= 3, third - second >= 1) == (NOW, True, True)


@pytest.mark.parametrize(("seconds", "rate"), [(0, 1), (4.9, 1), (5, 2), (10, 4), (15, 8), (20, 10), (1000, 10)])
def test_an_operator_is_approached_slowly(seconds: float, rate: float) -> None:
    started = advance(Pace(), contract=10, now=NOW)
    busy = Pace(started.rate, started.ceiling, started.changed_at, next_at=NOW + seconds)
    assert advance(busy, contract=10, now=NOW + seconds).rate == rate
    assert DOUBLING_SECONDS == 5


@pytest.mark.parametrize(("rest", "rate"), [(REST_SECONDS - 0.1, 10), (REST_SECONDS, 1)])
def test_slowly_again_after_a_rest(rest: float, rate: float) -> None:
    assert advance(FULL, contract=10, now=NOW + rest).rate == rate


def test_a_lower_contract_is_obeyed_at_once() -> None:
    assert advance(FULL, contract=4, now=NOW).rate == 4


def test_a_refusal_halves_then_the_rate_grows_little_by_little() -> None:
    cut = slow_down(FULL, contract=10, now=NOW, retry_after=None)
    assert cut.rate == 10 * CUT
    again = slow_down(cut, contract=10, now=NOW + 0.5, retry_after=None)
    assert again.rate == cut.rate, "the refusals of one burst count once"
    rates = [
        advance(Pace(cut.rate, cut.ceiling, cut.changed_at, next_at=NOW + s), contract=10, now=NOW + s).rate
        for s in range(12)
    ]
    assert rates == [5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5, 10, 10]


def test_the_delay_asked_for_is_kept() -> None:
    held = slow_down(FULL, contract=10, now=NOW, retry_after=30)
    assert room(held, contract=10, now=NOW + 28) == 0
    assert reserve(held, [1], contract=10, now=NOW + 1)[1] == [NOW + 30]
    shorter = slow_down(held, contract=10, now=NOW + 2, retry_after=1)
    assert shorter.held_until == NOW + 30
    assert slow_down(FULL, contract=10, now=NOW, retry_after=1e9).held_until == NOW + LONGEST_HOLD


def test_refusals_never_stop_it_for_good() -> None:
    pace = FULL
    for second in range(100):
        pace = slow_down(pace, contract=10, now=NOW + second, retry_after=None)
    assert pace.rate > 0


@given(ahead=st.floats(0, 3))
def test_nothing_is_decided_beyond_the_horizon(ahead: float) -> None:
    pace = Pace(10, 10, NOW, next_at=NOW + ahead)
    number = room(pace, contract=10, now=NOW)
    _, instants = reserve(pace, [1] * number, contract=10, now=NOW)
    assert all(at <= NOW + HORIZON + 1e-6 for at in instants)


@given(st.lists(st.integers(1, 3), max_size=400))
def test_what_is_remembered_stays_small(sizes: list[int]) -> None:
    pace, _ = reserve(Pace(5000, 5000, NOW, next_at=NOW), sizes * 5, contract=5000, now=NOW)
    assert len(pace.recent) <= 258
