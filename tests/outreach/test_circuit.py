from hypothesis import given
from hypothesis import strategies as st

from outreach.rules.circuit import LIMIT, PROBE_AFTER_SECONDS, WINDOW_SECONDS, Circuit, weight_of
from outreach.rules.operator_codes import SendOutcome


def after(weights: list[int], *, pause: float = 0.1) -> Circuit:
    circuit = Circuit()
    for number, weight in enumerate(weights):
        circuit = circuit.heard(weight, number * pause)
    return circuit


def test_five_silences_in_a_row_open_it() -> None:
    assert not after([4] * 4).is_open
    assert after([4] * 5).is_open
    assert not after([4] * 4 + [0] + [4] * 4).is_open, "an answer in between"


def test_a_limit_met_by_every_connection_at_once_is_no_outage() -> None:
    assert not after([1] * 16).is_open
    assert after([1] * 20).is_open


def test_old_troubles_are_forgotten() -> None:
    assert not after([4] * 50, pause=WINDOW_SECONDS / 4).is_open


def test_it_is_asked_again_by_one_caller_once_a_minute() -> None:
    circuit = after([4] * 5)
    opened = circuit.opened_at or 0
    assert not circuit.is_probe_due(opened + PROBE_AFTER_SECONDS - 1)
    assert circuit.is_probe_due(opened + PROBE_AFTER_SECONDS)
    probing = circuit.probing(opened + PROBE_AFTER_SECONDS)
    assert not probing.is_probe_due(opened + PROBE_AFTER_SECONDS)
    assert probing.is_probe_due(opened + 2 * PROBE_AFTER_SECONDS)
    assert not Circuit().is_probe_due(1e9)


def test_late_answers_do_not_close_it() -> None:
    assert after([4] * 5 + [0]).is_open


@given(st.lists(st.sampled_from([0, 1, 4]), max_size=60))
def test_it_opens_exactly_when_troubles_in_a_row_weigh_enough(weights: list[int]) -> None:
    run, opens = 0, False
    for weight in weights:
        run = run + weight if weight else 0
        opens = opens or run >= LIMIT
    assert after(weights, pause=0.001).is_open == opens


def test_what_answers_weigh() -> None:
    weights = {outcome: weight_of(outcome, is_throttled=False) for outcome in SendOutcome}
    assert weights == {"ACCEPTED": 0, "REFUSED": 0, "RETRY": 4, "UNKNOWN": 4}
    assert weight_of(SendOutcome.RETRY, is_throttled=True) == 1
