"""What a bilan is computed from: counts of people, as the database gives them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from campaigns.enums import CONTROL_ARM, OutcomeStage

STAGES = (OutcomeStage.CONSULTED.value, OutcomeStage.FILED.value, OutcomeStage.SETTLED.value)


@dataclass(frozen=True)
class Group:
    """People counted under one campaign (their first), drawn with the same shares, with the same exclusion or arm."""

    campaign: int
    draw: str
    exclusion: str
    arm: str
    people: int
    attributed: int
    contacted: int
    delivered: int
    consulted: int
    filed: int
    settled: int
    contacted_consulted: int
    contacted_filed: int
    contacted_settled: int
    first_consulted: int
    first_filed: int
    first_settled: int
    shared: int

    @property
    def is_retained(self) -> bool:
        return not self.exclusion

    @property
    def is_control(self) -> bool:
        return self.arm == CONTROL_ARM

    def did(self, stage: str) -> int:
        """People who reached ``stage`` in any of their windows."""
        return {STAGES[0]: self.consulted, STAGES[1]: self.filed, STAGES[2]: self.settled}[stage]

    def did_first(self, stage: str) -> int:
        """People who reached ``stage`` in the window of their first membership: what effects are measured on."""
        return {STAGES[0]: self.first_consulted, STAGES[1]: self.first_filed, STAGES[2]: self.first_settled}[stage]

    def did_contacted(self, stage: str) -> int:
        return {
            STAGES[0]: self.contacted_consulted,
            STAGES[1]: self.contacted_filed,
            STAGES[2]: self.contacted_settled,
        }[stage]


@dataclass(frozen=True)
class Days:
    arm: str
    day: int
    people: int


@dataclass(frozen=True)
class Place:
    code: str
    name: str
    is_control: bool
    people: int
    done: int


@dataclass(frozen=True)
class Amount:
    """Euros of a person; ``first``: in the window of her first membership."""

    campaign: int
    draw: str
    nature: str
    arm: str
    value: float
    first: float | None


@dataclass(frozen=True)
class Address:
    sms: int
    email: int
    call: int


@dataclass(frozen=True)
class TouchCount:
    channel: str
    planned: int
    contacted: int
    delivered: int
    failed: int
    uncertain: int
    suppressed: int
    answered: int
    wrong_number: int


@dataclass(frozen=True)
class Spent:
    segments: int
    calls: int
    minutes: int


@dataclass(frozen=True)
class Wave:
    """Nights of the first and last waves of a campaign; people kept in spite of the delay of a sensitive theme."""

    first_on: date
    last_on: date
    override_count: int


@dataclass(frozen=True)
class Feed:
    """A kind of régularisation that a campaign expects, and up to which day it is known (None: never received)."""

    campaign: int
    kind: str
    label: str
    stage: str
    nature: str
    as_of: date | None


@dataclass(frozen=True)
class CampaignFacts:
    pk: int
    name: str
    window_days: int
    arms: Mapping[str, str]  # code → label, in the order of the campaign
    wave: Wave | None
    feeds: tuple[Feed, ...]
    groups: tuple[Group, ...]

    @property
    def closes_on(self) -> date | None:
        return self.wave.last_on + timedelta(days=self.window_days) if self.wave else None

    @property
    def is_attributed(self) -> bool:
        """Results were computed at least once for somebody who is retained."""
        return any(group.attributed for group in self.groups if group.is_retained)

    def knows(self, stage: str) -> bool:
        """``stage`` was expected and its feed received since the launch, so that 0 means nobody and not "unknown"."""
        wave = self.wave
        return self.is_attributed and any(
            feed.stage == stage and feed.as_of is not None and wave is not None and feed.as_of >= wave.first_on
            for feed in self.feeds
        )

    def expects(self, nature: str) -> bool:
        return any(feed.nature == nature for feed in self.feeds)

    @property
    def draws(self) -> list["CampaignFacts"]:
        """The same, once for each set of shares with which its waves were drawn: arms compare within one only."""
        draws = sorted({group.draw for group in self.groups if group.is_retained})
        return [replace(self, groups=tuple(g for g in self.groups if g.draw == draw)) for draw in draws]

    def drawn(self, *, is_control: bool) -> int:
        """People drawn as témoins, or to be contacted."""
        return sum(g.people for g in self.groups if g.is_retained and g.is_control == is_control)


@dataclass(frozen=True)
class Facts:
    """Everything a bilan needs."""

    scope: str
    name: str
    code: str
    campaigns: tuple[CampaignFacts, ...]
    days: tuple[Days, ...]
    places: tuple[Place, ...]
    amounts: tuple[Amount, ...]
    addresses: Address
    touches: tuple[TouchCount, ...]
    spent: Spent
    sms_segment_price: float

    @property
    def arms(self) -> dict[str, str]:
        """Contact arms, code → label, then the codes that people were drawn in but no campaign declares."""
        arms = {code: label for campaign in self.campaigns for code, label in campaign.arms.items()}
        drawn = {g.arm for c in self.campaigns for g in c.groups if g.is_retained and not g.is_control}
        return arms | {code: code for code in sorted(drawn - set(arms))}

    @property
    def has_control(self) -> bool:
        return self.people(lambda g: g.is_retained and g.is_control) > 0

    def people(self, chosen: Callable[[Group], bool], count: Callable[[Group], int] = lambda g: g.people) -> int:
        return sum(count(group) for campaign in self.campaigns for group in campaign.groups if chosen(group))

    def knowing(self, stage: str) -> tuple[CampaignFacts, ...]:
        return tuple(campaign for campaign in self.campaigns if campaign.knows(stage))

    def with_stage(self, *, days: Iterable[Days], places: Iterable[Place]) -> "Facts":
        """The same facts with what is read once the principal stage is known."""
        return replace(self, days=tuple(days), places=tuple(places))

    @property
    def principal_stage(self) -> str:
        """The furthest stage that is known, else the furthest there is."""
        known = [stage for stage in STAGES if self.knowing(stage)]
        return known[-1] if known else STAGES[-1]
