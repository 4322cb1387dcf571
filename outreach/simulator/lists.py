"""The lists that the Cnaf delivers in the demo: files of matricules, imported as a Caf would."""

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from campaigns.imported_lists import Delivery
from campaigns.segments import matching

ELSEWHERE = ("0999998", "0999999")  # people of the file who have moved to another Caf since


@dataclass(frozen=True)
class DemoList:
    """A datamining list of a department: the people whom the extract flags, named one by one by the Cnaf."""

    name: str
    department: str
    attribute: str
    on: date

    @property
    def delivery(self) -> Delivery:
        return Delivery(self.name, "Cnaf", self.on)

    def criteria(self, *conditions: dict[str, Any]) -> dict[str, Any]:
        """The people of the list in its department, as far as they meet ``conditions``."""
        chosen = {"field": "list", "op": "in", "value": [self.delivery.code]}
        return {"all": [chosen, *conditions, _department(self.department)]}


PPA_AIN = DemoList("Datamining prime d’activité, Ain", "01", "ciblage_ppa", date(2020, 3, 2))
ASF_LOZERE = DemoList("Datamining ASF, Lozère", "48", "ciblage_asf", date(2023, 9, 11))


def write_list(path: Path, wanted: DemoList) -> None:
    """The file that the Cnaf would send, with what such files hold: another column, people unknown here."""
    flagged = {"field": f"extra.{wanted.attribute}", "op": "eq", "value": True}
    people = matching({"all": [flagged, _department(wanted.department)]}, today=wanted.on)
    matricules = people.order_by("matricule").values_list("matricule", flat=True)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["matricule", "constat"])
        writer.writerows([matricule, "droit possible"] for matricule in (*matricules, *ELSEWHERE))


def _department(code: str) -> dict[str, Any]:
    return {"field": "department", "op": "eq", "value": code}
