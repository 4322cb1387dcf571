"""What a bilan is: its parts as frozen values, with the definition of each figure. Rates are proportions (0 to 1)."""

from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from outreach.rules import figures
from outreach.rules.statistics import Interval, NumberNeeded, Sample, wilson

DEFINITIONS_VERSION = 2
DEFINITIONS = {
    "TARGETED": "Personnes que le segment désignait la nuit du gel, avant toute exclusion.",
    "EXCLUDED": "Personnes ciblées laissées de côté. Une seule raison par personne : la première qui s’applique.",
    "RETAINED": "Personnes ciblées et non exclues. Cet effectif est fixé au gel et ne change plus.",
    "CONTROL": "Personnes retenues, tirées au sort pour ne rien recevoir pendant la fenêtre, afin de mesurer l’effet.",
    "TO_CONTACT": "Personnes retenues, tirées au sort dans un bras contacté.",
    "CONTACTED": "Personnes à contacter pour qui un message au moins a été remis à l’opérateur, ou jointes par appel.",
    "DELIVERED": "Personnes à contacter pour qui un message au moins est annoncé remis, ou jointes par appel.",
    "CONSULTED": "Personnes à contacter qui ont consulté l’information attendue dans la fenêtre.",
    "FILED": "Personnes à contacter qui ont déposé la démarche attendue dans la fenêtre.",
    "SETTLED": "Personnes à contacter dont le droit est ouvert ou la situation déclarée dans la fenêtre.",
    "UNIT": (
        "L’unité est la personne, comptée une fois : dans la première vague ou campagne qui l’a retenue, et dans le "
        "bras de ce premier tirage. Une régularisation dans l’une de ses fenêtres suffit pour qu’elle soit comptée."
    ),
    "INTERVAL": "Intervalle de confiance à 95 % : Wilson pour un taux, Newcombe (méthode 10) pour une différence.",
    "EFFECT": (
        "Différence de taux entre les personnes à contacter et les témoins, telles que tirées au sort, quoi qu’il soit "
        "advenu ensuite (intention de traiter), dans la fenêtre de la première appartenance. Sur plusieurs campagnes, "
        "ou quand les parts du tirage ont changé d’une vague à l’autre : différence de Mantel-Haenszel, chacune étant "
        "comparée à ses propres témoins."
    ),
    "NUMBER_NEEDED": (
        "Personnes à contacter pour un résultat de plus (1 / effet) ; non concluant si l’effet peut être nul."
    ),
    "HOLM": "Valeurs p corrigées par la méthode de Holm, parce que plusieurs comparaisons sont faites à la fois.",
    "EUROS": (
        "Les montants mensuels, les rappels et les indus ne s’additionnent jamais entre eux. L’estimation est la "
        "différence de moyenne par personne tirée (les personnes sans montant comptent pour 0), multipliée par le "
        "nombre de personnes à contacter ; sur plusieurs campagnes, la somme de ces produits pour les vagues qui ont "
        "des témoins. Son intervalle est obtenu par rééchantillonnage."
    ),
    "CURVE": "Part cumulée des personnes d’un bras, par nombre de jours depuis la nuit du lancement de leur vague.",
    "REACH": "Adresses d’après le fichier d’aujourd’hui ; contacts d’après le registre des envois et des appels.",
}
NO_CONTROL = (
    "Sans témoins, ce taux est un taux observé, pas un effet : une partie de ces personnes aurait fait la démarche "
    "sans être contactée."
)


@dataclass(frozen=True)
class Rate:
    """``count`` people of ``denominator``; a count of None is not known, and is not 0."""

    count: int | None
    denominator: int
    value: float | None
    interval: Interval | None

    @property
    def text(self) -> str:
        if self.count is None:
            return figures.UNKNOWN
        counts = f"{figures.write_count(self.count)} sur {figures.write_count(self.denominator)}"
        return counts if self.value is None else f"{counts} ({figures.write_rate(self.value)})"

    @property
    def rate_text(self) -> str:
        return figures.write_rate(self.value)

    @property
    def interval_text(self) -> str:
        return figures.write_rate_interval(self.interval) if self.interval else ""


def rate_of(count: int | None, denominator: int) -> Rate:
    if count is None or not denominator:
        return Rate(count, denominator, None, None)
    sample = Sample(count, denominator)
    return Rate(count, denominator, sample.rate, wilson(sample))


def share_of(count: int, denominator: int) -> Rate:
    """A share that the campaign itself decided (who is kept, who is drawn): exact, so without an interval."""
    return Rate(count, denominator, count / denominator if denominator else None, None)


