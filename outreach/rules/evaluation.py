"""From counts of people to a bilan: funnel, arms, contactability, curves, and the sentence a report would carry."""

from collections.abc import Callable
from datetime import date

from campaigns.enums import CONTROL_ARM, Channel, Exclusion
from outreach.rules import figures
from outreach.rules.attribution import DEFINITION, RULE_VERSION
from outreach.rules.bilan import (
    DEFINITIONS,
    DEFINITIONS_VERSION,
    NO_CONTROL,
    Arm,
    Bilan,
    CampaignLine,
    Cost,
    Curve,
    Effect,
    Line,
    Period,
    Point,
    Rate,
    Reach,
    Territory,
    rate_of,
    share_of,
)
from outreach.rules.bilan_facts import STAGES, CampaignFacts, Facts, Group
from outreach.rules.effects import comparisons_of, effects_of, euros_of
from outreach.rules.statistics import Sample, median_days, wilson

_FUNNEL_LABELS = {
    "TARGETED": "Ciblés",
    "EXCLUDED": "Exclus",
    "RETAINED": "Retenus",
    "CONTROL": "Témoins",
    "TO_CONTACT": "À contacter",
    "CONTACTED": "Contactés",
    "DELIVERED": "Remis",
    "CONSULTED": "Consulté",
    "FILED": "Démarche déposée",
    "SETTLED": "Droit ouvert ou situation déclarée",
}
_STAGE_CODES = {"CONSULTED": STAGES[0], "FILED": STAGES[1], "SETTLED": STAGES[2]}


def evaluate(facts: Facts) -> Bilan:
    """The whole bilan from counts. Pure: the same facts give the same bilan."""
    effects = effects_of(facts)
    period = _period(facts)
    funnel = _funnel(facts)
    return Bilan(
        scope=facts.scope,
        name=facts.name,
        code=facts.code,
        campaigns=tuple(_campaign_line(campaign) for campaign in facts.campaigns),
        period=period,
        funnel=funnel,
        exclusions=_exclusions(facts),
        arms=_arms(facts),
        principal_stage=facts.principal_stage,
        effects=effects,
        effect_text=_effect_text(facts, effects),
        comparisons=comparisons_of(facts),
        euros=euros_of(facts),
        cost=_cost(facts),
        reach=_reach(facts),
        curves=_curves(facts),
        territories=_territories(facts),
        shared_count=facts.people(lambda g: g.is_retained, lambda g: g.shared),
        override_count=_override_count(facts),
        sentence=_sentence(facts, funnel, effects),
        notes=_notes(facts),
        definitions={**DEFINITIONS, "ATTRIBUTION": DEFINITION},
        definitions_version=DEFINITIONS_VERSION,
        attribution_version=RULE_VERSION,
    )


def _is_retained(group: Group) -> bool:
    return group.is_retained


def _is_control(group: Group) -> bool:
    return group.is_retained and group.is_control


def _is_to_contact(group: Group) -> bool:
    return group.is_retained and not group.is_control


def _funnel(facts: Facts) -> tuple[Line, ...]:
    targeted = facts.people(lambda g: True)
    retained, to_contact = facts.people(_is_retained), facts.people(_is_to_contact)
    rates = {
        "TARGETED": share_of(targeted, targeted),
        "EXCLUDED": share_of(targeted - retained, targeted),
        "RETAINED": share_of(retained, targeted),
        "CONTROL": share_of(facts.people(_is_control), retained),
        "TO_CONTACT": share_of(to_contact, retained),
        "CONTACTED": _contact_rate(facts, "contacted"),
        "DELIVERED": _contact_rate(facts, "delivered"),
        **{code: _stage_rate(facts, stage) for code, stage in _STAGE_CODES.items()},
    }
    return tuple(Line(code, _FUNNEL_LABELS[code], rate, DEFINITIONS[code]) for code, rate in rates.items())


def _contact_rate(facts: Facts, name: str, arm: str | None = None) -> Rate:
    """People contacted or delivered; unknown as long as no result was computed."""
    chosen = _chooser(arm)
    size = facts.people(chosen)
    if not any(campaign.is_attributed for campaign in facts.campaigns):
        return rate_of(None, size)
    return rate_of(facts.people(chosen, lambda g: int(getattr(g, name))), size)


def _stage_rate(facts: Facts, stage: str, arm: str | None = None, *, of_contacted: bool = False) -> Rate:
    """People of the contact arms (or of ``arm``) who reached ``stage``, in the campaigns where it is known."""
    chosen, knowing = _chooser(arm), facts.knowing(stage)
    groups = [g for campaign in knowing or facts.campaigns for g in campaign.groups if chosen(g)]
    size = sum(g.contacted if of_contacted else g.people for g in groups)
    if not knowing:
        return rate_of(None, size)
    return rate_of(sum(g.did_contacted(stage) if of_contacted else g.did(stage) for g in groups), size)


