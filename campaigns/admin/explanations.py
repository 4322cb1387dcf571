"""« Pourquoi elle ? »: for one person, a segment, a campaign or a night, answered and written in the access log."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from campaigns.admin.campaign_forms import DayInput
from campaigns.admin.masking import mask_matricule
from campaigns.admin.pages import colleague, crumb, find_row, render_page, require_permission
from campaigns.explanations import explain_campaign, explain_night, explain_segment
from campaigns.models import AccessLog, Allocataire, Campaign, Segment, read_now
from campaigns.rules.criteria import InvalidCriteria


class QuestionForm(forms.Form):
    """One question at a time."""

    segment = forms.ModelChoiceField(
        label="Un segment", queryset=Segment.objects.all(), required=False, empty_label="Choisissez un segment"
    )
    campaign = forms.ModelChoiceField(
        label="Ou une campagne",
        queryset=Campaign.objects.select_related("plan", "segment"),
        required=False,
        empty_label="Choisissez une campagne",
    )
    night_on = forms.DateField(label="Ou une nuit", required=False, widget=DayInput())

    def clean(self) -> dict[str, Any]:
        asked = [name for name in self.fields if self.cleaned_data.get(name)]
        if not asked and not self.errors:
            raise ValidationError("Choisissez un segment, une campagne ou une nuit.")
        if len(asked) > 1:
            raise ValidationError("Une question à la fois : un segment, une campagne ou une nuit.")
        return self.cleaned_data


def explain_person(request: HttpRequest, object_id: int) -> HttpResponse:
    """Answer for one person, named by her opaque number. Read by whoever may open her page; every answer is logged."""
    require_permission(request, "campaigns.view_allocataire")
    person = find_row(Allocataire.objects.select_related("commune"), object_id)
    form = QuestionForm(request.GET or None)
    answer = _answer(request, person, form.cleaned_data) if form.is_valid() else {}
    masked = mask_matricule(person.matricule)
    crumbs = [
        crumb("Allocataires", "campaigns_allocataire_changelist"),
        crumb(f"Allocataire {masked}", "campaigns_allocataire_change", person.pk),
    ]
    context: dict[str, Any] = {"question": "", "verdict": None, "answers": None, "criteria_errors": None} | answer
    return render_page(
        request, "explanations/detail.html", title="Pourquoi elle ?", crumbs=crumbs, person=person, form=form, **context
    )


def _answer(request: HttpRequest, person: Allocataire, asked: dict[str, Any]) -> dict[str, Any]:
    now = read_now()
    segment, campaign, night_on = asked["segment"], asked["campaign"], asked["night_on"]
    try:
        if segment:
            _log(request, person, f"segment n° {segment.pk}")
            today = timezone.localdate(now)
            verdict = explain_segment(allocataire=person, criteria=segment.criteria, today=today)
            return {"question": f"Segment « {segment.name} »", "verdict": verdict}
        if campaign:
            _log(request, person, f"campagne n° {campaign.pk}")
            found = explain_campaign(allocataire=person, campaign=campaign, now=now)
            return {"question": f"Campagne « {campaign.name} »", "answers": [found]}
        if night_on:
            _log(request, person, f"nuit du {night_on:%d/%m/%Y}")
            waves = explain_night(allocataire=person, night_on=night_on)
            return {"question": f"Nuit du {night_on:%d/%m/%Y}", "answers": waves}
    except InvalidCriteria as problem:
        return {"criteria_errors": problem.errors}
    return {}


def _log(request: HttpRequest, person: Allocataire, about: str) -> None:
    AccessLog.objects.create(
        by=colleague(request), at=read_now(), action="pourquoi elle", allocataire=person, detail=about
    )
