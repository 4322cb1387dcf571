"""A population that does not exist, with the structure that the Caf publish: for the demo, tests and benchmarks.

Exact where a figure is published (drawn without replacement from urns of the exact size), plausible elsewhere, streamed
(any size in constant memory), the same for the same seed.

Nobody can be reached. E-mails end in ``.invalid`` (RFC 2606). Landlines lie in the blocks that Arcep keeps for fiction
(01 99 00, 02 61 91, 03 53 01, 04 65 71, 05 36 49). Its block of mobiles (06 39 98) holds 10,000 numbers, which
``phonenumbers`` refuses: mobiles are taken from 07 30 to 07 49, twenty million numbers that the library accepts as
French mobiles and that its carrier data (9.0) gives to no operator. The settings stay the true guard: they speak to the
simulator only.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import accumulate
from pathlib import Path
from random import Random

from campaigns.enums import AttributeType
from campaigns.models import ExtraAttribute
from campaigns.rules.contact_points import department_of
from campaigns.rules.population_columns import EXTRA, FIELD_OF_HEADER
from campaigns.territories import read_territories
from outreach.simulator.people import Contacts, draw_person
from outreach.simulator.structure import STRUCTURES, PopulationImpossible, Structure, Target, plan_groups
from outreach.simulator.urn import Urn

_MATRICULES_BY_DEPARTMENT = 100_000  # people of two departments never share a matricule, nor an address
_BATCH = 10_000


def write_population(
    *, path: Path, department: str, size: int, seed: int, on: date, targets: Mapping[str, Target] | None = None
) -> int:
    """Write a CSV extract of ``size`` people as they stand on a day; returns the number of lines after the header.

    ``targets`` asks for exact numbers of flagged people (see ``Target``); each flag is a column ``extra.<attribute>``,
    to be declared before the import (``declare_attributes``). Raises ``PopulationImpossible``.
    """
    header, people = generate_people(department=department, size=size, seed=seed, on=on, targets=targets or {})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(header)
        writer.writerows([person.get(column, "") for column in header] for person in people)
    return size


def declare_attributes(targets: Mapping[str, Target]) -> None:
    """Declare the flags of the targets, so that the import knows them."""
    for attribute in sorted({target.attribute for target in targets.values()}):
        ExtraAttribute.objects.get_or_create(
            code=attribute,
            defaults={
                "label": f"Liste {attribute.removeprefix('ciblage_').replace('_', ' ')}",
                "type": AttributeType.BOOLEAN,
                "origin": "Population de démonstration",
            },
        )


def generate_people(
    *, department: str, size: int, seed: int, on: date, targets: Mapping[str, Target]
) -> tuple[list[str], Iterator[dict[str, str]]]:
    """Column names, and people one by one ({column: text})."""
    structure = STRUCTURES.get(department)
    if structure is None:
        raise PopulationImpossible(f"Département inconnu ; sont livrés : {', '.join(sorted(STRUCTURES))}.")
    attributes = sorted({target.attribute for target in targets.values()})
    rng = Random(seed)  # noqa: S311 — replayable on purpose
    header = [*FIELD_OF_HEADER, *(EXTRA + attribute for attribute in attributes)]
    return header, _people(structure, department, size, rng, on, targets)


def _people(
    structure: Structure, department: str, size: int, rng: Random, on: date, targets: Mapping[str, Target]
) -> Iterator[dict[str, str]]:
    groups = plan_groups(structure, size, targets)
    order = Urn({str(position): group.size for position, group in enumerate(groups)})
    women = Urn(_women(structure, groups_size=sum(g.size for g in groups if g.household == "monoparent")))
    targeted = sum(target.count for target in targets.values())
    contacts = Contacts(structure, size, targeted, rng)
    communes = _communes(department, rng)
    for position in range(size):
        group = groups[int(order.draw(rng))]
        person = draw_person(rng, group, targets.get(group.target), on, women)
        number = int(department) * _MATRICULES_BY_DEPARTMENT + position
        person["matricule"] = f"{number:07d}"
        person["commune"] = next(communes)
        contacts.give(person, number, is_targeted=bool(group.target))
        yield person


def _women(structure: Structure, *, groups_size: int) -> dict[str, int]:
    women = round(structure.women_among_single_parents * groups_size)
    return {"MME": women, "M": groups_size - women}


def _communes(department: str, rng: Random) -> Iterator[str]:
    """Insee codes, as often as people live there."""
    here = [c for c in read_territories()["communes"] if department_of(c["code"]) == department]
    codes, weights = [c["code"] for c in here], list(accumulate(c["population"] for c in here))
    while True:
        yield from rng.choices(codes, cum_weights=weights, k=_BATCH)
