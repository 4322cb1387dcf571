import csv
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from django.core.management import CommandError, call_command

from campaigns.enums import FamilySituation, Prestation, ProfessionalSituation
from campaigns.models import Allocataire, ExtraAttribute
from campaigns.population_import import import_population
from campaigns.territories import load_territories
from outreach.simulator.population import declare_attributes, generate_people, write_population
from outreach.simulator.structure import PUBLISHED_TARGETS, PopulationImpossible, Target
from outreach.simulator.urn import apportion
from tests.factories import NOW

ON = date(2023, 3, 1)
Person = dict[str, str]


def people(size: int, **values: Any) -> list[Person]:
    given: dict[str, Any] = {"department": "66", "size": size, "seed": 1, "on": ON, "targets": {}}
    return list(generate_people(**(given | values))[1])


def age(person: Person, on: date = ON) -> int:
    born = date.fromisoformat(person["date_naissance"])
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def held(person: Person) -> set[str]:
    return {part.partition(":")[0] for part in person["prestations"].split("|") if part}


@pytest.fixture(scope="module")
def pyrenees() -> list[Person]:
    return people(11_300)


def test_published_shares_are_exact(pyrenees: list[Person]) -> None:
    size = len(pyrenees)
    counts = Counter(code for person in pyrenees for code in held(person))
    assert (counts["RSA"], counts["PPA"], counts["AAH"]) == (2431, 4196, 1184)
    assert counts["ASF"] == round(9_985 / 10)
    assert counts["APL"] + counts["ALS"] + counts["ALF"] == round(52_673 / 10)
    ages = [age(person) for person in pyrenees]
    assert sum(a > 50 for a in ages) == round(0.31 * size)
    assert sum(a > 60 for a in ages) == round(0.14 * size)
    assert min(ages) >= 18
    assert sum(person["email_autorise"] == "oui" for person in pyrenees) == round(0.918 * size)
    assert sum(person["sms_autorise"] == "oui" for person in pyrenees) == round(0.953 * size)


def test_households_are_exact(pyrenees: list[Person]) -> None:
    couples = {"MARIE", "PACSE", "VIE_MARITALE"}
    apart = [person for person in pyrenees if person["situation_familiale"] not in couples]
    parents = [person for person in apart if person["nb_enfants"] != "0"]
    assert len(parents) == round(0.187 * len(pyrenees))
    assert len(apart) - len(parents) == round(0.52 * len(pyrenees))
    assert sum(person["civilite"] == "MME" for person in parents) == round(0.91 * len(parents))


def test_lozere_has_its_own_structure() -> None:
    counts = Counter(code for person in people(14_340, department="48") for code in held(person))
    assert (counts["PPA"], counts["RSA"], counts["AAH"]) == (5_000, 1_100, 2_700)
    assert counts["APL"] + counts["ALS"] + counts["ALF"] == 6_600


def test_facts_hold_together(pyrenees: list[Person]) -> None:
    for person in pyrenees:
        children = [date.fromisoformat(day) for day in person["dates_naissance_enfants"].split("|") if day]
        assert len(children) == int(person["nb_enfants"])
        rights = held(person)
        assert rights <= set(Prestation.values)
        assert person["situation_familiale"] in FamilySituation.values
        assert person["situation_pro"] in ProfessionalSituation.values
        assert all(date.fromisoformat(person["date_naissance"]).year + 16 <= day.year <= ON.year for day in children)
        if "ASF" in rights:
            assert children
            assert person["situation_familiale"] in {"CELIBATAIRE", "SEPARE", "DIVORCE", "VEUF"}
        assert ("dtr_attendue_le" in person) == bool(rights & {"RSA", "PPA"})
        since = [date.fromisoformat(part[-10:]) for part in person["prestations"].split("|") if part]
        assert all(date.fromisoformat(person["affiliation_le"]) <= day <= ON for day in since)


def test_nobody_can_be_reached(pyrenees: list[Person]) -> None:
    for person in pyrenees:
        assert person.get("email", "@example.invalid").endswith("@example.invalid")
        if mobile := person.get("mobile"):
            assert mobile[:3] == "073" or mobile[:3] == "074"
            assert phonenumbers.is_valid_number(phonenumbers.parse(mobile, "FR"))
        if landline := person.get("fixe"):
            assert landline[:6] in {"019900", "026191", "035301", "046571", "053649"}


def test_same_seed_same_people() -> None:
    assert people(300) == people(300)
    assert people(300) != people(300, seed=2)


