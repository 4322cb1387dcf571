"""By which channels a campaign reaches people, arm by arm, and in which stratum a person is drawn."""

from collections.abc import Iterable
from datetime import date

from campaigns.enums import Channel
from campaigns.rules.draw import SEPARATOR

# Upper bounds (excluded) of the age bands in which the draw is balanced; those of the Caf's published tables.
AGE_BANDS = ((25, "moins de 25 ans"), (30, "25-29 ans"), (40, "30-39 ans"), (50, "40-49 ans"), (60, "50-59 ans"))
OLDEST_BAND = "60 ans et plus"
UNKNOWN_AGE = "âge inconnu"
UNKNOWN_EPCI = "hors EPCI"


def arm_channels(arms: Iterable[str], steps: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Arm → channels of its steps. ``steps``: (arm, channel), an empty arm meaning every contact arm."""
    pairs = list(steps)
    return {arm: frozenset(channel for named, channel in pairs if named in ("", arm)) for arm in arms}


def usable_channels(
    *, mobile: str, sms_allowed: bool, email: str, email_allowed: bool, landline: str, call_allowed: bool
) -> frozenset[str]:
    """Channels for which the person gave an address and her permission."""
    usable = set()
    if mobile and sms_allowed:
        usable.add(Channel.SMS.value)
    if email and email_allowed:
        usable.add(Channel.EMAIL.value)
    if call_allowed and (mobile or landline):
        usable.add(Channel.CALL.value)
    return frozenset(usable)


def is_reachable(open_channels: frozenset[str], channels_by_arm: Iterable[frozenset[str]]) -> bool:
    """Every arm has a channel for her: otherwise the draw would compare people who are not comparable."""
    return all(open_channels & channels for channels in channels_by_arm)


def age_band(born_on: date | None, on: date) -> str:
    if born_on is None:
        return UNKNOWN_AGE
    age = on.year - born_on.year - ((on.month, on.day) < (born_on.month, born_on.day))
    return next((label for bound, label in AGE_BANDS if age < bound), OLDEST_BAND)


def age_band_labels() -> list[str]:
    """The bands of known ages, from the youngest."""
    return [*(label for _, label in AGE_BANDS), OLDEST_BAND]


def stratum_of(epci: str | None, born_on: date | None, open_channels: Iterable[str], on: date) -> str:
    """EPCI × age band × reach, as stored on the member. At most 60 characters."""
    return SEPARATOR.join((epci or UNKNOWN_EPCI, age_band(born_on, on), "+".join(sorted(open_channels))))
