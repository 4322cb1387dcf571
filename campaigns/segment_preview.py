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

from campaigns.candidates import Candidates, build_candidates
from campaigns.enums import Channel, Exclusion, FamilySituation, Prestation
from campaigns.known_criteria import load_catalogue_naming
from campaigns.models import Campaign, Epci, Plan
from campaigns.rules.contactability import UNKNOWN_AGE, UNKNOWN_EPCI, age_band_labels
from campaigns.rules.criteria_catalogue import Catalogue
from campaigns.rules.draw import SEPARATOR
from campaigns.segments import explain_public, read_public

EXAMPLES = 10
DEFAULT_CHANNELS = (Channel.SMS, Channel.EMAIL)
NO_PRESTATION = "Aucune"
UNKNOWN = "Non renseigné"

LOST = (Exclusion.DECEASED, Exclusion.CLOSED, Exclusion.GUARDIANSHIP)  # for whom an address is of no interest

# The two cuts that ``candidate`` does not hold, from the narrow row, put into words once counted: people are of few
# kinds. Everybody known comes last.
_FACTS = """
SELECT COALESCE(word.value, ''),
       ARRAY(SELECT held.value FROM campaigns_selectioncode held
              WHERE held.kind = 'prestations' AND alike.prestations >> held.number & 1 = 1),
       people
  FROM (SELECT s.family_situation, s.prestations, count(*) AS people
          FROM candidate JOIN campaigns_selectionrow s ON s.allocataire_id = candidate.id GROUP BY 1, 2) alike
  LEFT JOIN campaigns_selectioncode word ON word.kind = 'family_situation' AND word.number = alike.family_situation
 UNION ALL
SELECT NULL, NULL, count(*) FROM campaigns_selectionrow
 ORDER BY 1
"""
_EXAMPLES = """
SELECT a.id, a.matricule, a.family_situation, a.children_count, COALESCE(e.name, ''), picked.exclusion
  FROM (SELECT id, exclusion FROM candidate ORDER BY hashint8extended(id, 0) LIMIT %s) picked
  JOIN campaigns_allocataire a ON a.id = picked.id
  LEFT JOIN campaigns_commune c ON c.code = a.commune_id
  LEFT JOIN campaigns_epci e ON e.code = c.epci_id
 ORDER BY hashint8extended(a.id, 0)
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

    allocataire_id: int
    matricule: str
    family_situation: str
    children_count: int
    epci: str
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


def preview_segment(
    *, criteria: Mapping[str, Any], plan: Plan | None, now: datetime, catalogue: Catalogue | None = None
) -> SegmentPreview:
    """Count, exclusions, cuts and examples of a segment tonight, seen by ``plan``. Raises ``InvalidCriteria``.

    ``catalogue``: the one that the criteria were written with, when it was read already.
    """
    public = read_public(criteria, catalogue or load_catalogue_naming(criteria))
    sentence = explain_public(criteria, public)
    campaign, steps = _imagine(plan)
    channels = sorted({channel for _, channel in steps})
    with transaction.atomic():
        candidates = build_candidates(
            campaign=campaign, criteria=public, night_on=timezone.localdate(now), now=now, steps=steps
        )
        population, situations, prestations = _count_facts()
        return SegmentPreview(
            sentence=sentence,
            population=population,
            targeted=candidates.targeted,
            exclusions=[Left(code, str(Exclusion(code).label), n) for code, n in candidates.exclusions.items()],
            retained=candidates.retained,
            lacking=_count_lacking(candidates, channels),
            breakdowns=_break_down(candidates, public.catalogue, situations, prestations),
            examples=_pick_examples(),
        )


def _imagine(plan: Plan | None) -> tuple[Campaign, list[tuple[str, str]]]:
    """The campaign that ``plan`` would make, with (arm, channel) of its steps. Number 0: nobody is in its audiences."""
    if plan is None:
        arms = [{"code": "ESSAI", "share": 1}]
        return Campaign(pk=0, plan=Plan(arms=arms), arms=arms), [("", channel.value) for channel in DEFAULT_CHANNELS]
    return Campaign(pk=0, plan=plan, arms=plan.arms), list(plan.steps.planned().values_list("arm", "channel"))


def _count_lacking(candidates: Candidates, channels: list[str]) -> list[Left]:
    alive = [group for group in candidates.groups if group.exclusion not in LOST]
    return [
        Left(code, str(Channel(code).label), sum(group.people for group in alive if code not in group.channels))
        for code in channels
    ]


def _break_down(
    candidates: Candidates, catalogue: Catalogue, situations: Counter[str], prestations: Counter[str]
) -> list[Breakdown]:
    places: Counter[str] = Counter()
    ages: Counter[str] = Counter()
    for group in candidates.groups:
        epci, _, band = group.place.partition(SEPARATOR)
        places[epci] += group.people
        ages[band] += group.people
    named = catalogue.fields["epci"].choices or Epci.objects.values_list("code", "name")
    epcis = {**dict(named), UNKNOWN_EPCI: UNKNOWN}
    return [
        Breakdown("EPCI", _labelled(places, epcis)),
        Breakdown("Âge", [(_capital(label), ages[label]) for label in (*age_band_labels(), UNKNOWN_AGE)]),
        Breakdown("Situation familiale", _labelled(situations, {**dict(FamilySituation.choices), "": UNKNOWN})),
        Breakdown("Prestations perçues", _labelled(prestations, {**dict(Prestation.choices), "": NO_PRESTATION})),
    ]


def _count_facts() -> tuple[int, Counter[str], Counter[str]]:
    """Everybody known; people of the segment by family situation, and by prestation held ("": none)."""
    situations: Counter[str] = Counter()
    prestations: Counter[str] = Counter(dict.fromkeys(("", *Prestation.values), 0))
    *facts, (_, _, population) = _rows(_FACTS)
    for situation, held, people in facts:
        situations[situation] += people
        prestations.update(dict.fromkeys(held or [""], people))
    return population, situations, prestations


def _labelled(counts: Counter[str], labels: Mapping[str, str]) -> list[tuple[str, int]]:
    return [(labels.get(code, code), people) for code, people in counts.most_common()]


def _capital(label: str) -> str:
    return label[:1].upper() + label[1:]


def _pick_examples() -> list[Example]:
    """A few people scattered by a hash: always the same ones while the segment is the same."""
    situations, reasons = dict(FamilySituation.choices), dict(Exclusion.choices)
    return [
        Example(pk, matricule, str(situations.get(situation, "")), children, epci, str(reasons.get(exclusion, "")))
        for pk, matricule, situation, children, epci, exclusion in _rows(_EXAMPLES, [EXAMPLES])
    ]


def _rows(sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
