"""What the Caf publish about who their allocataires are, turned into exact counts for any size."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from outreach.simulator.urn import Urn, apportion

ALONE, SINGLE_PARENT, COUPLE_WITH_CHILDREN, COUPLE = "seul", "monoparent", "couple_enfants", "couple"
AGE_BANDS = {"18-30": (18, 30), "31-50": (31, 50), "51-60": (51, 60), "61+": (61, 88)}
ELDEST = 88

Row = dict[str, int]


class PopulationImpossible(ValueError):
    """The size asked for cannot hold the people asked for."""


@dataclass(frozen=True)
class Structure:
    """Published counts of one Caf; shares are those of the Pyrénées-Orientales (rapport d’activité 2023)."""

    size: int
    rsa: int
    ppa: int
    aah: int
    asf: int
    housing: int
    alone: float = 0.52
    single_parents: float = 0.187
    women_among_single_parents: float = 0.91
    over_50: float = 0.31
    over_60: float = 0.14
    email_allowed: float = 0.918
    sms_allowed: float = 0.953

    def scaled(self, count: int, size: int) -> int:
        return round(count * size / self.size)


PYRENEES_ORIENTALES = Structure(113_000, rsa=24_311, ppa=41_965, aah=11_838, asf=9_985, housing=52_673)
# CCSS de la Lozère, 2019; its ASF is not published: the share of the Pyrénées-Orientales is assumed.
LOZERE = Structure(14_340, rsa=1_100, ppa=5_000, aah=2_700, asf=1_267, housing=6_600)
# Ain and Haute-Garonne publish no such structure: that of the Pyrénées-Orientales is assumed.
STRUCTURES = {"01": PYRENEES_ORIENTALES, "31": PYRENEES_ORIENTALES, "48": LOZERE, "66": PYRENEES_ORIENTALES}


@dataclass(frozen=True)
class Target:
    """People that a demo needs in an exact number: open files, reachable by SMS on a mobile nobody shares, flagged
    ``extra.<attribute>`` = oui. Ages hold on the day of the population and for a year after it."""

    count: int
    attribute: str
    households: tuple[str, ...] = (SINGLE_PARENT,)
    age_min: int = 18
    age_max: int = ELDEST
    without: tuple[str, ...] = ()

    def ages_in(self, band: str) -> tuple[int, int]:
        """First and last age of the band that suits; the first exceeds the last when none does."""
        low, high = AGE_BANDS[band]
        last = self.age_max - 1 if self.age_max < ELDEST else ELDEST
        return max(low, self.age_min), min(high, last)


# The published scenarios (domain page); the size of the ASF panel is not published: 600 is a hypothesis.
PUBLISHED_TARGETS = {
    "vie-maritale-30": Target(787, "ciblage_vie_maritale", age_max=30),
    "vie-maritale-31": Target(3_479, "ciblage_vie_maritale", age_min=31),
    "ppa": Target(
        1_656,
        "ciblage_ppa",
        households=(ALONE, SINGLE_PARENT, COUPLE_WITH_CHILDREN, COUPLE),
        age_min=20,
        age_max=60,
        without=("PPA", "RSA", "AAH"),
    ),
    "asf": Target(600, "ciblage_asf", age_min=20, age_max=55, without=("ASF",)),
}

# Assumed (not published): how the published totals fall on households.
_HOUSEHOLD_REST = {COUPLE_WITH_CHILDREN: 0.75, COUPLE: 0.25}
_AGES = {
    SINGLE_PARENT: {"18-30": 0.27, "31-50": 0.635, "51-60": 0.09, "61+": 0.005},
    COUPLE_WITH_CHILDREN: {"18-30": 0.15, "31-50": 0.73, "51-60": 0.11, "61+": 0.01},
    COUPLE: {"18-30": 0.25, "31-50": 0.13, "51-60": 0.30, "61+": 0.32},
}
_UNDER_31 = 0.27
_HOLDERS = {
    "RSA": {ALONE: 0.55, SINGLE_PARENT: 0.30, COUPLE_WITH_CHILDREN: 0.12, COUPLE: 0.03},
    "PPA": {ALONE: 0.47, SINGLE_PARENT: 0.20, COUPLE_WITH_CHILDREN: 0.28, COUPLE: 0.05},
    "AAH": {ALONE: 0.72, SINGLE_PARENT: 0.05, COUPLE_WITH_CHILDREN: 0.10, COUPLE: 0.13},
    "LOGEMENT": {ALONE: 0.50, SINGLE_PARENT: 0.27, COUPLE_WITH_CHILDREN: 0.18, COUPLE: 0.05},
}
_RSA_ALSO_PPA = 0.12
_LABELS = {"income": ("RSA", "RSA PPA", "PPA", "AAH", ""), "housing": ("LOGEMENT", ""), "asf": ("ASF", "")}
_ELDER = {"age": {"61+"}, "income": {"AAH", ""}, "asf": {""}}


@dataclass
class Group:
    """People of one household type, of one target or of none, with what is left to hand out among them."""

    household: str
    target: str
    size: int
    rows: dict[str, Row] = field(repr=False)
    urns: dict[str, Urn] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.urns = {name: Urn(row) for name, row in self.rows.items()}


def plan_groups(structure: Structure, size: int, targets: Mapping[str, Target]) -> list[Group]:
    """Households × targets, each with exact counts by age, prestations, housing and ASF.

    Raises ``PopulationImpossible``.
    """
    sizes = _household_sizes(structure, size)
    tables = _tables(structure, size, sizes)
    groups = []
    for name, target in targets.items():
        for household, count in apportion(target.count, {h: sizes[h] for h in target.households}).items():
            rows = {kind: _take(tables[kind][household], count, _suited(kind, target), name) for kind in tables}
            groups.append(Group(household, name, count, rows))
    for household in sizes:
        groups.extend(_untargeted(household, {kind: tables[kind][household] for kind in tables}))
    return groups


def _untargeted(household: str, rows: dict[str, Row]) -> list[Group]:
    """Those over 60 live on a pension or AAH: set apart, so that work and RSA fall on the others."""
    count = rows["age"]["61+"]
    suited = {kind: _ELDER.get(kind, set(row)) for kind, row in rows.items()}
    if sum(rows["income"][label] for label in suited["income"]) < count:  # in a handful of people, never in a Caf
        suited["income"] = set(rows["income"])
    elders = {kind: _take(row, count, suited[kind], "plus de 60 ans") for kind, row in rows.items()}
    return [
        Group(household, "", count, elders),
        Group(household, "", sum(rows["age"].values()), rows),
    ]


def _household_sizes(structure: Structure, size: int) -> Row:
    alone, parents = round(structure.alone * size), round(structure.single_parents * size)
    return {ALONE: alone, SINGLE_PARENT: parents} | apportion(size - alone - parents, _HOUSEHOLD_REST)


def _tables(structure: Structure, size: int, sizes: Row) -> dict[str, dict[str, Row]]:
    asf = min(structure.scaled(structure.asf, size), sizes[SINGLE_PARENT])
    housing = apportion(structure.scaled(structure.housing, size), _HOLDERS["LOGEMENT"])
    return {
        "age": _ages(structure, size, sizes),
        "income": _incomes(structure, size, sizes),
        "housing": {h: {"LOGEMENT": housing[h], "": n - housing[h]} for h, n in sizes.items()},
        "asf": {h: {"ASF": asf, "": n - asf} if h == SINGLE_PARENT else {"": n} for h, n in sizes.items()},
    }


def _ages(structure: Structure, size: int, sizes: Row) -> dict[str, Row]:
    """The lone people complete the other households up to the published totals."""
    over_50, over_60 = round(structure.over_50 * size), round(structure.over_60 * size)
    under_31 = round(_UNDER_31 * size)
    left = {"18-30": under_31, "31-50": size - over_50 - under_31, "51-60": over_50 - over_60, "61+": over_60}
    table = {}
    for household, shares in _AGES.items():
        table[household] = apportion(sizes[household], shares)
        left = {band: count - table[household][band] for band, count in left.items()}
    return {ALONE: _settled(left)} | table


def _incomes(structure: Structure, size: int, sizes: Row) -> dict[str, Row]:
    rsa = apportion(structure.scaled(structure.rsa, size), _HOLDERS["RSA"])
    ppa = apportion(structure.scaled(structure.ppa, size), _HOLDERS["PPA"])
    aah = apportion(structure.scaled(structure.aah, size), _HOLDERS["AAH"])
    table = {}
    for household, count in sizes.items():
        both = round(_RSA_ALSO_PPA * rsa[household])
        row = {"RSA": rsa[household] - both, "RSA PPA": both, "PPA": ppa[household] - both, "AAH": aah[household]}
        table[household] = _settled({**row, "": count - sum(row.values())})
    return table


def _take(row: Row, count: int, suited: Collection[str], name: str) -> Row:
    """Remove people from a row, in proportion of what suits them, and return their own row."""
    possible = {label: number for label, number in row.items() if label in suited}
    if sum(possible.values()) < count:
        raise PopulationImpossible(
            f"La population est trop petite pour la cible « {name} » : {sum(possible.values())} personnes possibles, "
            f"{count} demandées. Augmenter la taille ou réduire la cible."
        )
    taken = apportion(count, possible)
    for label, number in taken.items():
        row[label] -= number
    return taken


def _suited(kind: str, target: Target) -> set[str]:
    if kind == "age":
        return {band for band in AGE_BANDS if target.ages_in(band)[0] <= target.ages_in(band)[1]}
    return {label for label in _LABELS[kind] if not set(label.split()) & set(target.without)}


def _settled(row: Row) -> Row:
    """Rounding may overdraw a label by one in a handful of people: the largest pays."""
    for label in [label for label, count in row.items() if count < 0]:
        richest = max(row, key=row.__getitem__)
        row[richest] += row[label]
        row[label] = 0
    return row
