"""The figures against published tables, statsmodels, and simulated campaigns whose truth is known."""

from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chi2
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportions_ztest,
)

from campaigns.rules.power import detectable_effect, needed_audience
from outreach.rules.resampling import Amounts, bootstrap_difference
from outreach.rules.statistics import (
    Interval,
    Sample,
    chi2_tail,
    holm,
    mantel_haenszel,
    median_days,
    newcombe,
    number_needed,
    p_value,
    wilson,
)

samples = st.integers(1, 3_000).flatmap(lambda n: st.builds(Sample, st.integers(0, n), st.just(n)))


def edges(interval: Interval | None, decimals: int = 4) -> tuple[float, float]:
    assert interval is not None
    return round(interval.low, decimals), round(interval.high, decimals)


# --- One rate -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    # Newcombe 1998 (Statistics in Medicine 17, 857), table I, method 3.
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_published(count, size, expected):
    assert edges(wilson(Sample(count, size))) == expected


@given(samples)
def test_wilson_agrees_with_statsmodels(sample):
    expected = proportion_confint(sample.count, sample.size, method="wilson")
    assert edges(wilson(sample), 9) == pytest.approx(expected, abs=1e-8)


def test_wilson_of_nobody_is_unknown():
    assert wilson(Sample(0, 0)) is None


def test_a_sample_cannot_hold_more_than_its_size():
    with pytest.raises(ValueError, match="not a share"):
        Sample(3, 2)


# --- Two rates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    # Newcombe 1998 (Statistics in Medicine 17, 873), table II, method 10.
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_newcombe_published(first, second, expected):
    assert edges(newcombe(Sample(*first), Sample(*second))) == expected


@given(samples, samples)
def test_newcombe_agrees_with_statsmodels(first, second):
    expected = confint_proportions_2indep(first.count, first.size, second.count, second.size, method="newcomb")
    assert edges(newcombe(first, second), 9) == pytest.approx(expected, abs=1e-7)


@given(samples, samples)
def test_p_value_agrees_with_statsmodels(first, second):
    assume(0 < first.count + second.count < first.size + second.size)
    _, expected = proportions_ztest([first.count, second.count], [first.size, second.size])
    assert p_value(first, second) == pytest.approx(expected, abs=1e-9)


def test_without_any_result_nothing_differs():
    assert p_value(Sample(0, 10), Sample(0, 20)) == 1.0
    assert p_value(Sample(0, 0), Sample(0, 20)) is None
    assert newcombe(Sample(0, 0), Sample(0, 20)) is None


def test_number_needed():
    conclusive = number_needed(0.02, Interval(0.01, 0.04))
    assert (conclusive.is_conclusive, conclusive.value) == (True, 50)
    assert conclusive.interval == Interval(25, 100)
    harm = number_needed(-0.02, Interval(-0.04, -0.01))
    assert (harm.value, harm.interval) == (-50, Interval(-100, -25))
    for interval in (Interval(-0.01, 0.04), Interval(0.0, 0.04), None):
        assert not number_needed(0.02, interval).is_conclusive


# --- Strata ---------------------------------------------------------------------------------------


UGDP = [(Sample(8, 106), Sample(5, 120)), (Sample(22, 98), Sample(16, 85))]


def test_mantel_haenszel_by_hand():
    """University Group Diabetes Program, two ages: weights 106·120/226 and 98·85/183, as in epidemiology textbooks."""
    pooled = mantel_haenszel(UGDP)
    weights = [106 * 120 / 226, 98 * 85 / 183]
    differences = [8 / 106 - 5 / 120, 22 / 98 - 16 / 85]
    expected = sum(w * d for w, d in zip(weights, differences, strict=True)) / sum(weights)
    assert pooled.difference == pytest.approx(expected)
    assert edges(pooled.interval, 3) == (-0.028, 0.097)
    assert not pooled.is_heterogeneous


def greenland_robins(strata) -> float:
    """The other published variance, right for few large strata: written from Greenland & Robins (1985)."""
    top = bottom = 0.0
    for treated, control in strata:
        n1, n0, n = treated.size, control.size, treated.size + control.size
        top += (treated.count * (n1 - treated.count) * n0**3 + control.count * (n0 - control.count) * n1**3) / (
            n1 * n0 * n * n
        )
        bottom += n1 * n0 / n
    return top / bottom**2


@pytest.mark.parametrize("seed", range(20))
def test_mantel_haenszel_agrees_with_the_other_variance_on_large_strata(seed):
    """Same effect everywhere, different base rates and sizes."""
    random, strata = Random(seed), []
    for _ in range(random.randint(2, 6)):
        n1, n0, rate = random.randint(500, 4_000), random.randint(300, 1_000), random.uniform(0.05, 0.5)
        strata.append((Sample(draw(random, n1, rate + 0.05), n1), Sample(draw(random, n0, rate), n0)))
    pooled = mantel_haenszel(strata)
    half = (pooled.interval.high - pooled.interval.low) / 2
    assert half == pytest.approx(1.96 * greenland_robins(strata) ** 0.5, rel=0.03)


