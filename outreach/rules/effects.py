"""What changed because people were contacted: contact arms against témoins, arms between themselves, euros."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from math import ceil
from statistics import fmean, median

from campaigns.enums import CONTROL_ARM, AmountNature, OutcomeStage
from outreach.rules import figures
from outreach.rules.bilan import Comparison, Effect, Euros, Stratum, rate_of
from outreach.rules.bilan_facts import STAGES, CampaignFacts, Facts
from outreach.rules.resampling import Amounts, bootstrap_strata
from outreach.rules.statistics import (
    Interval,
    NumberNeeded,
    Sample,
    holm,
    mantel_haenszel,
    newcombe,
    number_needed,
    p_value,
)

_UNITS = {AmountNature.MONTHLY.value: " par mois", AmountNature.ARREARS.value: "", AmountNature.OVERPAYMENT.value: ""}


def effects_of(facts: Facts) -> tuple[Effect, ...]:
    """One effect for each known stage, the furthest first. Empty without témoins on both sides of a comparison."""
    found = (_effect(facts, stage) for stage in reversed(STAGES))
    return tuple(effect for effect in found if effect)


def _effect(facts: Facts, stage: str) -> Effect | None:
    compared = {c.name: strata for c in facts.knowing(stage) if (strata := _strata(c, stage))}
    if not compared:
        return None
    pairs = [pair for strata in compared.values() for pair in strata]
    treated, control = _totals(pairs)
    difference, interval = treated.rate - control.rate, newcombe(treated, control)
    p, p_heterogeneity, method = p_value(treated, control), None, "Newcombe"
    pooled = mantel_haenszel(pairs)
    if pooled and len(pairs) > 1:
        difference, interval, method = pooled.difference, pooled.interval, "Mantel-Haenszel"
        p, p_heterogeneity = pooled.p_value, pooled.p_heterogeneity if len(compared) > 1 else None
    needed = number_needed(difference, interval)
    return Effect(
        stage=stage,
        label=OutcomeStage(stage).label,
        treated=rate_of(treated.count, treated.size),
        control=rate_of(control.count, control.size),
        difference=difference,
        interval=interval,
        p_value=p,
        number_needed=needed,
        method=method,
        strata=tuple(_stratum(name, strata) for name, strata in compared.items()) if len(compared) > 1 else (),
        p_heterogeneity=p_heterogeneity,
        text=_effect_text(difference, interval, needed),
    )


def _effect_text(difference: float, interval: Interval | None, needed: NumberNeeded) -> str:
    text = f"{figures.write_points(difference)} par rapport aux témoins"
    if interval:
        text += f" (intervalle à 95 % : {figures.write_points_interval(interval)})"
    if not needed.is_conclusive or needed.value is None:
        return f"{text} : non concluant, l’effet peut être nul."
    people = figures.write_count(ceil(abs(needed.value) - 1e-9))
    if needed.value < 0:
        return f"{text} : un résultat de moins pour {people} personnes à contacter."
    return f"{text} : un résultat de plus pour {people} personnes à contacter."


def _sample(campaign: CampaignFacts, stage: str, is_control: bool) -> Sample:
    groups = [g for g in campaign.groups if g.is_retained and g.is_control == is_control]
    return Sample(sum(g.did_first(stage) for g in groups), sum(g.people for g in groups))


def _strata(campaign: CampaignFacts, stage: str) -> list[tuple[Sample, Sample]]:
    """(treated, témoins) of each of its draws that has both."""
    pairs = [(_sample(draw, stage, False), _sample(draw, stage, True)) for draw in campaign.draws]
    return [(treated, control) for treated, control in pairs if treated.size and control.size]


def _totals(pairs: Sequence[tuple[Sample, Sample]]) -> tuple[Sample, Sample]:
    return _sum(treated for treated, _ in pairs), _sum(control for _, control in pairs)


def _sum(samples: Iterable[Sample]) -> Sample:
    kept = list(samples)
    return Sample(sum(s.count for s in kept), sum(s.size for s in kept))


def _stratum(label: str, pairs: Sequence[tuple[Sample, Sample]]) -> Stratum:
    treated, control = _totals(pairs)
    difference, interval, _p = _compare(pairs)
    return Stratum(
        label=label,
        treated=rate_of(treated.count, treated.size),
        control=rate_of(control.count, control.size),
        difference=difference,
        interval=interval,
    )


def comparisons_of(facts: Facts) -> tuple[Comparison, ...]:
    """Each contact arm against the témoins, then the contact arms between themselves, on the principal stage.

    Over a programme: in the campaigns, and the draws of each, that have both arms, each compared with itself.
    """
    labels = {**facts.arms, CONTROL_ARM: "Témoins"}
    contact = [code for code in facts.arms if any(_arm_sample(c, facts, code).size for c in _draws(facts))]
    if len(contact) < 2:
        return ()
    pairs = [(code, CONTROL_ARM) for code in contact] + list(combinations(contact, 2))
    found = {pair: strata for pair in pairs if (strata := _arm_strata(facts, *pair))}
    compared = {pair: _compare(strata) for pair, strata in found.items()}
    adjusted = holm({"/".join(pair): p for pair, (_, _, p) in compared.items() if p is not None})
    return tuple(
        _comparison((labels[pair[0]], labels[pair[1]]), *figures_of_pair, adjusted.get("/".join(pair)))
        for pair, figures_of_pair in compared.items()
    )


def _comparison(
    labels: tuple[str, str], difference: float, interval: Interval | None, p: float | None, adjusted: float | None
) -> Comparison:
    text = f"{labels[0]} contre {labels[1]} : {figures.write_points(difference)}"
    if interval:
        text += f" ({figures.write_points_interval(interval)})"
    if adjusted is not None:
        text += f", {figures.write_p(adjusted)} après correction"
    return Comparison(labels[0], labels[1], difference, interval, p, adjusted, text)


def _compare(strata: Sequence[tuple[Sample, Sample]]) -> tuple[float, Interval | None, float | None]:
    """Difference, interval and p value; Mantel-Haenszel's over several campaigns or draws."""
    pooled = mantel_haenszel(strata) if len(strata) > 1 else None
    if pooled:
        return pooled.difference, pooled.interval, pooled.p_value
    first, second = strata[0]
    return first.rate - second.rate, newcombe(first, second), p_value(first, second)


