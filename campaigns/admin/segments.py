"""Segments: built by rows, counted while they are built, explained in French before they are kept."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django_htmx.http import trigger_client_event

from campaigns.admin.pages import GuardedAdmin, colleague, crumb, render_page
from campaigns.admin.segment_builder import Draft, asks_for_the_same_inputs, open_draft, read_draft
from campaigns.admin.segment_evolution import build_evolution
from campaigns.admin.segment_results import doubt_size, preview_criteria, preview_draft, show_preview, show_results
from campaigns.criteria_users import find_users_of_segment
from campaigns.known_criteria import load_catalogue
from campaigns.models import Plan, Segment
from campaigns.rules.criteria import InvalidCriteria, is_sensitive
from campaigns.rules.criteria_catalogue import Catalogue
from campaigns.segment_keeping import keep_segment
from campaigns.segments import explain_criteria

SENSITIVE = "Un critère est sensible : écrivez pourquoi il est nécessaire."


class SegmentForm(forms.ModelForm):
    """What surrounds the criteria."""

    class Meta:
        model = Segment
        fields = ["name", "description", "justification"]
        widgets = {
            "description": forms.Textarea(attrs={"rows": 2}),
            "justification": forms.Textarea(attrs={"rows": 2}),
        }
        error_messages = {"name": {"unique": "Un autre segment s’appelle déjà ainsi : choisissez un autre nom."}}


@admin.register(Segment)
class SegmentAdmin(GuardedAdmin):
    list_display = ["name", "description", "updated_at"]
    actions = None  # a removal is decided on its own page, where what uses the segment is known
    search_fields = ["name", "description"]

    def has_delete_permission(self, request: HttpRequest, obj: Segment | None = None) -> bool:
        """Asked again by Django for each row that a removal takes: what is used stays."""
        return super().has_delete_permission(request, obj) and not (obj and find_users_of_segment(obj))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        segment = self.get_object(request, object_id) if super().has_delete_permission(request) else None
        if segment and (users := find_users_of_segment(segment)):
            messages.error(
                request, f"« {segment.name} » ne peut pas être supprimé. Ce qui s’en sert : {', '.join(users)}."
            )
            return redirect("admin:campaigns_segment_change", segment.pk)
        return super().delete_view(request, object_id, extra_context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("apercu/", view(show_preview), name="segment_preview"),
            path("<int:object_id>/apercu/", view(show_results), name="segment_results"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context: dict[str, Any] = {"add_label": "Nouveau segment", "empty_title": "Aucun segment"}
        context["empty_text"] = "Décrivez un public : le nombre de personnes s’affiche à mesure que vous écrivez."
        if request.user.has_perm("campaigns.add_segment"):
            context |= {"empty_url": reverse("admin:campaigns_segment_add"), "empty_action": "Nouveau segment"}
        return super().changelist_view(request, context | (extra_context or {}))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The builder, for a new segment or a kept one; only the results for those who may not change it."""
        segment = self._find(request, object_id)
        if not self._may_write(request, segment):
            return self._show(request, segment)
        catalogue = load_catalogue(writing=segment)
        if request.method != "POST":
            draft = open_draft(segment.criteria if segment else None, catalogue)
            return self._render(request, segment, SegmentForm(instance=segment), draft, catalogue)
        draft = read_draft(request.POST, catalogue)
        if request.htmx:  # type: ignore[attr-defined]
            if asks_for_the_same_inputs(request.POST, request.htmx.trigger or "", catalogue):  # type: ignore[attr-defined]
                return HttpResponse(status=204)
            page = render(request, "segments/criteria.html", draft.describe(catalogue, with_problems=False))
            # A select that changed is heard by the results already; a button is not.
            return trigger_client_event(page, "criteria-changed", after="settle") if draft.moved else page
        return self._answer(request, segment, draft, catalogue)

    def _find(self, request: HttpRequest, object_id: str | None) -> Segment | None:
        allowed = self.has_view_or_change_permission(request) if object_id else self.has_add_permission(request)
        if not allowed:
            raise PermissionDenied
        segment = self.get_object(request, object_id) if object_id else None
        if object_id and segment is None:
            raise Http404
        return segment

    def _may_write(self, request: HttpRequest, segment: Segment | None) -> bool:
        return self.has_change_permission(request, segment) if segment else self.has_add_permission(request)

    def _answer(
        self, request: HttpRequest, segment: Segment | None, draft: Draft, catalogue: Catalogue
    ) -> HttpResponse:
        """After a button of the page, without JavaScript or to keep the segment."""
        form = SegmentForm(request.POST, instance=segment)
        if draft.moved:
            return self._render(request, segment, _unchecked(form, segment), draft, catalogue)
        if "_preview" in request.POST:
            results = preview_draft(request, draft, catalogue)
            return self._render(request, segment, _unchecked(form, segment), draft, catalogue, **results)
        is_valid = form.is_valid()
        if not draft.problems and is_sensitive(draft.tree, catalogue) and not form.cleaned_data.get("justification"):
            form.add_error("justification", SENSITIVE)
            is_valid = False
        if not is_valid or draft.problems:
            return self._render(request, segment, form, draft, catalogue, show_problems=True)
        doubt = "" if "confirm" in request.POST else doubt_size(draft.tree)
        if doubt:
            return self._render(request, segment, form, draft, catalogue, doubt=doubt)
        try:
            return self._keep(request, form, draft)
        except InvalidCriteria as changed:  # another segment was, since these were checked
            form.add_error(None, " ".join(changed.errors))
            return self._render(request, segment, form, draft, catalogue)

    def _keep(self, request: HttpRequest, form: SegmentForm, draft: Draft) -> HttpResponse:
        is_new = form.instance.pk is None
        segment = form.save(commit=False)
        segment.criteria = draft.tree
        if is_new:
            segment.created_by = colleague(request)
        keep_segment(segment=segment)
        log = self.log_addition if is_new else self.log_change
        log(request, segment, "Critères et description")
        messages.success(request, f"Segment « {segment.name} » enregistré.")
        return redirect("admin:campaigns_segment_change", segment.pk)

    def _render(
        self,
        request: HttpRequest,
        segment: Segment | None,
        form: SegmentForm,
        draft: Draft,
        catalogue: Catalogue,
        *,
        show_problems: bool = False,
        doubt: str = "",
        **results: Any,
    ) -> HttpResponse:
        context = draft.describe(catalogue, with_problems=show_problems or bool(results))
        plan = request.POST.get("plan", "")
        return render_page(
            request,
            "segments/builder.html",
            title=segment.name if segment else "Nouveau segment",
            crumbs=[crumb("Segments", "campaigns_segment_changelist")],
            segment=segment,
            form=form,
            plans=Plan.objects.order_by("name"),
            chosen_plan=int(plan) if plan.isdecimal() else None,
            may_delete=segment is not None and super().has_delete_permission(request, segment),
            has_results=bool(results),
            show_problems=show_problems,
            doubt=doubt,
            evolution=build_evolution(segment) if segment else None,
            **context,
            **results,
        )

    def _show(self, request: HttpRequest, segment: Segment | None) -> HttpResponse:
        assert segment is not None  # whoever may not add was refused  # noqa: S101
        try:
            sentence, errors = explain_criteria(segment.criteria), list[str]()
        except InvalidCriteria as problem:
            sentence, errors = "", problem.errors
        results = preview_criteria(request, segment.criteria) if request.method == "POST" and not errors else {}
        return render_page(
            request,
            "segments/detail.html",
            title=segment.name,
            crumbs=[crumb("Segments", "campaigns_segment_changelist")],
            segment=segment,
            sentence=sentence,
            errors=errors,
            evolution=build_evolution(segment),
            has_results=bool(results),
            **results,
        )


def _unchecked(form: SegmentForm, segment: Segment | None) -> SegmentForm:
    """What was typed, without its errors: nothing was asked to be kept."""
    return SegmentForm(initial={name: form.data.get(name, "") for name in form.fields}, instance=segment)
