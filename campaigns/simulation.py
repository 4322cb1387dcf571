"""What tonight would do with a campaign, before anything is written: who, why not others, what it would cost."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from campaigns.candidates import Candidates, build_candidates, channels_of
from campaigns.enums import CONTROL_ARM, Channel, Exclusion
from campaigns.models import Campaign, Step
from campaigns.models.plan import example_values
from campaigns.pressure_report import Source, find_limits
from campaigns.rules.draw import allocate, merge_small_strata, split_shares
from campaigns.rules.gsm7 import ALPHABET
from campaigns.rules.lifecycle import find_arm_problems
from campaigns.rules.messages import InvalidText, MissingValue, render, sms_parts, values_for, variables_of
from campaigns.rules.power import Power, judge_power

EXAMPLES = 10
SHOWN_DIGITS = 2


@dataclass(frozen=True)
class Count:
    """``people`` persons under a code of ours and its French label."""

    code: str
    label: str
    people: int


@dataclass(frozen=True)
class StepForecast:
    """One step: the people it would reach (by arm and reach, rounded), with what it asks of the Caf."""

    label: str
    channel: str
    people: int
    segments: int  # SMS only
    cost: Decimal  # euros, SMS only
    answers_a_reply: bool = False  # nobody knows how many will reply: counted for none


@dataclass(frozen=True)
class Example:
    """A person who would be retained, not recognisable: end of the matricule, stratum, channels open to her."""

    matricule: str
    stratum: str
    channels: list[str]


@dataclass(frozen=True)
class Simulation:
    night_on: date
    problems: list[str]  # why arms could not be filled
    targeted: int
    exclusions: list[Count]
    retained: int
    overridden: int  # retained because a superviseur lifted the delay of the sensitive theme
    arms: list[Count]  # témoins first
    steps: list[StepForecast]
    sms_segments: int
    sms_cost: Decimal  # euros
    emails: int
    calls: int
    call_days: Decimal  # days of the whole team, at ``settings.CALLS_PER_DAY``
    examples: list[Example]
    cap_sources: list[Source]  # campaigns whose contacts left people out
    before: list[Source]  # running campaigns that a night serves first, in that order
    power: Power


def simulate_campaign(*, campaign: Campaign, now: datetime) -> Simulation:
    """Run tonight's selection and draw sizes without keeping anything. Raises ``InvalidCriteria``."""
    night_on = timezone.localdate(now)
    steps = list(campaign.steps.all())
    problems = find_arm_problems(
        campaign.arms, (step.arm for step in steps if not step.answers_a_reply), control_code=CONTROL_ARM
    )
    with transaction.atomic():
        criteria = campaign.criteria if campaign.criteria and not campaign.is_editable else campaign.segment.criteria
        planned = [(step.arm, step.channel) for step in steps if not step.answers_a_reply]
        candidates = build_candidates(campaign=campaign, criteria=criteria, night_on=night_on, now=now, steps=planned)
        examples = _pick_examples()
        names = _count_names() if any(map(_says_a_name, steps)) else {}
        limits = find_limits(campaign=campaign, now=now)
    sizes = {} if problems else _arm_sizes(campaign, candidates)
    reach = _count_reach(candidates)
    forecasts = [_forecast(step, sizes, reach, candidates.retained, names) for step in steps]
    people = Counter[str]()
    for forecast in forecasts:
        people[forecast.channel] += forecast.people
    return Simulation(
        night_on=night_on,
        problems=problems,
        targeted=candidates.targeted,
        exclusions=[Count(code, str(Exclusion(code).label), n) for code, n in candidates.exclusions.items()],
        retained=candidates.retained,
        overridden=candidates.overridden,
        arms=_describe_arms(campaign, sizes),
        steps=forecasts,
        sms_segments=sum(forecast.segments for forecast in forecasts),
        sms_cost=sum((forecast.cost for forecast in forecasts), Decimal(0)),
        emails=people[Channel.EMAIL],
        calls=people[Channel.CALL],
        call_days=(Decimal(people[Channel.CALL]) / settings.CALLS_PER_DAY).quantize(Decimal("0.1")),
        examples=examples,
        cap_sources=[source for source in limits if source.people],
        before=sorted((each for each in limits if each.is_before), key=attrgetter("priority", "campaign")),
        power=judge_power(candidates.retained, float(campaign.control_share)),
    )


