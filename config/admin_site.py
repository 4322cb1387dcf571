"""The one admin site: Django's own, in French, with a navigation by task."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from campaigns.models import read_now
from config.navigation import build_navigation


class AllerVersAdminSite(AdminSite):
    """Django's admin whose home says what needs one today."""

    site_header = "Aller-vers"
    site_title = "Aller-vers"
    index_title = "Aujourd’hui"
    index_template = "admin/today.html"
    enable_nav_sidebar = False
    site_url = None
    empty_value_display = "—"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page shows: navigation, who one is, the demo's date, and what is stopped."""
        context = super().each_context(request) | {"caf_name": settings.CAF_NAME, "is_demo": settings.DEMO}
        if settings.DEMO:
            context["app_now"] = read_now()
        if not self.has_permission(request):
            return context
        from outreach.models import Pause

        return context | {
            "navigation": build_navigation(request),
            "pauses": Pause.objects.filter(is_paused=True),
            "role_names": ", ".join(request.user.groups.values_list("name", flat=True)),
        }

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from config import pages
        from outreach.admin.email_pages import show_email
        from outreach.admin.pending_page import open_fence, show_pending
        from outreach.admin.timelines import show_timeline

        views: list[tuple[str, Callable[..., HttpResponseBase], str]] = [
            ("reglages/", pages.show_settings, "reglages"),
            ("reglages/envois/", pages.show_pauses, "pauses"),
            ("reglages/envois/changer/", pages.change_pause, "change_pause"),
            ("reglages/attente/", show_pending, "pending"),
            ("reglages/attente/rouvrir/", open_fence, "open_fence"),
            ("reglages/systeme/", pages.show_system, "systeme"),
            ("composants/", pages.show_components, "composants"),
            # Beside the person's page, where ``campaigns`` may not put what ``outreach`` knows.
            ("campaigns/allocataire/<int:object_id>/contacts/", show_timeline, "person_timeline"),
            ("campaigns/etape/<int:object_id>/e-mail/", show_email, "step_email"),
        ]
        own = [path(route, self.admin_view(view), name=name) for route, view, name in views]
        return own + super().get_urls()

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from campaigns.admin.pages import colleague
        from outreach.admin.today import read_today

        today = read_today(user=colleague(request), now=read_now())
        context = self.each_context(request) | {"title": "Aujourd’hui", "today": today} | (extra_context or {})
        return TemplateResponse(request, self.index_template, context)

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Pages are found by task, never by application."""
        from config import pages

        return pages.show_settings(request)
