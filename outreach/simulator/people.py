"""One plausible person: facts that hold together (children younger than parents, ASF only alone, DTR only if due…)."""

import unicodedata
from datetime import date, timedelta
from functools import lru_cache
from random import Random
from typing import TypeVar

from outreach.simulator.names import LAST_NAMES, MEN, WOMEN
from outreach.simulator.structure import (
    AGE_BANDS,
    ALONE,
    COUPLE_WITH_CHILDREN,
    SINGLE_PARENT,
    Group,
    Structure,
    Target,
)
from outreach.simulator.urn import Urn

Person = dict[str, str]
_T = TypeVar("_T")

# 07 30 … 07 49: accepted as mobiles, given to no operator (see ``population``). The step is prime to the capacity:
# consecutive people get scattered, distinct numbers.
_MOBILES, _MOBILE_STEP = 20_000_000, 7_368_787
_FICTION_BLOCKS = ("019900", "026191", "035301", "046571", "053649")
_COUPLES = (("MARIE", 0.62), ("PACSE", 0.16), ("VIE_MARITALE", 0.22))
_PARENTS_ALONE = (("CELIBATAIRE", 0.45), ("SEPARE", 0.29), ("DIVORCE", 0.22), ("VEUF", 0.04))
_ALONE_YOUNG = (("CELIBATAIRE", 0.93), ("SEPARE", 0.05), ("DIVORCE", 0.02))
_ALONE_OLD = (("CELIBATAIRE", 0.45), ("SEPARE", 0.12), ("DIVORCE", 0.28), ("VEUF", 0.15))
_CHILDREN = {
    SINGLE_PARENT: ((1, 0.52), (2, 0.33), (3, 0.11), (4, 0.04)),
    COUPLE_WITH_CHILDREN: ((1, 0.35), (2, 0.42), (3, 0.17), (4, 0.06)),
}
_HOUSING = (("LOCATAIRE", 0.45), ("PROPRIETAIRE", 0.30), ("HEBERGE", 0.25))
_LANGUAGES = (("fr", 0.955), ("ar", 0.015), ("es", 0.012), ("en", 0.01), ("pt", 0.008))


def draw_person(rng: Random, group: Group, target: Target | None, on: date, women: Urn) -> Person:
    """Everything but matricule, commune and addresses, as it stands on a day."""
    age = _age(rng, group, target)
    person: Person = {"date_naissance": _birthday(rng, on, age).isoformat()}
    _name(rng, person, group.household, women)
    children = _children(rng, person, group.household, age, on)
    _family(rng, person, group.household, age, on)
    held = _prestations(rng, group, children)
    _history(rng, person, held, age, on)
    _work(rng, person, held, age, on)
    _declarations(rng, person, held, on)
    _file_state(rng, person, held, on, is_targeted=target is not None)
    if target is not None:
        person[f"extra.{target.attribute}"] = "oui"
    return person


class Contacts:
    """Hands out addresses: exact published shares over the whole, always a mobile of their own to targeted people."""

    def __init__(self, structure: Structure, size: int, targeted: int, rng: Random) -> None:
        self._rng = rng
        mobiles = max(round(structure.sms_allowed * size) - targeted, 0)
        emails = round(structure.email_allowed * size)
        self._mobiles = Urn({"oui": mobiles, "non": size - targeted - mobiles})
        self._emails = Urn({"oui": emails, "non": size - emails})
        self._household_mobile = ""

    def give(self, person: Person, number: int, *, is_targeted: bool) -> None:
        """``number`` belongs to this person alone, over all departments."""
        rng = self._rng
        person["sms_autorise"] = "oui" if is_targeted else self._mobiles.draw(rng)
        person["email_autorise"] = self._emails.draw(rng)
        if person["sms_autorise"] == "oui" or rng.random() < 0.5:
            person["mobile"] = self._mobile(number, is_targeted)
        if person["email_autorise"] == "oui" or rng.random() < 0.4:
            person["email"] = f"{_ascii(person['prenom'])}.{_ascii(person['nom'])}.{number}@example.invalid"
        if rng.random() < 0.35:
            person["fixe"] = rng.choice(_FICTION_BLOCKS) + f"{int(rng.random() * 10_000):04d}"
        person["appel_autorise"] = "oui" if is_targeted or rng.random() < 0.9 else "non"

    def _mobile(self, number: int, is_targeted: bool) -> str:
        """Now and then two files share a mobile; never that of a targeted person."""
        if not is_targeted and self._household_mobile and self._rng.random() < 0.008:
            return self._household_mobile
        mobile = f"07{30_000_000 + number * _MOBILE_STEP % _MOBILES:08d}"
        if not is_targeted:
            self._household_mobile = mobile
        return mobile


