"""A contact on its way out: claimed, then written, then decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from outreach.channels.ports import Gateway, OutgoingMessage


@dataclass(frozen=True)
class Claimed:
    id: int
    campaign_id: int
    step_id: int
    allocataire_id: int
    destination: str
    destination_hash: str
    refusals: Sequence[str]  # codes of the attempts that were refused, first to last
    other_attempts: int
    crashes: int  # claims that ended with their worker
    person: Mapping[str, Any]  # ``texts.PERSON_COLUMNS``


@dataclass(frozen=True)
class Draft:
    """A contact whose text is written. Its attempt exists once the intent is committed under that identifier."""

    claimed: Claimed
    attempt_uuid: UUID
    subject: str
    body: str
    segments: int


@dataclass(frozen=True)
class Intent:
    """A contact that nothing stops: committed, it is for its operator alone."""

    claimed: Claimed
    message: OutgoingMessage
    segments: int
    gateway: Gateway
