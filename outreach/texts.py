"""The text of one contact: the step's, with what is known of the person."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import DateField

from campaigns.models import Allocataire, Step
from campaigns.rules.messages import InvalidText, MissingValue, render, values_for
from outreach.channels.opt_out import opt_out_url

# All that a text may say of a person, and the dates that a step may refer to.
PERSON_COLUMNS = (
    *("civility", "first_name", "last_name"),
    *(f.attname for f in Allocataire._meta.concrete_fields if type(f) is DateField),
)


def write_text(*, step: Step, person: Mapping[str, Any], attempt_uuid: UUID | None = None) -> tuple[str, str]:
    """Subject and body, always the same for the same attempt. ``person``: ``PERSON_COLUMNS`` of her row.

    A message is that of an attempt, whose opt-out link it may carry; what is said on the phone has none.
    Raises ``MissingValue`` when the text names something that is not known of her.
    """
    anchor_on = person[step.anchor] if step.anchor and not step.answers_a_reply else None
    is_used = "lien_opposition" in step.subject + step.body
    link = opt_out_url(attempt_uuid) if attempt_uuid and is_used else ""
    values = values_for({**person, "anchor_on": anchor_on}, caf=settings.CAF_NAME, lien_opposition=link)
    return render(step.subject, values), render(step.body, values)


def write_script(*, step: Step, person: Mapping[str, Any]) -> str:
    """What is said on the phone; as the step writes it when something is not known of her."""
    try:
        return write_text(step=step, person=person)[1]
    except (MissingValue, InvalidText):
        return step.body