def _count_reach(candidates: Candidates) -> dict[str, int]:
    """Channel → retained candidates whom it reaches."""
    reach: Counter[str] = Counter()
    for group in candidates.groups:
        if not group.exclusion:
            reach.update(dict.fromkeys(group.channels, group.people))
    return reach


def _pick_examples() -> list[Example]:
    """A few retained people, scattered by a hash: always the same ones while the audience is the same."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT matricule, stratum FROM candidate WHERE exclusion = '' ORDER BY hashint8extended(id, 0) LIMIT %s",
            [EXAMPLES],
        )
        return [Example(_mask(matricule), stratum, channels_of(stratum)) for matricule, stratum in cursor.fetchall()]


# How many people have names of such lengths, with or without a character that the alphabet of SMS lacks.
NAMES = """
SELECT civility, length(first_name), (translate(first_name, %(alphabet)s, '') <> '')::int,
       length(last_name), (translate(upper(last_name), %(alphabet)s, '') <> '')::int, count(*)
  FROM candidate JOIN campaigns_allocataire USING (id) WHERE exclusion = '' GROUP BY 1, 2, 3, 4, 5"""
Said = tuple[tuple[str, str], ...]  # what a text says of a person's name
Names = Mapping[Said, int]  # how many people it says it of
NAMED = {"civilite", "prenom", "nom"}


def _says_a_name(step: Step) -> bool:
    try:
        return step.channel == Channel.SMS and not NAMED.isdisjoint(variables_of(step.body))
    except InvalidText:
        return False


def _count_names() -> Names:
    """Retained people by what the length of their messages depends on: nobody's name is read."""
    with connection.cursor() as cursor:
        cursor.execute(NAMES, {"alphabet": ALPHABET})
        return {_say_name(*row): people for *row, people in cursor.fetchall()}


def _say_name(civility: str, first: int, is_first_foreign: int, last: int, is_last_foreign: int) -> Said:
    names = {"first_name": "xï"[is_first_foreign] * first, "last_name": "xï"[is_last_foreign] * last}
    said = values_for({"civility": civility, **names})
    return tuple((name, said.get(name, "")) for name in sorted(NAMED))


def _mask(matricule: str) -> str:
    return "•" * (len(matricule) - SHOWN_DIGITS) + matricule[-SHOWN_DIGITS:]


def _arm_sizes(campaign: Campaign, candidates: Candidates) -> dict[str, int]:
    drawn_in = merge_small_strata(candidates.strata)
    sizes: Counter[str] = Counter()
    for stratum, people in candidates.strata.items():
        sizes[drawn_in[stratum]] += people
    shares = split_shares(campaign.control_share, campaign.arms)
    quotas = allocate(sizes, shares)
    return {code: sum(quota[code] for quota in quotas.values()) for code in shares.codes}


def _describe_arms(campaign: Campaign, sizes: dict[str, int]) -> list[Count]:
    labels: dict[str, Any] = {arm["code"]: arm.get("label") or arm["code"] for arm in campaign.arms}
    return [Count(code, labels.get(code, "Témoins"), people) for code, people in sizes.items()]


def _forecast(step: Step, sizes: dict[str, int], reach: dict[str, int], retained: int, names: Names) -> StepForecast:
    if step.answers_a_reply:
        return StepForecast(step.label, step.channel, people=0, segments=0, cost=Decimal(0), answers_a_reply=True)
    drawn = sum(people for code, people in sizes.items() if code != CONTROL_ARM and step.arm in ("", code))
    people = round(drawn * reach.get(step.channel, 0) / retained) if retained else 0
    segments = round(people * _segments_of(step, names)) if step.channel == Channel.SMS else 0
    cost = (segments * Decimal(str(settings.SMS_SEGMENT_PRICE))).quantize(Decimal("0.01"))
    return StepForecast(label=step.label, channel=step.channel, people=people, segments=segments, cost=cost)


def _segments_of(step: Step, names: Names) -> float:
    """Of one message; the mean over the people retained where it says their names."""
    values = example_values()
    if not names or not _says_a_name(step):
        return _count_segments(step, values)
    total = sum(people * _count_segments(step, values | dict(said)) for said, people in names.items())
    return total / sum(names.values())


def _count_segments(step: Step, values: Mapping[str, str]) -> int:
    try:
        return sms_parts(render(step.body, values)).segments
    except (MissingValue, InvalidText):
        return sms_parts(step.body).segments  # a draft's text may not be a template yet
