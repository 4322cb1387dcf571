"""The texts of a campaign being typed: previewed at each pause, made plain and back by a button; nothing is kept."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from campaigns.admin.pages import find_row, require_permission
from campaigns.admin.step_preview import describe_text
from campaigns.enums import Channel
from campaigns.models import Campaign, Step
from campaigns.rules.messages import LONGEST_TEXT, simplify_text

SIMPLIFY, RESTORE = "simplify", "restore"
MOST_AT_ONCE = 5  # texts of one answer: the others follow with the next one


@dataclass(frozen=True)
class TypedText:
    """A text as it stands in the page. ``former``: what it was before a button changed it, if one did."""

    prefix: str
    channel: str
    subject: str
    body: str
    former: str = ""

    @property
    def simpler(self) -> str:
        is_sms = self.channel == Channel.SMS and len(self.body) <= LONGEST_TEXT
        return simplify_text(self.body) if is_sms else self.body

    @property
    def digest(self) -> str:
        """Says whether the page shows this text already."""
        typed = "\0".join([self.channel, self.subject, self.body, self.former])
        return hashlib.sha256(typed.encode()).hexdigest()[:16]

    def changed_by(self, button: str) -> "TypedText":
        """After a button: the former text is always within reach."""
        body = self.simpler if button == SIMPLIFY else self.former or self.body
        return self if body == self.body else replace(self, body=body, former=self.body)

    def describe(self, address: str, *, focus: str = "") -> dict[str, Any]:
        """What its preview shows. ``address``: where its buttons lead; ``focus``: the button to go to."""
        shown = describe_text(self.channel, self.subject, self.body) if self.body or self.subject else {}
        simpler = self.simpler
        count = [shown.get("least"), shown.get("most"), len(shown.get("problems", []))]
        return {
            "typed": self,
            "address": address,
            "focus": focus,
            "said": "-".join(map(str, count)),
            "may_simplify": simpler != self.body,
            "may_restore": self.former not in {"", self.body, simpler},
            **shown,
        }


class PreviewWidget(forms.Widget):
    """Shows how the text of its form reads; nothing is typed in it."""

    form: "StepForm"

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        step = self.form.instance
        address = reverse("admin:campaign_texts", args=[step.campaign_id]) if step.campaign_id else ""
        context = {"step": step, **self.form.read_typed().describe(address)}
        return render_to_string("campaigns/step_preview.html", context)

    def id_for_label(self, id_: str | None) -> str:
        return ""


class PlainTextField(forms.CharField):
    """Lines end as they are stored and sent: a browser posts two characters where an SMS would pay for both."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


class StepForm(forms.ModelForm):
    """A step whose text is previewed below it."""

    preview = forms.Field(label="Aperçu", required=False, disabled=True, widget=PreviewWidget)

    class Meta:
        model = Step
        fields = ["channel", "subject", "body"]
        field_classes = {"body": PlainTextField}
        widgets = {"body": forms.Textarea(attrs={"rows": 5, "cols": 60})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["preview"].widget.form = self

    def read_typed(self) -> TypedText:
        """As it would be kept: spaces around a text are not."""
        subject, body = (self.fields[name].to_python(self[name].value()) or "" for name in ("subject", "body"))
        former = self.data.get(self.add_prefix("former"), "")[:LONGEST_TEXT].replace("\r\n", "\n")
        channel = self["channel"].value()
        return TypedText(self.prefix or "", channel if channel in Channel.values else "", subject, body, former)


@require_POST
def preview_texts(request: HttpRequest, object_id: int) -> HttpResponse:
    """The previews that typing has made untrue, and the texts that a button has changed."""
    require_permission(request, "campaigns.change_campaign")
    campaign = find_row(Campaign.objects.all(), object_id)
    if not campaign.is_editable:
        return render(request, "campaigns/step_texts_refused.html", {"campaign": campaign}, status=409)
    answers = list(islice(_answer_each(request), MOST_AT_ONCE))
    if not answers:
        return HttpResponse(status=204)
    return render(request, "campaigns/step_texts.html", {"answers": answers})


def _answer_each(request: HttpRequest) -> Iterator[dict[str, Any]]:
    """What changes in the page, text by text; nothing for those shown already."""
    data = request.POST
    for prefix in _find_prefixes(data):
        typed = StepForm(data, prefix=prefix).read_typed()
        button = next((name for name in (SIMPLIFY, RESTORE) if f"{prefix}-{name}" in data), "")
        after = typed.changed_by(button) if button else typed
        if not button and data.get(f"{prefix}-shown") == after.digest:
            continue
        focus = {SIMPLIFY: RESTORE, RESTORE: SIMPLIFY}.get(button, "")
        shown = after.describe(request.path, focus=focus)
        is_said = data.get(f"{prefix}-said") == shown["said"]
        yield {
            "prefix": prefix,
            "input": "" if after.body == typed.body else _draw_input(after),
            "count": None if is_said else render_to_string("campaigns/step_count.html", shown),
            "text": render_to_string("campaigns/step_text.html", shown),
        }


def _draw_input(typed: TypedText) -> SafeString:
    """The text as the page's own form draws it, to take the place of what was typed."""
    form = StepForm(initial={"body": typed.body}, prefix=typed.prefix, use_required_attribute=False)
    return form["body"].as_widget(attrs={"hx-swap-oob": "true"})


def _find_prefixes(data: QueryDict) -> list[str]:
    """« steps-0 », « steps-1 »… of what was posted; that of the empty form is not a number."""
    return [found[1] for name in data if (found := re.fullmatch(r"(steps-\d{1,3})-body", name))]
