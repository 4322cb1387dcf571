"""What a segment would give, while it is being written: who, why others are left out, how it divides. Nothing is kept.

The people come from the same statements as the freeze, for a campaign that does not exist yet: that of a plan, or an
imagined one by SMS and e-mail.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from campaigns.candidates import build_candidates
from campaigns.enums import Channel, Exclusion, FamilySituation, Prestation
from campaigns.models import Allocataire, Campaign, Epci, Plan
from campaigns.rules.contactability import UNKNOWN_AGE, UNKNOWN_EPCI, age_band_labels
from campaigns.rules.draw import SEPARATOR
from campaigns.segments import explain_criteria

EXAMPLES = 10
DEFAULT_CHANNELS = (Channel.SMS, Channel.EMAIL)
NO_PRESTATION = "Aucune"
UNKNOWN = "Non renseigné"

# One reading of the people for the two cuts that ``candidate`` does not hold: situations, and in each the prestations.
_FACTS = f"""
SELECT a.family_situation, count(*), count(*) FILTER (WHERE a.prestations = '{{}}'),
       {", ".join(f"count(*) FILTER (WHERE a.prestations ? '{code}')" for code in Prestation.values)}
  FROM candidate JOIN campaigns_allocataire a USING (id) GROUP BY 1
"""
_LACKING = """
SELECT channel, count(*) FROM candidate, unnest(%s::text[]) AS channel
 WHERE lost = '' AND channel <> ALL (usable) GROUP BY 1
"""
_EXAMPLES = """
SELECT id, exclusion FROM candidate ORDER BY sha256(convert_to(matricule, 'UTF8')) LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One way of cutting a segment: its title and its rows (label, persons)."""

    title: str
    rows: list[tuple[str, int]]


@dataclass(frozen=True)
class Left:
    """People left out for one reason, of which they met none before."""

    code: str
    label: str
    people: int


@dataclass(frozen=True)
class Example:
    """Somebody of the segment; ``exclusion``: why she would not be contacted, in French, or nothing."""

    person: Allocataire
    exclusion: str


@dataclass(frozen=True)
class SegmentPreview:
    sentence: str
    population: int  # everybody known
    targeted: int
    exclusions: list[Left]
    retained: int
    lacking: list[Left]  # by channel: living people with an open file, without an address or with a refusal
    breakdowns: list[Breakdown]
    examples: list[Example]


def preview_segment(*, criteria: Mapping[str, Any], plan: Plan | None, now: datetime) -> SegmentPreview:
    """Count, exclusions, cuts and examples of a segment tonight, seen by ``plan``. Raises ``InvalidCriteria``."""
    sentence = explain_criteria(criteria)
    campaign, steps = _imagine(plan)
    channels = sorted({channel for _, channel in steps})
    with transaction.atomic():
        candidates = build_candidates(
            campaign=campaign, criteria=criteria, night_on=timezone.localdate(now), now=now, steps=steps
        )
        return SegmentPreview(
            sentence=sentence,
            population=Allocataire.objects.count(),
            targeted=candidates.targeted,
            exclusions=[Left(code, str(Exclusion(code).label), n) for code, n in candidates.exclusions.items()],
            retained=candidates.retained,
            lacking=_count_lacking(channels),
            breakdowns=_break_down(),
            examples=_pick_examples(),
        )


def _imagine(plan: Plan | None) -> tuple[Campaign, list[tuple[str, str]]]:
    """The campaign that ``plan`` would make, with (arm, channel) of its steps. Number 0: nobody is in its audiences."""
    if plan is None:
        arms = [{"code": "ESSAI", "share": 1}]
        return Campaign(pk=0, plan=Plan(arms=arms), arms=arms), [("", channel.value) for channel in DEFAULT_CHANNELS]
    return Campaign(pk=0, plan=plan, arms=plan.arms), list(plan.steps.planned().values_list("arm", "channel"))


def _count_lacking(channels: list[str]) -> list[Left]:
    counts = dict(_rows(_LACKING, [channels]))
    return [Left(code, str(Channel(code).label), counts.get(code, 0)) for code in channels]


def _break_down() -> list[Breakdown]:
    places: Counter[str] = Counter()
    ages: Counter[str] = Counter()
    for place, people in _rows("SELECT place, count(*) FROM candidate GROUP BY 1"):
        epci, _, band = place.partition(SEPARATOR)
        places[epci] += people
        ages[band] += people
    situations: Counter[str] = Counter()
    prestations: Counter[str] = Counter()
    for situation, people, *held in _rows(_FACTS):
        situations[situation] += people
        prestations.update(dict(zip(("", *Prestation.values), held, strict=True)))
    epcis = {**dict(Epci.objects.values_list("code", "name")), UNKNOWN_EPCI: UNKNOWN}
    return [
        Breakdown("EPCI", _labelled(places, epcis)),
        Breakdown("Âge", [(_capital(label), ages[label]) for label in (*age_band_labels(), UNKNOWN_AGE)]),
        Breakdown("Situation familiale", _labelled(situations, {**dict(FamilySituation.choices), "": UNKNOWN})),
        Breakdown("Prestations perçues", _labelled(prestations, {**dict(Prestation.choices), "": NO_PRESTATION})),
    ]


def _labelled(counts: Counter[str], labels: Mapping[str, str]) -> list[tuple[str, int]]:
    return [(labels.get(code, code), people) for code, people in counts.most_common()]


def _capital(label: str) -> str:
    return label[:1].upper() + label[1:]


def _pick_examples() -> list[Example]:
    """A few people scattered by a hash: always the same ones while the segment is the same."""
    picked = _rows(_EXAMPLES, [EXAMPLES])
    people = Allocataire.objects.select_related("commune__epci").in_bulk([pk for pk, _ in picked])
    return [Example(people[pk], str(Exclusion(code).label) if code else "") for pk, code in picked]


def _rows(sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