def _chooser(arm: str | None) -> Callable[[Group], bool]:
    """People of one arm, or of all contact arms."""
    if arm is None:
        return _is_to_contact
    return lambda group: group.is_retained and group.arm == arm


def _exclusions(facts: Facts) -> tuple[Line, ...]:
    targeted = facts.people(lambda g: True)
    counts = {reason: facts.people(_excluded_for(reason)) for reason in Exclusion.values}
    return tuple(
        Line(reason, str(Exclusion(reason).label), share_of(count, targeted))
        for reason, count in counts.items()
        if count
    )


def _excluded_for(reason: str) -> Callable[[Group], bool]:
    return lambda group: group.exclusion == reason


def _arms(facts: Facts) -> tuple[Arm, ...]:
    labels = {CONTROL_ARM: "Témoins", **facts.arms} if facts.has_control else facts.arms
    return tuple(_arm(facts, code, label) for code, label in labels.items())


def _arm(facts: Facts, code: str, label: str) -> Arm:
    return Arm(
        code=code,
        label=label,
        is_control=code == CONTROL_ARM,
        size=facts.people(_chooser(code)),
        contacted=_contact_rate(facts, "contacted", code),
        delivered=_contact_rate(facts, "delivered", code),
        consulted=_stage_rate(facts, STAGES[0], code),
        filed=_stage_rate(facts, STAGES[1], code),
        settled=_stage_rate(facts, STAGES[2], code),
        consulted_of_contacted=_stage_rate(facts, STAGES[0], code, of_contacted=True),
        filed_of_contacted=_stage_rate(facts, STAGES[1], code, of_contacted=True),
        settled_of_contacted=_stage_rate(facts, STAGES[2], code, of_contacted=True),
    )


def _effect_text(facts: Facts, effects: tuple[Effect, ...]) -> str:
    if effects:
        return f"{effects[0].label} : {effects[0].text}"
    if facts.has_control:
        return "Effet non calculable : les résultats ne sont pas encore connus."
    return NO_CONTROL


def _cost(facts: Facts) -> Cost:
    euros = facts.spent.segments * facts.sms_segment_price
    text = (
        f"{figures.write_count(facts.spent.segments)} segments de SMS, {figures.write_euros(round(euros, 2))} ; "
        f"{figures.write_count(facts.spent.calls)} appels passés, {figures.write_count(facts.spent.minutes)} minutes"
    )
    return Cost(
        sms_segment_count=facts.spent.segments,
        sms_segment_price=facts.sms_segment_price,
        sms_euros=round(euros, 2),
        call_count=facts.spent.calls,
        call_minutes=facts.spent.minutes,
        text=text,
    )


def _reach(facts: Facts) -> tuple[Reach, ...]:
    to_contact = facts.people(_is_to_contact)
    addresses = {
        Channel.SMS.value: facts.addresses.sms,
        Channel.EMAIL.value: facts.addresses.email,
        Channel.CALL.value: facts.addresses.call,
    }
    return tuple(
        Reach(
            channel=touch.channel,
            label=str(Channel(touch.channel).label),
            addressable=rate_of(addresses[touch.channel], to_contact),
            planned_count=touch.planned,
            contacted=rate_of(touch.contacted, touch.planned),
            delivered=rate_of(touch.delivered, touch.planned),
            failed_count=touch.failed,
            uncertain_count=touch.uncertain,
            suppressed_count=touch.suppressed,
            answered_count=touch.answered,
            wrong_number_count=touch.wrong_number if touch.channel == Channel.CALL else None,
        )
        for touch in facts.touches
    )


def _curves(facts: Facts) -> tuple[Curve, ...]:
    labels = {CONTROL_ARM: "Témoins", **facts.arms} if facts.has_control else facts.arms
    return tuple(_curve(facts, code, label) for code, label in labels.items())


def _curve(facts: Facts, arm: str, label: str) -> Curve:
    stage = facts.principal_stage
    size = sum(g.people for c in facts.knowing(stage) for g in c.groups if g.is_retained and g.arm == arm)
    points, count = [], 0
    by_day = [(d.day, d.people) for d in facts.days if d.arm == arm]
    days = [day for day, people in by_day for _ in range(people)]
    for day, people in by_day:
        count += people
        sample = Sample(count, size)
        band = wilson(sample)
        if band:
            points.append(Point(day, count, sample.rate, band.low, band.high))
    return Curve(arm, label, size, tuple(points), median_days(days))


def _territories(facts: Facts) -> tuple[Territory, ...]:
    places = dict.fromkeys((p.code, p.name) for p in facts.places)
    return tuple(
        Territory(code, name or "Commune inconnue", _place_rate(facts, code, False), _place_rate(facts, code, True))
        for code, name in places
    )


