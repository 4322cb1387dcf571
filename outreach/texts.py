"""The text of one contact: the step's, with what is known of the person."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from campaigns.models import Step
from campaigns.rules.messages import render, values_for


def write_text(*, step: Step, person: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and body. ``person``: the columns of her row.

    Raises ``MissingValue`` when the text names something that is not known of her.
    """
    anchor_on = person[step.anchor] if step.anchor else None
    values = values_for({**person, "anchor_on": anchor_on}, caf=settings.CAF_NAME)
    return render(step.subject, values), render(step.body, values)
