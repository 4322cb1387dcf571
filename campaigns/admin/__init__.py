from campaigns.admin import (
    accounts,
    allocataires,
    campaigns,
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
    "campaigns",
    "imports",
    "plans",
    "pressure",
    "programmes",
    "reference",
    "segments",
    "trust",
]
