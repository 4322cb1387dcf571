"""« Nuit du 3 mars »: what each step counted, and what went wrong."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from campaigns.admin.pages import ReadOnlyAdmin, crumb, find_row, render_page, require_permission
from outreach.admin.badges import night_badge
from outreach.models import Night


@admin.register(Night)
class NightAdmin(ReadOnlyAdmin):
    list_display = ["night_name", "state", "problem_count", "tries", "started_at", "finished_at"]
    list_filter = ["status"]

    @admin.display(description="nuit", ordering="on")
    def night_name(self, night: Night) -> str:
        return str(night)

    @admin.display(description="état", ordering="status")
    def state(self, night: Night) -> SafeString:
        return night_badge(night.status).render()

    @admin.display(description="problèmes")
    def problem_count(self, night: Any) -> int:
        return night.problems

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(problems=Count("steps", filter=~Q(steps__problem="")))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "title": "Nuits",
            "page_help": "Chaque nuit trouve les personnes, tire les témoins au sort et prépare les contacts du jour.",
            "empty_title": "Aucune nuit n’a encore tourné",
            "empty_text": "La première tournera à l’heure prévue, ou par la commande « manage.py night ».",
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "outreach.view_night")
        night = find_row(Night.objects.all(), object_id)
        return render_page(
            request,
            "nights/detail.html",
            title=str(night),
            crumbs=[crumb("Réglages", "reglages"), crumb("Nuits", "outreach_night_changelist")],
            night=night,
            badge=night_badge(night.status),
            steps=night.steps.all(),
        )
