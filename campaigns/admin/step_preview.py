"""How a step's text would read, its length, and what keeps it from being sent."""

from django.db import models
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from campaigns.enums import Channel
from campaigns.models import Allocataire
from campaigns.models.plan import StepFields, example_values
from campaigns.rules.messages import (
    InvalidText,
    MissingValue,
    advise_text,
    check_text,
    forecast_segments,
    render,
    sms_parts,
)

ANCHORS = {
    StepFields.LAUNCH: "lancement",
    StepFields.AFTER_REPLY: "après une réponse",
    **{f.name: str(f.verbose_name) for f in Allocataire._meta.get_fields() if type(f) is models.DateField},
}


def say_when(step: StepFields) -> str:
    """« lancement », « lancement + 3 jours », « DTR attendue le − 10 jours », « après une réponse »."""
    anchor = ANCHORS.get(step.anchor, step.anchor)
    if not step.offset_days:
        return anchor
    days = abs(step.offset_days)
    return f"{anchor} {'+' if step.offset_days > 0 else '−'} {days} jour{'s' if days > 1 else ''}"


def preview_step(step: StepFields) -> SafeString:
    """The text with example values, its SMS segments, its problems and advice."""
    try:
        text, segments = render(step.body, example_values()), forecast_segments(step.body, example_values())
    except (InvalidText, MissingValue):
        text, segments = step.body, (0, 0)
    context = {
        "step": step,
        "text": text,
        "parts": sms_parts(text) if step.channel == Channel.SMS else None,
        "least": segments[0],
        "most": segments[1],
        "problems": check_text(step.channel, step.subject, step.body),
        "advice": advise_text(step.channel, step.body),
    }
    return render_to_string("campaigns/step_preview.html", context)