def _age(rng: Random, group: Group, target: Target | None) -> int:
    band = group.urns["age"].draw(rng)
    first, last = target.ages_in(band) if target else AGE_BANDS[band]
    if group.household == ALONE or first > 30:
        return first + int(rng.random() * (last - first + 1))
    return first + int(max(rng.random(), rng.random()) * (last - first + 1))  # young parents: rather 28 than 18


def _birthday(rng: Random, on: date, age: int) -> date:
    """A date of birth that makes the age exact on the day."""
    day = 28 if (on.month, on.day) == (2, 29) else on.day
    return date(on.year - age, on.month, day) - timedelta(days=int(rng.random() * 364))


def _name(rng: Random, person: Person, household: str, women: Urn) -> None:
    if household == SINGLE_PARENT:
        person["civilite"] = women.draw(rng)
    else:
        person["civilite"] = "MME" if rng.random() < (0.48 if household == ALONE else 0.56) else "M"
    person["prenom"] = rng.choice(WOMEN if person["civilite"] == "MME" else MEN)
    person["nom"] = rng.choice(LAST_NAMES)
    person["langue"] = _pick(rng, _LANGUAGES)


def _children(rng: Random, person: Person, household: str, age: int, on: date) -> list[int]:
    """Ages of the children: none older than 20, none born before the parent was 17."""
    count = _pick(rng, _CHILDREN[household]) if household in _CHILDREN else 0
    eldest = max(min(20, age - 17), 0)
    count = min(count, max(eldest, 1))
    ages = sorted((int(rng.random() * (eldest + 1)) for _ in range(count)), reverse=True)
    person["nb_enfants"] = str(count)
    person["dates_naissance_enfants"] = "|".join(_birthday(rng, on, a).isoformat() for a in ages)
    person["enfant_salarie"] = "oui" if ages and ages[0] >= 16 and rng.random() < 0.08 else "non"
    if 18 <= age <= 42 and rng.random() < 0.02:
        expected = on + timedelta(days=20 + int(rng.random() * 180))
        person["naissance_attendue_le"] = person["evenement_le"] = expected.isoformat()
    return ages


def _family(rng: Random, person: Person, household: str, age: int, on: date) -> None:
    if household == SINGLE_PARENT:
        situation = _pick(rng, _PARENTS_ALONE)
    elif household == ALONE:
        situation = _pick(rng, _ALONE_YOUNG if age <= 35 else _ALONE_OLD)
    else:
        situation = _pick(rng, _COUPLES)
    person["situation_familiale"] = situation
    if situation in {"SEPARE", "DIVORCE"}:
        person["date_separation"] = _ago(rng, on, 1 + int(rng.random() * min(3_000, (age - 17) * 300)))


def _prestations(rng: Random, group: Group, children: list[int]) -> list[str]:
    held = group.urns["income"].draw(rng).split()
    if group.urns["housing"].draw(rng):
        held.append("ALF" if children else ("APL" if rng.random() < 0.7 else "ALS"))
    if group.urns["asf"].draw(rng):
        held.append("ASF")
    if len(children) >= 2:
        held.append("AF")
    if len(children) >= 3 and min(children) >= 3 and rng.random() < 0.7:
        held.append("CF")
    if any(6 <= age <= 17 for age in children) and rng.random() < 0.8:
        held.append("ARS")
    if children and min(children) < 3:
        held.extend(["PAJE", "PREPARE"] if rng.random() < 0.06 else ["PAJE"])
    if children and rng.random() < 0.02:
        held.append("AEEH")
    return held


def _history(rng: Random, person: Person, held: list[str], age: int, on: date) -> None:
    """Affiliated first, then each right opened since: one newcomer in eighty came within the month."""
    adult_days = (age - 17) * 365
    days = int(rng.random() * 31) if rng.random() < 0.0125 else 31 + int(rng.expovariate(1 / 2_500))
    days = min(days, adult_days)
    person["affiliation_le"] = (on - timedelta(days=days)).isoformat()
    person["prestations"] = "|".join(f"{code}:{_ago(rng, on, int(rng.random() * (days + 1)))}" for code in held)
    if "PREPARE" in held:
        person["fin_prepare"] = (on + timedelta(days=int(rng.random() * 900))).isoformat()