def test_departments_share_nobody() -> None:
    here, there = people(300), people(300, department="01")
    for column in ("matricule", "mobile", "email"):
        assert not {p.get(column, "a") for p in here} & {p.get(column, "b") for p in there}


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 50, 101])
@pytest.mark.parametrize("department", ["01", "31", "48", "66"])
def test_any_size_and_department(department: str, size: int) -> None:
    found = people(size, department=department, on=date(2024, 2, 29))
    assert len(found) == len({person["matricule"] for person in found}) == size
    assert all(person["commune"].startswith(department) for person in found)


TARGETS = {
    "young": Target(40, "liste_a", age_max=30),
    "older": Target(120, "liste_a", age_min=31),
    "ppa": Target(75, "liste_b", households=("seul", "monoparent"), without=("PPA", "RSA", "AAH")),
    "asf": Target(33, "liste_c", without=("ASF",)),
}


@pytest.mark.parametrize("on", [ON, date(2023, 6, 5), date(2024, 2, 29)])
def test_targets_are_exact_for_a_year(on: date) -> None:
    everybody = people(4_000, targets=TARGETS)
    listed = [person for person in everybody if person.get("extra.liste_a") == "oui"]
    assert sum(age(person, on) <= 30 for person in listed) == 40
    assert sum(age(person, on) >= 31 for person in listed) == 120
    assert all(int(person["nb_enfants"]) >= 1 for person in listed)


def test_targets_are_reachable_on_their_own_mobile() -> None:
    everybody = people(4_000, targets=TARGETS)
    mobiles = Counter(person["mobile"] for person in everybody if "mobile" in person)
    assert max(mobiles.values()) > 1, "some files do share a mobile"
    flagged = [person for person in everybody if any(key.startswith("extra.") for key in person)]
    assert len(flagged) == 40 + 120 + 75 + 33
    for person in flagged:
        assert person["sms_autorise"] == person["appel_autorise"] == "oui"
        assert mobiles[person["mobile"]] == 1
        assert not {"dossier_clos_le", "deces_le", "tutelle"} & set(person)
    assert not any(held(p) & {"PPA", "RSA", "AAH"} for p in flagged if "extra.liste_b" in p)
    assert not any("ASF" in held(p) for p in flagged if "extra.liste_c" in p)


def test_targets_do_not_bend_the_published_shares() -> None:
    counts = Counter(code for person in people(11_300, targets=TARGETS) for code in held(person))
    assert (counts["RSA"], counts["PPA"], counts["AAH"], counts["ASF"]) == (2431, 4196, 1184, 998)


def test_too_small_for_its_targets() -> None:
    with pytest.raises(PopulationImpossible, match="trop petite pour la cible « vie-maritale-30 »"):
        people(1_000, targets=PUBLISHED_TARGETS)
    with pytest.raises(PopulationImpossible, match="Département inconnu"):
        people(10, department="75")


def test_published_targets_fit_the_pyrenees_orientales() -> None:
    found = Counter(p.get("extra.ciblage_vie_maritale") for p in people(113_000, targets=PUBLISHED_TARGETS))
    assert found["oui"] == 787 + 3_479


@pytest.mark.parametrize("total", [0, 1, 7, 100])
def test_apportion_keeps_the_total(total: int) -> None:
    shares = apportion(total, {"a": 1, "b": 1, "c": 0.5, "d": 0})
    assert sum(shares.values()) == total
    assert shares["d"] == 0


@pytest.mark.django_db
@pytest.mark.parametrize("department", ["01", "31", "48", "66"])
def test_its_file_is_imported_whole(department: str, tmp_path: Path) -> None:
    targets = {"a": Target(5, "liste_a")}
    load_territories()
    declare_attributes(targets)
    declare_attributes(targets)
    path = tmp_path / "population.csv"
    write_population(path=path, department=department, size=400, seed=3, on=ON, targets=targets)
    done = import_population(path=path, file_name=path.name, by=None, now=NOW)
    assert (done.created_count, done.rejected_count, done.problem) == (400, 0, "")
    assert Allocataire.objects.filter(extra__liste_a=True).count() == 5
    assert Allocataire.objects.filter(commune__department=department).count() == 400


@pytest.mark.django_db
def test_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "population.csv"
    call_command("make_population", "--size=120", "--on=2023-03-01", f"--out={path}", skip_checks=True)
    with path.open() as file:
        assert sum(1 for _ in csv.DictReader(file, delimiter=";")) == 120
    assert "120 personnes écrites" in capsys.readouterr().out
    with pytest.raises(CommandError, match="trop petite"):
        call_command("make_population", "--size=9", "--on=2023-03-01", f"--out={path}", "--scenarios", skip_checks=True)
    assert not ExtraAttribute.objects.filter(code="ciblage_asf", origin="Population de démonstration").exists()
