from campaigns.admin import (
    accounts,
    allocataires,
    bad_destinations,
    campaigns,
    imported_lists,
    imports,
    plans,
    pressure,
    programmes,
    reference,
    segments,
    trust,
)

__all__ = [
    "accounts",
    "allocataires",
    "bad_destinations",
    "campaigns",
    "imported_lists",
    "imports",
    "plans",
    "pressure",
    "programmes",
    "reference",
    "segments",
    "trust",
]