def _draws(facts: Facts) -> list[CampaignFacts]:
    return [draw for campaign in facts.knowing(facts.principal_stage) for draw in campaign.draws]


def _arm_strata(facts: Facts, first: str, second: str) -> list[tuple[Sample, Sample]]:
    pairs = [(_arm_sample(c, facts, first), _arm_sample(c, facts, second)) for c in _draws(facts)]
    return [(one, two) for one, two in pairs if one.size and two.size]


def _arm_sample(campaign: CampaignFacts, facts: Facts, arm: str) -> Sample:
    groups = [g for g in campaign.groups if g.is_retained and g.arm == arm]
    return Sample(sum(g.did_first(facts.principal_stage) for g in groups), sum(g.people for g in groups))


def euros_of(facts: Facts) -> tuple[Euros, ...]:
    """One line for each nature of amount that a plan expects or that was received."""
    received = {amount.nature for amount in facts.amounts}
    return tuple(
        _euros(facts, nature)
        for nature in AmountNature.values
        if nature in received or any(campaign.expects(nature) for campaign in facts.campaigns)
    )


def _euros(facts: Facts, nature: str) -> Euros:
    observed = [a.value for a in facts.amounts if a.nature == nature and a.arm != CONTROL_ARM]
    strata = _amount_strata(facts, nature)
    persons = sum(treated.size for treated, _ in strata)
    difference = interval = None
    if strata and any(a.nature == nature for a in facts.amounts):
        gains = (treated.size * (treated.mean_per_person - control.mean_per_person) for treated, control in strata)
        difference, interval = sum(gains) / persons, bootstrap_strata(strata)
    everybody = facts.people(lambda g: g.is_retained and not g.is_control)
    return Euros(
        nature=nature,
        label=AmountNature(nature).label,
        receiver_count=len(observed),
        mean=fmean(observed) if observed else None,
        median=median(observed) if observed else None,
        total=sum(observed) if observed else None,
        difference_per_person=difference,
        difference_interval=interval,
        estimate=None if difference is None else difference * persons,
        estimate_interval=Interval(interval.low * persons, interval.high * persons) if interval else None,
        text=_euros_text(nature, observed, difference, interval, persons, is_partial=persons < everybody),
    )


def _amount_strata(facts: Facts, nature: str) -> list[tuple[Amounts, Amounts]]:
    """(treated, témoins) of each campaign that can show such an amount, by draw: each that has both, with itself."""
    received = {a.campaign for a in facts.amounts if a.nature == nature}
    able = [c for c in facts.campaigns if c.pk in received or c.expects(nature)]
    return [
        (_drawn(facts, nature, draw, is_control=False), _drawn(facts, nature, draw, is_control=True))
        for campaign in able
        for draw in campaign.draws
        if draw.drawn(is_control=True) and draw.drawn(is_control=False)
    ]


def _drawn(facts: Facts, nature: str, draw: CampaignFacts, *, is_control: bool) -> Amounts:
    names = {group.draw for group in draw.groups}
    values = [
        a.first
        for a in facts.amounts
        if (a.campaign, a.nature, a.arm == CONTROL_ARM) == (draw.pk, nature, is_control)
        and a.draw in names
        and a.first is not None
    ]
    return Amounts(values, draw.drawn(is_control=is_control))


def _euros_text(
    nature: str,
    observed: Sequence[float],
    difference: float | None,
    interval: Interval | None,
    persons: int,
    *,
    is_partial: bool,
) -> str:
    if not observed:
        return f"Montant {figures.UNKNOWN}."
    unit = _UNITS[nature]
    text = (
        f"{figures.write_euros(fmean(observed))}{unit} en moyenne (médiane {figures.write_euros(median(observed))}) "
        f"pour {figures.write_count(len(observed))} personnes"
    )
    if difference is None:
        return f"{text}. Montants observés, sans témoins pour dire ce que la campagne a changé."
    whom = "les personnes à contacter"
    if is_partial:
        whom = f"les {figures.write_count(persons)} personnes à contacter des vagues qui ont des témoins"
    text += f". Effet estimé : {figures.write_euros(difference * persons)}{unit} pour {whom}"
    if interval is None:
        return f"{text} ; trop peu de montants pour un intervalle."
    low, high = (figures.write_euros(edge * persons) for edge in (interval.low, interval.high))
    return f"{text} (intervalle à 95 % : de {low} à {high})."
