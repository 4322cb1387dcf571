"""What a report must say although no line is at fault."""

from campaigns.models import ImportStatus, PopulationImport
from campaigns.rules.french import french_number
from campaigns.rules.population_columns import IGNORED

TOLD = {ImportStatus.DONE, ImportStatus.TO_CONFIRM}
WIDTH = "nombre de colonnes"  # value class of a line too short or too long


def list_warnings(record: PopulationImport) -> list[str]:
    """French sentences: a file without a line, one that seems cut, columns that were left aside."""
    if record.status not in TOLD:
        return []
    found = []
    if not record.read_count and not record.problem:
        found.append("Ce fichier n’a aucune ligne sous ses titres : refaites l’extraction.")
    if _seems_cut(record):
        found.append(
            "La dernière ligne est incomplète : le fichier a peut-être été coupé. "
            f"Comparez ses {french_number(record.read_count)} lignes à celles de l’extraction."
        )
    if ignored := [name for name, target in record.mapping.items() if target == IGNORED]:
        found.append(f"Colonnes ignorées : {', '.join(ignored)}.")
    return found


def _seems_cut(record: PopulationImport) -> bool:
    """The header is line 1, and blank lines are not counted: the last line read is beyond their count."""
    return record.rejected_lines.filter(value_class=WIDTH, line__gt=record.read_count).exists()
