"""The contact hours of this installation and the territory of a person: what the pure calendar needs to be asked."""

from zoneinfo import ZoneInfo

from django.conf import settings

from campaigns.rules.calendar import Hours, Territory, parse_hours, territory_of


def contact_hours(channel: str) -> Hours:
    return parse_hours(settings.CONTACT_HOURS[channel])


def territory_of_commune(code: str | None) -> Territory:
    """Where a person lives; the Caf's own zone when her commune is not known."""
    return territory_of(code) if code else Territory(ZoneInfo(settings.TIME_ZONE), None)
