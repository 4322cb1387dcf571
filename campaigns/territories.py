"""Communes and EPCI: who lives where, and by which territory a Caf reads its figures."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from django.db import transaction

from campaigns.models import Commune, Epci
from campaigns.rules.contact_points import department_of

TERRITORIES = Path(__file__).parent / "catalogue" / "territoires.json"


@cache
def read_territories() -> dict[str, Any]:
    """The shipped file: ``source``, ``licence``, ``epci`` and ``communes`` (Insee and DGCL, Licence Ouverte 2.0)."""
    territories: dict[str, Any] = json.loads(TERRITORIES.read_text(encoding="utf-8"))
    return territories


@transaction.atomic
def load_territories() -> int:
    """Write the shipped EPCI and communes; loading again changes nothing. Returns the number of communes."""
    data = read_territories()
    Epci.objects.bulk_create(
        [Epci(code=e["code"], name=e["nom"]) for e in data["epci"]],
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["name"],
    )
    communes = [_commune(row) for row in data["communes"]]
    Commune.objects.bulk_create(
        communes,
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["name", "department", "postal_code", "population", "epci"],
    )
    return len(communes)


def _commune(row: dict[str, Any]) -> Commune:
    return Commune(
        code=row["code"],
        name=row["nom"],
        department=department_of(row["code"]),
        postal_code=row["code_postal"],
        population=row["population"],
        epci_id=row["epci"],
    )
