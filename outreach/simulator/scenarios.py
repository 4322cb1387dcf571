"""The published campaigns that the demo plays. Numbers come from ``published_results.json`` beside this file."""

import json
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from outreach.simulator.acts import Act
from outreach.simulator.lists import PPA_AIN, DemoList
from outreach.simulator.structure import PUBLISHED_TARGETS

PUBLISHED = Path(__file__).with_name("published_results.json")


@dataclass(frozen=True)
class Scenario:
    """One campaign of a Caf: a plan on a public on a day, and how people then behave."""

    key: str
    name: str
    department: str
    plan: str
    launch_on: date
    targeted: int
    acts: tuple[Act, ...]
    hypotheses: str
    programme: tuple[str, str] | None = None  # code, name
    imported: DemoList | None = None  # the public comes from a list rather than from flags of the extract


# People each department's extract must hold for its scenarios, in exact number.
TARGETS = {
    "01": {
        "ppa": PUBLISHED_TARGETS["ppa"],
        "asf": replace(PUBLISHED_TARGETS["asf"], count=PUBLISHED_TARGETS["asf"].count * 5 // 2),
    },
    "66": {name: PUBLISHED_TARGETS[name] for name in ("vie-maritale-30", "vie-maritale-31")},
    "48": {"asf": replace(PUBLISHED_TARGETS["asf"], count=150)},
}


@cache
def _line(key: str) -> dict[str, Any]:
    lines = json.loads(PUBLISHED.read_text(encoding="utf-8"))["lines"]
    return next(line["realisation"] for line in lines if line["id"] == key)


def load_scenarios() -> tuple[Scenario, ...]:
    """The scenarios, in the order in which they happened."""
    return (_ain_ppa(), _ain_asf(), _vie_maritale("30", date(2023, 3, 3)), _vie_maritale("31", date(2023, 6, 5)))


def _ain_ppa() -> Scenario:
    line = _line("ain-2020-ppa")
    return Scenario(
        key="ain-2020-ppa",
        name="Prime d’activité, liste datamining (Ain, 2020)",
        department="01",
        plan="ppa-datamining",
        imported=PPA_AIN,
        launch_on=date(2020, 3, 9),
        targeted=line["targeted"],
        acts=(
            Act("SMS", "PPA_DEMANDE", line["filed"]),
            Act("SMS", "PPA_OUVERTE", line["opened"], line["mean_amount"]),
        ),
        hypotheses="Hypothèses : jour de lancement, contact par SMS, toutes les personnes ciblées sont joignables.",
    )


def _ain_asf() -> Scenario:
    line = _line("ain-2020-asf-phone")
    panel = line["targeted"]
    return Scenario(
        key="ain-2020-asf",
        name="ASF, parents séparés : appel ou SMS (Ain, 2020 ; effectifs : hypothèse)",
        department="01",
        plan="asf-parents-separes",
        launch_on=date(2020, 9, 14),
        targeted=panel * 5 // 2,  # two contact arms of the panel's size, a fifth of témoins
        acts=(
            Act("APPEL", "ASF_CONSULTATION", line["consulted"]),
            Act("APPEL", "ASF_DEMANDE", line["filed"]),
            Act("APPEL", "ASF_OUVERTE", line["opened"], line["mean_amount"]),
            Act("SMS", "ASF_CONSULTATION", panel * 27 // 100),
            Act("SMS", "ASF_DEMANDE", panel * 11 // 100),
            Act("SMS", "ASF_OUVERTE", panel * 7 // 100, line["mean_amount"]),
            Act("TEMOIN", "ASF_CONSULTATION", panel * 5 // 100),
            Act("TEMOIN", "ASF_DEMANDE", panel * 2 // 100),
            Act("TEMOIN", "ASF_OUVERTE", panel // 100, line["mean_amount"]),
        ),
        hypotheses=(
            "Hypothèses : taille du panel (600 par bras), jour de lancement, bras SMS et témoins. "
            "Seuls les taux du bras appel sont publiés."
        ),
    )


def _vie_maritale(age: str, launch_on: date) -> Scenario:
    number = "1" if age == "30" else "2"
    line = _line(f"po-2023-vie-maritale-{number}")
    public = "30 ans ou moins" if age == "30" else "31 ans ou plus"
    return Scenario(
        key=f"po-2023-vie-maritale-{age}",
        name=f"Vie maritale, {public} (Pyrénées-Orientales, 2023 ; résultat : hypothèse)",
        department="66",
        plan=f"vie-maritale-{age}",
        launch_on=launch_on,
        targeted=line["targeted"],
        acts=(Act("SMS", "VIE_MARITALE_DECLAREE", line["regularised"]),),
        hypotheses="Hypothèses : partage des 62 régularisations (14 et 48), canal SMS puis e-mail.",
        programme=("vie-maritale-2023", "Vie maritale, Pyrénées-Orientales 2023"),
    )
