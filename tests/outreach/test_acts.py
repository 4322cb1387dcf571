"""What people do in the demo: exact counts and means, the same for the same seed, in the format that is imported."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.models import Audience
from outreach.simulator.acts import Act, play_acts, spread_amounts, write_regularisations
from outreach.simulator.scenarios import load_scenarios
from tests.factories import NIGHT, make_allocataires, make_audience, make_member


@given(st.integers(min_value=1, max_value=5_000), st.integers(min_value=1, max_value=500))
def test_the_mean_is_exact(mean: int, count: int) -> None:
    amounts = [amount for amount in spread_amounts(mean, count) if amount is not None]
    assert len(amounts) == count
    assert sum(amounts) == Decimal(mean) * count
    assert min(amounts) > 0


def test_no_published_amount_stays_unknown() -> None:
    assert list(spread_amounts(None, 2)) == [None, None]


@pytest.fixture
def audience(db: None) -> Audience:
    audience = make_audience()
    for person in make_allocataires(20):
        make_member(audience, person)
    return audience


ACTS = (Act("SMS", "PPA_DEMANDE", 10), Act("SMS", "PPA_OUVERTE", 4, 219))


def test_stages_nest_and_stay_in_the_window(audience: Audience) -> None:
    events = play_acts(audience, ACTS, window_days=60)
    filed = {e.matricule: e.occurred_on for e in events if e.kind == "PPA_DEMANDE"}
    opened = {e.matricule: e.occurred_on for e in events if e.kind == "PPA_OUVERTE"}
    assert (len(filed), len(opened)) == (10, 4)
    assert all(filed[matricule] < day for matricule, day in opened.items())
    assert all(e.occurred_on > NIGHT and (e.occurred_on - NIGHT).days <= 60 for e in events)
    assert play_acts(audience, ACTS, window_days=60) == events


def test_the_file_stops_at_its_day(audience: Audience, tmp_path: Path) -> None:
    events = play_acts(audience, ACTS, window_days=60)
    path = tmp_path / "regularisations.csv"
    assert write_regularisations(path, events, until=date.max) == 14
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "matricule;type;date;montant"
    assert len(lines) == 15
    assert write_regularisations(path, events, until=NIGHT) == 0


def test_scenarios_hold_the_published_figures() -> None:
    by_key = {scenario.key: scenario for scenario in load_scenarios()}
    assert by_key["ain-2020-ppa"].targeted == 1_656
    assert by_key["po-2023-vie-maritale-30"].targeted + by_key["po-2023-vie-maritale-31"].targeted == 4_266
    declared = [act.count for key in by_key if key.startswith("po-2023") for act in by_key[key].acts]
    assert sum(declared) == 62