def _work(rng: Random, person: Person, held: list[str], age: int, on: date) -> None:
    situation = _situation(rng, held, age)
    person["situation_pro"] = situation
    person["situation_pro_depuis"] = _ago(rng, on, int(rng.random() * min(3_650, (age - 17) * 365)))
    person["boursier"] = "oui" if situation == "ETUDIANT" and rng.random() < 0.38 else "non"


def _situation(rng: Random, held: list[str], age: int) -> str:
    chance = rng.random()
    if "PREPARE" in held:
        return "CONGE_PARENTAL"
    if "PPA" in held:
        return "SALARIE" if chance < 0.88 else "INDEPENDANT"
    if "AAH" in held:
        return "SANS_ACTIVITE" if chance < 0.8 else "SALARIE"
    if "RSA" in held:
        return "CHOMAGE" if chance < 0.6 else ("SANS_ACTIVITE" if chance < 0.92 else "INDEPENDANT")
    if age >= 63:
        return "RETRAITE" if chance < 0.85 else "SANS_ACTIVITE"
    if age <= 25 and chance < 0.45:
        return "ETUDIANT"
    return "SALARIE" if chance < 0.75 else ("CHOMAGE" if chance < 0.92 else "INDEPENDANT")


def _declarations(rng: Random, person: Person, held: list[str], on: date) -> None:
    """DTR each quarter for RSA and prime d’activité; the annual one for some others."""
    if "RSA" in held or "PPA" in held:
        days = int(rng.random() * 91) - 20
        person["dtr_attendue_le"] = (on + timedelta(days=days)).isoformat()
        if rng.random() < (0.93 if days < 0 else 0.4 if days < 25 else 0):
            person["dtr_recue_le"] = _ago(rng, on, int(rng.random() * 20) + max(-days, 0))
    elif rng.random() < 0.08:
        person["dar_attendue_le"] = date(on.year, 1, 31).isoformat()
        if rng.random() < 0.7:
            person["dar_recue_le"] = _ago(rng, on, int(rng.random() * 40))


def _file_state(rng: Random, person: Person, held: list[str], on: date, *, is_targeted: bool) -> None:
    has_housing = bool({"APL", "ALS", "ALF"} & set(held))
    person["logement"] = "LOCATAIRE" if has_housing else _pick(rng, _HOUSING)
    person["quittance"] = ("ATTENDUE" if rng.random() < 0.039 else "RECUE") if has_housing else "NON_CONCERNE"
    person["rib"] = _pick(rng, (("VALIDE", 0.985), ("INVALIDE", 0.009), ("ABSENT", 0.006)))
    if rng.random() < 0.015:
        person["pieces_manquantes_depuis"] = _ago(rng, on, int(rng.random() * 90))
    if rng.random() < 0.07:
        person["fin_titre_sejour"] = (on + timedelta(days=int(rng.random() * 2_000) - 30)).isoformat()
    if rng.random() < 0.006:
        person["courrier_revenu_le"] = _ago(rng, on, int(rng.random() * 365))
    if not is_targeted:
        _out_of_reach(rng, person, held, on)


def _out_of_reach(rng: Random, person: Person, held: list[str], on: date) -> None:
    """What excludes somebody from any campaign: never drawn for targeted people."""
    chance = rng.random()
    if chance < (0.06 if "AAH" in held else 0.003):
        person["tutelle"] = "oui"
    elif chance > 0.999:
        person["deces_le"] = _ago(rng, on, int(rng.random() * 60))
    elif chance > 0.994:
        person["dossier_clos_le"] = _ago(rng, on, int(rng.random() * 120))


def _ago(rng: Random, on: date, days: int) -> str:
    return (on - timedelta(days=days)).isoformat()


def _pick(rng: Random, weighted: tuple[tuple[_T, float], ...]) -> _T:
    chance = rng.random()
    for value, weight in weighted:
        chance -= weight
        if chance < 0:
            return value
    return weighted[0][0]


@lru_cache(maxsize=1024)
def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return plain.replace(" ", "-").replace("'", "")