@pytest.mark.parametrize("seed", range(10))
def test_mantel_haenszel_p_is_close_to_the_stratified_test_of_statsmodels(seed):
    """That test takes its variance under "no effect", so the two are close without being equal."""
    random = Random(seed)
    strata = [(Sample(random.randint(60, 120), 900), Sample(random.randint(20, 45), 400)) for _ in range(6)]
    tables = [[[t.count, t.size - t.count], [c.count, c.size - c.count]] for t, c in strata]
    expected = StratifiedTable(tables).test_null_odds().pvalue
    assert mantel_haenszel(strata).p_value == pytest.approx(expected, abs=0.03)


def test_strata_that_disagree_are_said():
    pooled = mantel_haenszel([(Sample(100, 1000), Sample(50, 1000)), (Sample(50, 1000), Sample(100, 1000))])
    assert pooled.is_heterogeneous
    assert pooled.difference == pytest.approx(0)


def test_strata_without_one_arm_say_nothing():
    alone = (Sample(5, 50), Sample(0, 0))
    assert mantel_haenszel([alone]) is None
    assert mantel_haenszel([*UGDP, alone]) == mantel_haenszel(UGDP)


def test_one_stratum_or_no_result_falls_back_on_newcombe():
    assert mantel_haenszel(UGDP[:1]).interval == newcombe(*UGDP[0])
    empty = [(Sample(0, 100), Sample(0, 20)), (Sample(0, 50), Sample(0, 10))]
    assert mantel_haenszel(empty).interval == newcombe(Sample(0, 150), Sample(0, 30))


@given(st.floats(0, 80), st.integers(1, 40))
def test_chi2_tail(x, degrees):
    assert chi2_tail(x, degrees) == pytest.approx(chi2.sf(x, degrees), abs=1e-9)


# --- Several comparisons --------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 9))
def test_holm_agrees_with_statsmodels(size):
    random = Random(size)
    p_values = [random.choice([random.random(), random.random() / 50]) for _ in range(size)]
    _, expected, *_ = multipletests(p_values, method="holm")
    adjusted = holm({str(at): p for at, p in enumerate(p_values)})
    assert list(adjusted.values()) == pytest.approx(list(expected))


# --- Before the launch ----------------------------------------------------------------------------


@pytest.mark.parametrize(("audience", "points"), [(1_656, 4.25), (4_266, 2.16), (60_000, 0.43)])
def test_what_a_tenth_of_temoins_detects(audience, points):
    """The figures that the design of the evaluation announces, at a base rate of 1 %."""
    effect = detectable_effect(audience, 0.10, 0.01)
    assert round(effect * 100, 2) == points
    assert needed_audience(effect, 0.10, 0.01) == pytest.approx(audience, abs=1)


@given(st.floats(0.001, 0.3), st.floats(0.02, 0.5), st.floats(0.0, 0.5))
def test_needed_audience_is_the_inverse_of_the_detectable_effect(effect, share, base):
    audience = needed_audience(effect, share, base)
    found = detectable_effect(audience, share, base)
    assume(found is not None)
    assert found == pytest.approx(effect, rel=0.05)


def test_a_larger_share_of_temoins_detects_more():
    effects = [detectable_effect(4_266, share, 0.01) for share in (0.05, 0.10, 0.20, 0.30)]
    assert effects == sorted(effects, reverse=True)


def test_nothing_is_promised_without_temoins_or_people():
    assert detectable_effect(1_000, 0, 0.01) is None
    assert detectable_effect(5, 0.1, 0.01) is None
    assert detectable_effect(11, 0.1, 0.9) is None
    assert needed_audience(0, 0.1, 0.01) is None
    assert needed_audience(0.1, 0, 0.01) is None
    assert needed_audience(0.5, 0.1, 0.9) is None


def test_the_promised_power_is_reached():
    """Campaigns with exactly the detectable effect are conclusive four times in five."""
    random, treated_size, control_size = Random(11), 3_200, 1_066
    effect = detectable_effect(treated_size + control_size, 0.25, 0.05)
    found = sum(
        newcombe(
            Sample(draw(random, treated_size, 0.05 + effect), treated_size),
            Sample(draw(random, control_size, 0.05), control_size),
        ).excludes_zero
        for _ in range(1_000)
    )
    assert found / 1_000 == pytest.approx(0.80, abs=0.05)


# --- Simulated campaigns --------------------------------------------------------------------------

RUNS = 2_000
NOISE = 3 * (0.05 * 0.95 / RUNS) ** 0.5  # three standard deviations of a rate of 5 % over the runs