def _place_rate(facts: Facts, code: str, is_control: bool) -> Rate:
    found = [p for p in facts.places if p.code == code and p.is_control == is_control]
    return rate_of(sum(p.done for p in found), sum(p.people for p in found))


def _campaign_line(campaign: CampaignFacts) -> CampaignLine:
    stage = STAGES[-1]
    retained = [g for g in campaign.groups if g.is_retained]
    return CampaignLine(
        pk=campaign.pk,
        name=campaign.name,
        launched_on=campaign.wave.first_on if campaign.wave else None,
        closes_on=campaign.closes_on,
        window_days=campaign.window_days,
        targeted=sum(g.people for g in campaign.groups),
        retained=sum(g.people for g in retained),
        settled=sum(g.did(stage) for g in retained) if campaign.knows(stage) else None,
    )


def _period(facts: Facts) -> Period:
    launched = min((c.wave.first_on for c in facts.campaigns if c.wave), default=None)
    closes = max((c.closes_on for c in facts.campaigns if c.closes_on), default=None)
    feeds = [feed.as_of for campaign in facts.campaigns for feed in campaign.feeds]
    as_of = min((day for day in feeds if day), default=None)
    provisional = closes is None or as_of is None or as_of < closes or None in feeds
    return Period(launched, closes, as_of, provisional, _period_text(launched, closes, as_of, provisional))


def _period_text(launched: date | None, closes: date | None, as_of: date | None, provisional: bool) -> str:
    if launched is None or closes is None:
        return "Pas encore lancée : aucune audience n’est figée."
    text = f"Du {figures.write_day(launched)} au {figures.write_day(closes)}"
    known = f"régularisations connues au {figures.write_day(as_of)}" if as_of else "aucune régularisation reçue"
    return f"{text} ; {known}" + (". Résultats provisoires." if provisional else ".")


def _sentence(facts: Facts, funnel: tuple[Line, ...], effects: tuple[Effect, ...]) -> str:
    lines = {line.code: line for line in funnel}
    targeted = lines["TARGETED"].rate.count or 0
    text = f"{_opening(facts)} {figures.write_count(targeted)} allocataires."
    contacted = lines["CONTACTED"].rate
    if contacted.count is not None:
        text += f" {figures.write_count(contacted.count)} ont été contactés."
    results = [
        f"{figures.write_count(rate.count)} {words} ({rate.rate_text})"
        for code, words in (
            ("CONSULTED", "se sont informés"),
            ("FILED", "ont déposé une démarche"),
            ("SETTLED", "ont ouvert un droit ou déclaré leur situation"),
        )
        if (rate := lines[code].rate).count is not None and rate.value is not None
    ]
    text += f" {_join(results)}." if results else f" Résultat {figures.UNKNOWN}."
    if results:
        text += f" Effet mesuré : {effects[0].text}" if effects else f" {NO_CONTROL}"
    return text


def _opening(facts: Facts) -> str:
    launches = sorted({c.wave.first_on for c in facts.campaigns if c.wave})
    if len(facts.campaigns) == 1 and launches:
        return f"La campagne lancée le {figures.write_day(launches[0])} concernait"
    if not launches:
        return "La campagne, pas encore lancée, concerne" if len(facts.campaigns) == 1 else "Le programme concerne"
    dates = _join([f"le {figures.write_day(day)}" for day in launches])
    return f"Les {len(facts.campaigns)} campagnes lancées {dates} concernaient"


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} et {parts[-1]}" if parts else ""


def _notes(facts: Facts) -> tuple[str, ...]:
    notes = [] if facts.has_control else [NO_CONTROL]
    missing = sorted({feed.label for c in facts.campaigns for feed in c.feeds if feed.as_of is None})
    if missing:
        notes.append(f"Aucune donnée reçue pour : {', '.join(missing)}. Ces résultats ne sont pas renseignés.")
    if not any(campaign.feeds for campaign in facts.campaigns):
        notes.append("Aucune régularisation n’est attendue par le plan : le résultat n’est pas renseigné.")
    waiting = facts.people(_is_retained) - facts.people(_is_retained, lambda g: g.attributed)
    if waiting:
        notes.append(f"Résultats pas encore calculés pour {figures.write_count(waiting)} personnes retenues.")
    if overridden := _override_count(facts):
        notes.append(
            "Personnes retenues par dérogation, déjà contactées sur ce thème sensible : "
            f"{figures.write_count(overridden)}. Un superviseur a levé le délai, un autre l’a approuvé."
        )
    return tuple(notes)


def _override_count(facts: Facts) -> int:
    return sum(campaign.wave.override_count for campaign in facts.campaigns if campaign.wave)
