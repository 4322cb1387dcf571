"""Plans: read, exported and imported as one file. A plan is data, changed by importing a new version."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from campaigns.admin.badges import Badge
from campaigns.admin.charts import french_percent
from campaigns.admin.pages import ReadOnlyAdmin, crumb, find_row, render_page, require_permission
from campaigns.admin.step_preview import say_when
from campaigns.models import Plan
from campaigns.plan_catalogue import PlanFileRefused, PlanImportReport, export_plans, import_plans
from campaigns.rules.criteria import InvalidCriteria
from campaigns.segments import explain_criteria


class PlanFileForm(forms.Form):
    file = forms.FileField(
        label="Fichier de plans",
        help_text="Un fichier .json exporté d’ici ou reçu d’une autre Caf.",
        widget=forms.FileInput(attrs={"accept": ".json,application/json"}),
    )

    def clean_file(self) -> dict[str, Any]:
        try:
            return json.loads(self.cleaned_data["file"].read().decode("utf-8-sig"))
        except (ValueError, RecursionError):
            raise forms.ValidationError("Ce fichier n’est pas un fichier de plans (JSON en UTF-8).") from None


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    list_display = ["name", "family", "mode", "sensitivity", "version"]
    list_filter = ["family", "mode", "is_sensitive"]
    search_fields = ["name", "code", "purpose"]
    change_list_template = "plans/list.html"

    @admin.display(description="thème sensible", ordering="is_sensitive")
    def sensitivity(self, plan: Plan) -> SafeString | str:
        return Badge("Sensible", "warning", "!").render() if plan.is_sensitive else "—"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("exporter/", view(export_all_plans), name="export_plans"),
            path("importer/", view(import_plan_file), name="import_plans"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "campaigns.view_plan")
        plan = find_row(Plan.objects.prefetch_related("steps", "expected_kinds"), object_id)
        return render_page(
            request,
            "plans/detail.html",
            title=plan.name,
            crumbs=[crumb("Plans", "campaigns_plan_changelist")],
            plan=plan,
            steps=[(step, say_when(step)) for step in plan.steps.all()],
            sentence=_explain(plan),
            control=french_percent(float(plan.control_share)) if plan.control_share else "",
        )


def export_all_plans(request: HttpRequest) -> HttpResponse:
    """Every plan, or the one named by ``?code=``, as one JSON file."""
    require_permission(request, "campaigns.view_plan")
    plans = Plan.objects.all()
    code = request.GET.get("code", "")
    if code:
        plans = plans.filter(pk=get_object_or_404(Plan, code=code).pk)
    response = JsonResponse(export_plans(plans), json_dumps_params={"ensure_ascii": False, "indent": 2})
    response["Content-Disposition"] = f'attachment; filename="{code or "plans"}.json"'
    return response


def import_plan_file(request: HttpRequest) -> HttpResponse:
    """Import one file of plans: all of it or nothing."""
    require_permission(request, "campaigns.add_plan")
    form = PlanFileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            report = import_plans(form.cleaned_data["file"])
        except PlanFileRefused as refusal:
            form.add_error("file", refusal.errors)
        else:
            messages.success(request, _say(report))
            return redirect("admin:campaigns_plan_changelist")
    crumbs = [crumb("Plans", "campaigns_plan_changelist")]
    return render_page(request, "imports/upload.html", title="Importer des plans", form=form, crumbs=crumbs)


def _say(report: PlanImportReport) -> str:
    """« 2 plans créés, 1 modifié, 14 inchangés. »"""
    created, updated, same = len(report.created), len(report.updated), len(report.unchanged)
    return f"Fichier importé : {created} créés, {updated} modifiés, {same} inchangés."


def _explain(plan: Plan) -> str:
    try:
        return explain_criteria(plan.criteria)
    except InvalidCriteria as problem:
        return f"Critères illisibles ici : {problem}"
