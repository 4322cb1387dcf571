"""Communes and départements typed in the builder: a name or a wrong code would select nobody without a word."""

from collections.abc import Callable, Iterator

from campaigns.models import Commune
from campaigns.rules.criteria_rows import Blocks, Row

SHOWN = 5  # of the codes that bear a name, or of the départements


def find_unknown_places(blocks: Blocks) -> dict[tuple[int, int], list[str]]:
    """French sentences by (block, row), for what the reference of communes does not know."""
    found = {
        (i, j): [explain(typed) for typed in _unknown(row)]
        for i, block in enumerate(blocks)
        for j, row in enumerate(block)
        if (explain := EXPLANATIONS.get(row.fact))
    }
    return {place: sentences for place, sentences in found.items() if sentences}


def _unknown(row: Row) -> Iterator[str]:
    typed = [line.strip() for text in row.parts.get("value", ()) for line in text.splitlines() if line.strip()]
    column = COLUMNS[row.fact]
    known = Commune.objects.filter(**{f"{column}__in": typed}).order_by().values_list(column, flat=True).distinct()
    missing = set(typed) - set(known)
    return (text for text in dict.fromkeys(typed) if text in missing)


def _explain_commune(typed: str) -> str:
    named = Commune.objects.filter(name__iexact=typed).order_by("code").values_list("code", flat=True)[:SHOWN]
    if named:
        return f"« {typed} » : écrivez son code Insee, {' ou '.join(named)}"
    return f"« {typed} » n’est le code Insee d’aucune commune connue : 66136, par exemple, pour Perpignan"


def _explain_department(typed: str) -> str:
    known = Commune.objects.order_by("department").values_list("department", flat=True).distinct()[:SHOWN]
    return f"« {typed} » n’est pas un département connu : écrivez son numéro ({', '.join(known)}…)"


COLUMNS = {"commune": "code", "department": "department"}
EXPLANATIONS: dict[str, Callable[[str], str]] = {"commune": _explain_commune, "department": _explain_department}
