"""How a step's text would read, its length, and what keeps it from being sent."""

from typing import Any

from django.db import models
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from campaigns.enums import Channel
from campaigns.models import Allocataire
from campaigns.models.plan import StepFields, example_values
from campaigns.rules.messages import (
    LONGEST_TEXT,
    InvalidText,
    MissingValue,
    advise_text,
    check_text,
    forecast_segments,
    mark_offending,
    render,
    sms_parts,
    variables_of,
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
    context = {"step": step, **describe_text(step.channel, step.subject, step.body)}
    return render_to_string("campaigns/step_preview.html", context)


def describe_text(channel: str, subject: str, body: str) -> dict[str, Any]:
    """What ``campaigns/step_preview.html`` shows of a text, kept or being typed. ``channel``: empty until chosen."""
    if len(body) > LONGEST_TEXT:
        return {"problems": [f"Le texte fait {len(body)} caractères ; {LONGEST_TEXT} au plus : il n’est plus lu."]}
    problems = check_text(channel, subject, body) if channel else ["Choisissez un canal."]
    values = example_values()
    try:
        text = render(body, values)
    except (InvalidText, MissingValue):
        return {"pieces": [(body, "")], "problems": problems}
    advice = advise_text(channel, body)
    if channel != Channel.SMS:
        return {"pieces": [(text, "")], "problems": problems, "advice": advice}
    least, most = forecast_segments(body, values)
    return {
        "pieces": mark_offending(text),
        "parts": sms_parts(text),
        "least": least,
        "most": most,
        "problems": problems,
        "advice": advice + _blame_values(body, values),
    }


def _blame_values(body: str, values: dict[str, str]) -> list[str]:
    """The variables that make an SMS longer for everybody: no text can do better."""
    found = {name: sms_parts(values[name]).offending for name in sorted(variables_of(body))}
    return [
        f"« {{{{ {name} }}}} » contient « {' '.join(characters)} », qui rallonge ce SMS quel que soit le texte."
        for name, characters in found.items()
        if characters
    ]
