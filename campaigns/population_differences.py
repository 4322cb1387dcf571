"""What an import would do, person by person: kept while it waits to be confirmed, shown masked, downloaded in clear.
And, for good, of whom it made somebody else."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from psycopg import sql

from campaigns.models import (
    AccessLog,
    Allocataire,
    DifferenceKind,
    IdentityChange,
    PopulationDifference,
    PopulationImport,
    User,
)
from campaigns.population_staging import DIFFERENCE, STAGING, TARGET, absent_people, execute, strangers
from campaigns.rules.masking import mask_matricule
from campaigns.rules.spreadsheets import neutralise

LISTED_MAX = 100_000  # a first import that asks would list everybody: nobody reads more
HEADERS = ["ligne", "quoi", "matricule", "donnée", "avant", "après"]
_NAMING = ("matricule", "last_name", "first_name")


def keep_differences(record: PopulationImport, refused_matricules: list[str]) -> None:
    """List who would be changed, closed, then created, from what is staged; ``LISTED_MAX`` at most."""
    parts = {
        "import": sql.Literal(record.pk),
        "kept": sql.Identifier(PopulationDifference._meta.db_table),
        "staging": STAGING, "difference": DIFFERENCE, "target": TARGET,
        "naming": sql.Literal(list(_NAMING)), "most": sql.Literal(LISTED_MAX),
        "absent": absent_people(refused_matricules) if record.closed_count else sql.SQL("false"),
        "updated": sql.Literal(DifferenceKind.UPDATED), "closed": sql.Literal(DifferenceKind.CLOSED),
        "created": sql.Literal(DifferenceKind.CREATED),
    }  # fmt: skip
    execute(sql.SQL(_KEEP).format(**parts))


_KEEP = """
    INSERT INTO {kept} (population_import_id, kind, line, allocataire_id, before, after)
    SELECT {import}, * FROM (
        SELECT {updated} AS kind, d.line, a.id,
               (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(a)) WHERE key = ANY(d.changed)),
               (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(s)) WHERE key = ANY(d.changed))
          FROM {difference} d JOIN {target} a ON a.id = d.allocataire_id JOIN {staging} s ON s.line = d.line
        UNION ALL
        SELECT {closed}, NULL, a.id, '{{}}', '{{}}' FROM {target} a WHERE {absent}
        UNION ALL
        SELECT {created}, s.line, NULL, '{{}}',
               (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(s)) WHERE key = ANY({naming}))
          FROM {difference} d JOIN {staging} s ON s.line = d.line WHERE d.allocataire_id IS NULL
    ) found LIMIT {most}
"""


def keep_identity_changes(record: PopulationImport, fields: Sequence[str], now: datetime) -> None:
    """Remember of whom the staged rows make somebody else: before they are written, in the same transaction."""
    query = (
        "INSERT INTO {kept} (population_import_id, allocataire_id, line, at) "
        "SELECT {import}, found.id, found.line, {now} FROM ({strangers}) found"
    )
    kept = sql.Identifier(IdentityChange._meta.db_table)
    parts = {"import": sql.Literal(record.pk), "now": sql.Literal(now), "strangers": strangers(fields)}
    execute(sql.SQL(query).format(kept=kept, **parts))


def matricule_shown(difference: PopulationDifference) -> str:
    """Masked: whoever imports is not entitled to read people's files."""
    return mask_matricule(_matricule(difference))


def fields_shown(difference: PopulationDifference) -> list[str]:
    """French names of the data that differ, without what they say."""
    if difference.kind != DifferenceKind.UPDATED:
        return []
    return [_label(name) for name in sorted(difference.after)]


def export_differences(*, record: PopulationImport, by: User, now: datetime) -> Iterator[list[str]]:
    """Headers, then one row a datum that differs, in clear. The access is written before the first row."""
    AccessLog.objects.create(by=by, at=now, action="export", detail=f"différences de l’import n° {record.pk}")
    return _rows(record)


def _rows(record: PopulationImport) -> Iterator[list[str]]:
    yield HEADERS
    for difference in record.differences.select_related("allocataire").iterator(chunk_size=2_000):
        about = [str(difference.line or ""), difference.get_kind_display(), _matricule(difference)]
        if difference.kind == DifferenceKind.CLOSED:
            yield [*map(neutralise, about), "", "", ""]
        for name, after in sorted(difference.after.items()):
            before = difference.before.get(name)
            yield [neutralise(text) for text in (*about, _label(name), _say(before), _say(after))]


def _matricule(difference: PopulationDifference) -> str:
    return difference.allocataire.matricule if difference.allocataire else str(difference.after.get("matricule", ""))


def _label(name: str) -> str:
    labels = {field.attname: str(field.verbose_name) for field in Allocataire._meta.concrete_fields}
    return labels.get(name, name)


def _say(value: object) -> str:
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in sorted(value.items()))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
