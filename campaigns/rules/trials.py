"""Which texts of a campaign nobody has received yet: each is sent to a colleague before it is submitted."""

import hashlib
from collections.abc import Collection, Iterable
from typing import Any, Protocol, TypeVar

from campaigns.enums import Channel
from campaigns.rules.lifecycle import canonical_json

TRIED_CHANNELS = frozenset({Channel.SMS, Channel.EMAIL})


class Text(Protocol):
    label: Any
    channel: Any
    subject: Any
    body: Any


AnyText = TypeVar("AnyText", bound=Text)


def digest_text(text: Text) -> str:
    """SHA-256 (hexadecimal) of what is sent: channel, subject and body as they are written."""
    content = {"channel": text.channel, "subject": text.subject, "body": text.body}
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def list_messages(steps: Iterable[AnyText]) -> list[AnyText]:
    """The steps that are messages: what is said on the phone is not sent to anybody."""
    return [step for step in steps if step.channel in TRIED_CHANNELS]


def find_untried(steps: Iterable[Text], tried: Collection[str]) -> list[str]:
    """One French sentence for each message whose text is not among ``tried`` (digests)."""
    return [
        f"Étape « {step.label} » : personne de l’équipe n’a reçu ce texte. Envoyez-le-vous depuis l’onglet « Essai », "
        "lisez-le, puis soumettez."
        for step in list_messages(steps)
        if digest_text(step) not in tried
    ]
