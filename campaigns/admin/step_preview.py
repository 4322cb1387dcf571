"""How a step's text would read, its length, and what keeps it from being sent."""

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from campaigns.enums import Channel
from campaigns.models import Allocataire
from campaigns.models.plan import StepFields
from campaigns.rules.messages import (
    InvalidText,
    MissingValue,
    advise_text,
    check_text,
    render,
    sample_values,
    sms_parts,
)


def say_when(step: StepFields) -> str:
    """« lancement », « lancement + 3 jours », « DTR attendue le − 10 jours »."""
    labels = {field.name: str(field.verbose_name) for field in Allocataire._meta.fields}
    anchor = labels.get(step.anchor, step.anchor) if step.anchor else "lancement"
    if not step.offset_days:
        return anchor
    days = abs(step.offset_days)
    return f"{anchor} {'+' if step.offset_days > 0 else '−'} {days} jour{'s' if days > 1 else ''}"


def preview_step(step: StepFields) -> SafeString:
    """The text with example values, its SMS segments, its problems and advice."""
    try:
        text = render(step.body, sample_values())
    except (InvalidText, MissingValue):
        text = step.body
    context = {
        "step": step,
        "text": text,
        "parts": sms_parts(text) if step.channel == Channel.SMS else None,
        "problems": check_text(step.channel, step.subject, step.body),
        "advice": advise_text(step.channel, step.body),
    }
    return render_to_string("campaigns/step_preview.html", context)