@dataclass(frozen=True)
class Line:
    """A step of the funnel, or a reason of exclusion: people, and the share they are of the step they come from."""

    code: str
    label: str
    rate: Rate
    definition: str = ""


@dataclass(frozen=True)
class Arm:
    """What became of the people drawn in an arm, whatever was delivered to them."""

    code: str
    label: str
    is_control: bool
    size: int
    contacted: Rate
    delivered: Rate
    consulted: Rate
    filed: Rate
    settled: Rate
    # Observed among people contacted: comparable with published figures, never an effect.
    consulted_of_contacted: Rate
    filed_of_contacted: Rate
    settled_of_contacted: Rate


@dataclass(frozen=True)
class Stratum:
    """One campaign of a programme, compared with its own témoins."""

    label: str
    treated: Rate
    control: Rate
    difference: float
    interval: Interval | None


@dataclass(frozen=True)
class Effect:
    """Contact arms against témoins, for one stage."""

    stage: str
    label: str
    treated: Rate
    control: Rate
    difference: float
    interval: Interval | None
    p_value: float | None
    number_needed: NumberNeeded
    method: str
    strata: tuple[Stratum, ...]
    p_heterogeneity: float | None
    text: str


@dataclass(frozen=True)
class Comparison:
    """Two arms compared on the principal stage; ``p_adjusted`` after Holm over all the comparisons shown."""

    first: str
    second: str
    difference: float
    interval: Interval | None
    p_value: float | None
    p_adjusted: float | None
    text: str


@dataclass(frozen=True)
class Euros:
    """Amounts of one nature, of the people to contact. Never added to another nature."""

    nature: str
    label: str
    receiver_count: int
    mean: float | None
    median: float | None
    total: float | None
    difference_per_person: float | None
    difference_interval: Interval | None
    estimate: float | None
    estimate_interval: Interval | None
    text: str


@dataclass(frozen=True)
class Cost:
    sms_segment_count: int
    sms_segment_price: float
    sms_euros: float
    call_count: int
    call_minutes: int
    text: str


@dataclass(frozen=True)
class Reach:
    """Contactability by one channel, in people to contact."""

    channel: str
    label: str
    addressable: Rate
    planned_count: int
    contacted: Rate
    delivered: Rate
    failed_count: int
    uncertain_count: int
    suppressed_count: int
    answered_count: int
    wrong_number_count: int | None


@dataclass(frozen=True)
class Point:
    day: int
    count: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """People of an arm who reached the principal stage, cumulated by day since the launch of their wave."""

    arm: str
    label: str
    size: int
    points: tuple[Point, ...]
    median_days: float | None


@dataclass(frozen=True)
class Territory:
    code: str
    name: str
    treated: Rate
    control: Rate


@dataclass(frozen=True)
class CampaignLine:
    """A campaign of the bilan, with the people counted under it."""

    pk: int
    name: str
    launched_on: date | None
    closes_on: date | None
    window_days: int
    targeted: int
    retained: int
    settled: int | None


@dataclass(frozen=True)
class Period:
    launched_on: date | None
    closes_on: date | None
    data_as_of: date | None
    is_provisional: bool
    text: str


@dataclass(frozen=True)
class Bilan:
    """The evaluation of one campaign, or of a programme. Every figure comes from rows."""

    scope: str  # CAMPAGNE or PROGRAMME
    name: str
    code: str
    campaigns: tuple[CampaignLine, ...]
    period: Period
    funnel: tuple[Line, ...]
    exclusions: tuple[Line, ...]
    arms: tuple[Arm, ...]
    principal_stage: str
    effects: tuple[Effect, ...]
    effect_text: str
    comparisons: tuple[Comparison, ...]
    euros: tuple[Euros, ...]
    cost: Cost
    reach: tuple[Reach, ...]
    curves: tuple[Curve, ...]
    territories: tuple[Territory, ...]
    shared_count: int
    override_count: int  # people kept although the delay of a sensitive theme had not passed
    sentence: str
    notes: tuple[str, ...]
    definitions: dict[str, str]
    definitions_version: int
    attribution_version: int

    def line(self, code: str) -> Line:
        return next(line for line in self.funnel if line.code == code)


def as_json(value: Any) -> Any:
    """Plain values in a stable order: exact figures, and the French words of those that have some."""
    if is_dataclass(value):
        plain = {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
        properties = [name for name, member in vars(type(value)).items() if isinstance(member, property)]
        return plain | {name: getattr(value, name) for name in properties if name.endswith("text")}
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | datetime):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
