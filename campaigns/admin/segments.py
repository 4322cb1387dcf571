"""Segments: written as a criteria tree, checked before they are kept, explained in French, counted and broken down."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from campaigns.admin.charts import build_bar_chart, french_number
from campaigns.admin.masking import mask_matricule
from campaigns.admin.pages import GuardedAdmin, colleague, crumb
from campaigns.models import Segment, read_now
from campaigns.rules.criteria import InvalidCriteria, check, is_sensitive
from campaigns.rules.criteria_catalogue import OPERATOR_LABELS, OPERATORS
from campaigns.segments import break_down, count_matching, explain_criteria, load_catalogue, matching

MAX_EXAMPLES = 10
EXAMPLE = """{"all": [
  {"field": "family_situation", "op": "eq", "value": "VIE_MARITALE"},
  {"field": "age", "op": "lte", "value": 30},
  {"field": "children_count", "op": "gte", "value": 1}
]}"""


class CriteriaField(forms.JSONField):
    """A tree of criteria; every problem is said, each with its place."""

    def prepare_value(self, value: Any) -> Any:
        """Indented, so that a tree is read as a tree."""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)

    def validate(self, value: Any) -> None:
        super().validate(value)
        errors = check(value, load_catalogue())
        if errors:
            raise forms.ValidationError(errors)


class SegmentForm(forms.ModelForm):
    criteria = CriteriaField(
        label="Critères",
        widget=forms.Textarea(attrs={"rows": 14, "cols": 80, "class": "av-code", "spellcheck": "false"}),
        help_text="Un arbre : « all » (tous), « any » (au moins un), « not » (sauf), puis des critères.",
        error_messages={
            "invalid": "Ce texte n’est pas du JSON : vérifiez les accolades, les virgules et les guillemets."
        },
    )

    class Meta:
        model = Segment
        fields = ["name", "description", "criteria", "justification"]
        widgets = {
            "description": forms.Textarea(attrs={"rows": 3}),
            "justification": forms.Textarea(attrs={"rows": 3}),
        }

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        criteria = values.get("criteria")
        if criteria and is_sensitive(criteria, load_catalogue()) and not values.get("justification"):
            self.add_error("justification", "Un critère est sensible : écrivez pourquoi il est nécessaire.")
        return values


@admin.register(Segment)
class SegmentAdmin(GuardedAdmin):
    form = SegmentForm
    list_display = ["name", "description", "updated_at"]
    search_fields = ["name", "description"]
    change_form_template = "segments/change_form.html"

    def has_delete_permission(self, request: HttpRequest, obj: Segment | None = None) -> bool:
        used = obj is not None and obj.campaigns.exists()
        return super().has_delete_permission(request, obj) and not used

    def save_model(self, request: HttpRequest, obj: Segment, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = colleague(request)
        super().save_model(request, obj, form, change)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context: dict[str, Any] = {
            "show_save_and_add_another": False,
            "example": EXAMPLE,
            "fields_help": describe_fields(),
        }
        context["crumbs"] = [crumb("Segments", "campaigns_segment_changelist")]
        segment = self.get_object(request, object_id) if object_id else None
        if segment:
            context |= read_segment(segment, may_see_people=request.user.has_perm("campaigns.view_allocataire"))
        return super().changeform_view(request, object_id, form_url, context | (extra_context or {}))


def describe_fields() -> list[dict[str, Any]]:
    """The catalogue as help: code, label, operators, choices."""
    fields = load_catalogue().fields.values()
    return [
        {
            "code": field.code,
            "label": field.label,
            "operators": ", ".join(f"{op} ({OPERATOR_LABELS.get(op, op)})" for op in OPERATORS[field.type]),
            "choices": ", ".join(f"{code} ({label})" for code, label in field.choices[:20]),
        }
        for field in fields
    ]


def read_segment(segment: Segment, *, may_see_people: bool) -> dict[str, Any]:
    """The French sentence, the count, its breakdown and a few masked examples; or why there are none."""
    today = timezone.localdate(read_now())
    try:
        count = count_matching(segment.criteria, today=today)
        charts = [build_bar_chart(cut.title, cut.rows) for cut in break_down(segment.criteria, today=today)]
        examples = matching(segment.criteria, today=today).select_related("commune__epci")[:MAX_EXAMPLES]
        sentence = explain_criteria(segment.criteria)
    except InvalidCriteria as problem:
        return {"segment_errors": problem.errors}
    rows = [(mask_matricule(person.matricule), person) for person in examples] if may_see_people else []
    return {
        "segment": segment,
        "sentence": sentence,
        "count": french_number(count),
        "charts": [chart for chart in charts if chart.bars],
        "examples": rows,
        "today": None,
    }
