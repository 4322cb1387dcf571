"""Contacts whose fate nobody knows: a superviseur decides, one by one."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from campaigns.admin.pages import ReadOnlyAdmin, colleague, crumb, find_row, render_page, require_permission
from campaigns.models import read_now
from outreach.admin.badges import touch_badge
from outreach.enums import TouchStatus
from outreach.models import Touch
from outreach.reconciliation import ResolutionRefused, resolve_touch
from outreach.rules.retry import Resolution

MAX_SHOWN = 100
REASON_LENGTH = 300
DECISIONS = {"renvoyer": Resolution.RESEND, "clore": Resolution.CLOSE}


@admin.register(Touch)
class TouchAdmin(ReadOnlyAdmin):
    """Only the uncertain ones are pages here; the others are counted in bilans."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Touch]:
        doubtful = [TouchStatus.UNCONFIRMED, TouchStatus.QUARANTINED]
        return super().get_queryset(request).filter(status__in=doubtful).select_related("campaign", "step")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("quarantaine/", view(self.show_quarantine), name="quarantine"),
            path("<int:object_id>/decider/", view(self.decide), name="decide_touch"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        require_permission(request, "outreach.change_touch")
        uncertain = self.get_queryset(request).filter(status=TouchStatus.UNCONFIRMED)
        touches = uncertain.order_by("status_at", "pk")
        rows = [(touch, touch_badge(touch.status)) for touch in touches[:MAX_SHOWN]]
        return render_page(
            request,
            "touches/uncertain.html",
            title="Contacts incertains",
            crumbs=[crumb("Réglages", "reglages")],
            rows=rows,
            count=touches.count(),
        )

    def show_quarantine(self, request: HttpRequest) -> HttpResponse:
        """What failed too often to be tried again by itself, with the reason; released or closed with another."""
        require_permission(request, "outreach.change_touch")
        touches = self.get_queryset(request).filter(status=TouchStatus.QUARANTINED).order_by("status_at", "pk")
        return render_page(
            request,
            "touches/quarantine.html",
            title="Contacts en quarantaine",
            crumbs=[crumb("Réglages", "reglages")],
            touches=touches[:MAX_SHOWN],
            count=touches.count(),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "outreach.change_touch")
        return redirect("admin:outreach_touch_changelist")

    def decide(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Try once more, or close: by POST, with the superviseur's name."""
        return _decide(request, object_id)


@require_POST
def _decide(request: HttpRequest, object_id: int) -> HttpResponse:
    require_permission(request, "outreach.change_touch")
    touch = find_row(Touch.objects.all(), object_id)
    back = "admin:quarantine" if touch.status == TouchStatus.QUARANTINED else "admin:outreach_touch_changelist"
    decision = DECISIONS.get(request.POST.get("decision", ""))
    if decision is None:
        messages.error(request, "Choisissez de renvoyer ou de clore.")
        return redirect(back)
    reason = request.POST.get("reason", "").strip()[:REASON_LENGTH]
    try:
        resolve_touch(touch=touch, decision=decision, by=colleague(request), now=read_now(), reason=reason)
    except ResolutionRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Contact n° {touch.pk} : décision enregistrée.")
    return redirect(back)