def draw(random: Random, size: int, rate: float) -> int:
    """A binomial count, by the inverse of its distribution (fast enough for thousands of campaigns)."""
    target, count = random.random(), 0
    probability = (1 - rate) ** size
    cumulated = probability
    if probability < 1e-280:
        return min(size, max(0, round(random.gauss(size * rate, (size * rate * (1 - rate)) ** 0.5))))
    while cumulated < target and count < size:
        probability *= (size - count) / (count + 1) * rate / (1 - rate)
        count += 1
        cumulated += probability
    return count


CAMPAIGNS = [(1_490, 166, 0.07), (3_840, 426, 0.0145), (600, 200, 0.01), (2_000, 1_000, 0.20)]


@pytest.mark.parametrize(("treated", "control", "rate"), CAMPAIGNS)
def test_campaigns_without_effect_rarely_alarm(treated, control, rate):
    random = Random(treated)
    alarms = sum(
        newcombe(
            Sample(draw(random, treated, rate), treated), Sample(draw(random, control, rate), control)
        ).excludes_zero
        for _ in range(RUNS)
    )
    assert alarms / RUNS <= 0.05 + NOISE


@pytest.mark.parametrize(("treated", "control", "rate"), CAMPAIGNS)
@pytest.mark.parametrize("effect", [0.01, 0.05])
def test_known_effects_are_covered(treated, control, rate, effect):
    random = Random(control)
    covered = sum(
        effect
        in newcombe(Sample(draw(random, treated, rate + effect), treated), Sample(draw(random, control, rate), control))
        for _ in range(RUNS)
    )
    assert covered / RUNS >= 0.95 - NOISE


@pytest.mark.parametrize("effect", [0.0, 0.02])
def test_programmes_alarm_rarely_and_cover(effect):
    """Five campaigns with different base rates and shares of témoins, pooled."""
    random = Random(5)
    plans = [(787, 196, 0.02), (3_479, 500, 0.014), (1_490, 166, 0.07), (600, 200, 0.05), (300, 100, 0.12)]
    covered = sum(
        effect
        in mantel_haenszel(
            (Sample(draw(random, n1, rate + effect), n1), Sample(draw(random, n0, rate), n0)) for n1, n0, rate in plans
        ).interval
        for _ in range(RUNS)
    )
    assert covered / RUNS >= 0.95 - NOISE


# --- Euros ----------------------------------------------------------------------------------------


def test_bootstrap_is_the_same_for_anybody():
    treated, control = Amounts([200.0, 220, 240] * 10, 400), Amounts([210.0] * 6, 100)
    assert bootstrap_difference(treated, control) == bootstrap_difference(treated, control)
    assert bootstrap_difference(treated, control, seed=2) != bootstrap_difference(treated, control)


def test_bootstrap_says_nothing_of_too_few_amounts():
    many, few = Amounts([200.0] * 50, 400), Amounts([210.0] * 4, 100)
    assert bootstrap_difference(many, few) is None
    assert bootstrap_difference(few, many) is None
    assert bootstrap_difference(many, Amounts([], 0)) is None


@pytest.mark.parametrize("count", [60, 3_000])
def test_bootstrap_agrees_with_the_normal_interval(count):
    """Few amounts are drawn one by one, many by their limit: both must give the interval that large samples have."""
    random = Random(3)
    values = [random.uniform(100, 400) for _ in range(count)]
    treated, control = Amounts(values, count * 12), Amounts(values[: count // 2], count * 10)
    found = bootstrap_difference(treated, control)
    deviation = (variance_of_mean(treated) + variance_of_mean(control)) ** 0.5
    difference = treated.mean_per_person - control.mean_per_person
    assert found.low == pytest.approx(difference - 1.96 * deviation, abs=0.35 * deviation)
    assert found.high == pytest.approx(difference + 1.96 * deviation, abs=0.35 * deviation)


def variance_of_mean(amounts: Amounts) -> float:
    mean = amounts.mean_per_person
    squares = sum((v - mean) ** 2 for v in amounts.values) + (amounts.size - len(amounts.values)) * mean**2
    return squares / amounts.size**2


def test_bootstrap_covers_the_known_difference():
    random, covered, runs = Random(17), 0, 60
    for seed in range(runs):
        treated = Amounts([random.uniform(100, 300) for _ in range(draw(random, 300, 0.12))], 300)
        control = Amounts([random.uniform(100, 300) for _ in range(draw(random, 200, 0.10))], 200)
        covered += (0.12 - 0.10) * 200 in bootstrap_difference(treated, control, seed=seed)
    assert covered / runs >= 0.95 - 3 * (0.05 * 0.95 / runs) ** 0.5


def test_everybody_has_an_amount():
    found = bootstrap_difference(Amounts([10.0, 20, 30, 40, 50], 5), Amounts([5.0] * 5, 5))
    assert found.low >= 5
    assert found.high <= 45


def test_amounts_belong_to_people_drawn():
    with pytest.raises(ValueError, match="more amounts"):
        Amounts([1.0, 2.0], 1)


def test_median_days():
    assert median_days([]) is None
    assert median_days([3, 9, 4]) == 4
