from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import FactState
from outreach.enums import AttemptStatus, TouchStatus
from outreach.rules.delivery import (
    RANKS,
    TWILIO_STATUSES,
    Action,
    SendOutcome,
    action_for,
    deserves_late_try,
    fact_state,
    is_known_code,
    merge,
    outcome_of_answer,
    replaceable_by,
    status_of,
    touch_status,
)

statuses = st.sampled_from(list(AttemptStatus))


def test_every_status_has_its_own_rank() -> None:
    assert set(RANKS) == set(AttemptStatus)
    assert len(set(RANKS.values())) == len(RANKS)
    assert {status for status, rank in RANKS.items() if rank >= 4} == AttemptStatus.final()


@given(st.lists(statuses, min_size=1), st.randoms(use_true_random=False))
def test_receipts_in_any_order_and_number_give_the_same_state(received: list[str], random) -> None:
    shuffled = received + random.choices(received, k=3)
    random.shuffle(shuffled)
    start = AttemptStatus.SENDING
    assert reduce(merge, shuffled, start) == reduce(merge, received, start)


@given(statuses, statuses)
def test_a_state_never_regresses(current: str, incoming: str) -> None:
    merged = merge(current, incoming)
    assert RANKS[merged] >= RANKS[current]
    if current in AttemptStatus.final():
        assert merged in AttemptStatus.final()


@given(statuses, statuses)
def test_replaceable_states_are_those_that_a_merge_changes(current: str, incoming: str) -> None:
    assert (current in replaceable_by(incoming)) == (merge(current, incoming) != current)


@pytest.mark.parametrize(
    ("word", "code", "expected"),
    [
        ("queued", "", AttemptStatus.SUBMITTED),
        ("sending", "", AttemptStatus.SUBMITTED),
        ("sent", "", AttemptStatus.SENT),
        ("delivered", "", AttemptStatus.DELIVERED),
        ("Delivered", "", AttemptStatus.DELIVERED),
        ("undelivered", "30003", AttemptStatus.UNDELIVERED),
        ("undelivered", "30036", AttemptStatus.EXPIRED),
        ("failed", "30036", AttemptStatus.EXPIRED),
        ("failed", "99999", AttemptStatus.FAILED),
        ("teleported", "", None),
        ("", "", None),
    ],
)
def test_operator_words(word: str, code: str, expected: str | None) -> None:
    assert status_of(word, code) == expected


def test_operator_words_keep_the_operator_order() -> None:
    ranks = [RANKS[TWILIO_STATUSES[word]] for word in ("queued", "sending", "sent", "undelivered", "delivered")]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("http_status", "code", "outcome"),
    [
        (400, "21211", SendOutcome.REFUSED),
        (400, "21614", SendOutcome.REFUSED),
        (400, "21610", SendOutcome.REFUSED),
        (400, "12345", SendOutcome.REFUSED),
        (429, "20429", SendOutcome.RETRY),
        (429, "", SendOutcome.RETRY),
        (401, "20003", SendOutcome.RETRY),
        (403, "", SendOutcome.RETRY),
        (404, "20404", SendOutcome.RETRY),
        (408, "", SendOutcome.UNKNOWN),
        (500, "20500", SendOutcome.UNKNOWN),
        (500, "21211", SendOutcome.UNKNOWN),
        (503, "", SendOutcome.UNKNOWN),
        (302, "", SendOutcome.UNKNOWN),
        (200, "", SendOutcome.UNKNOWN),
    ],
)
def test_what_an_answer_proves(http_status: int, code: str, outcome: SendOutcome) -> None:
    assert outcome_of_answer(http_status, code) == outcome


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("21610", Action.OPPOSE),
        ("21211", Action.BAD_NUMBER),
        ("21614", Action.BAD_NUMBER),
        ("30005", Action.BAD_NUMBER),
        ("30006", Action.BAD_NUMBER),
        ("30003", Action.TRY_LATER),
        ("30007", Action.PAUSE_CAMPAIGN),
        ("30036", Action.NONE),
        ("20003", Action.ALERT),
        ("77777", Action.NONE),
        ("", Action.NONE),
    ],
)
def test_what_a_code_asks_for(code: str, action: Action) -> None:
    assert action_for(code) == action


def test_unknown_codes_are_told_apart() -> None:
    assert is_known_code("")
    assert is_known_code("30003")
    assert not is_known_code("77777")


@pytest.mark.parametrize(
    ("current", "attempts", "expected"),
    [
        (TouchStatus.SENDING, [AttemptStatus.SUBMITTED], TouchStatus.SUBMITTED),
        (TouchStatus.UNCONFIRMED, [AttemptStatus.SENT], TouchStatus.SENT),
        (TouchStatus.PLANNED, [AttemptStatus.UNDELIVERED], TouchStatus.PLANNED),
        (TouchStatus.PLANNED, [AttemptStatus.DELIVERED], TouchStatus.DELIVERED),
        (TouchStatus.CANCELLED, [AttemptStatus.SENT], TouchStatus.CANCELLED),
        (TouchStatus.SENDING, [AttemptStatus.UNDELIVERED, AttemptStatus.SENDING], TouchStatus.SENDING),
        (TouchStatus.SENDING, [AttemptStatus.DELIVERED, AttemptStatus.SENDING], TouchStatus.DELIVERED),
        (TouchStatus.SUBMITTED, [AttemptStatus.UNDELIVERED, AttemptStatus.FAILED], TouchStatus.FAILED),
        (TouchStatus.PLANNED, [], TouchStatus.PLANNED),
        (TouchStatus.EXPIRED, [AttemptStatus.SENT], TouchStatus.EXPIRED),
        (TouchStatus.EXPIRED, [AttemptStatus.DELIVERED], TouchStatus.DELIVERED),
    ],
)
def test_attempts_decide_the_touch(current: str, attempts: list[str], expected: str) -> None:
    assert touch_status(current, attempts) == expected


def test_every_attempt_state_is_a_touch_state() -> None:
    assert set(AttemptStatus.values) <= set(TouchStatus.values)


def test_facts_release_what_was_not_made() -> None:
    released = {status for status in TouchStatus if fact_state(status) == FactState.RELEASED}
    assert released == TouchStatus.final() - {TouchStatus.DELIVERED}


def test_one_late_try_only() -> None:
    assert deserves_late_try(["30003"])
    assert deserves_late_try(["20429", "30003"])
    assert not deserves_late_try(["30003", "30003"])
    assert not deserves_late_try(["30005"])
    assert not deserves_late_try([])
