"""Bilans: what contacts changed, per campaign and per programme."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path

from campaigns.admin.badges import campaign_badge
from campaigns.admin.charts import BarChart, LineChart, build_bar_chart, build_funnel, build_line_chart
from campaigns.admin.pages import ReadOnlyAdmin, crumb, find_row, render_page, require_permission
from campaigns.models import Campaign, Programme
from outreach.bilan import compute_campaign_bilan, compute_programme_bilan
from outreach.models import Outcome
from outreach.rules.bilan import Bilan

MAX_CAMPAIGNS = 200
MAX_TERRITORIES = 30
MAX_SERIES = 4


@admin.register(Outcome)
class OutcomeAdmin(ReadOnlyAdmin):
    """Outcomes are only read added up: the list is the list of bilans."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("campagne/<int:object_id>/", view(show_campaign_bilan), name="campaign_bilan"),
            path("programme/<slug:code>/", view(show_programme_bilan), name="programme_bilan"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        require_permission(request, "outreach.view_outcome")
        rows = [(campaign, campaign_badge(campaign.status)) for campaign in _launched()[:MAX_CAMPAIGNS]]
        programmes = Programme.objects.annotate(campaign_count=Count("campaigns"))
        return render_page(request, "bilans/list.html", title="Bilans", rows=rows, programmes=programmes)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "outreach.view_outcome")
        return redirect("admin:outreach_outcome_changelist")


def show_campaign_bilan(request: HttpRequest, object_id: int) -> HttpResponse:
    """The bilan of one campaign, computed from its rows."""
    require_permission(request, "outreach.view_outcome")
    campaign = find_row(Campaign.objects.select_related("plan"), object_id)
    if not campaign.launched_at:
        return redirect("admin:campaigns_campaign_change", campaign.pk)
    return _render(
        request, compute_campaign_bilan(campaign=campaign), campaign=campaign, badge=campaign_badge(campaign.status)
    )


def show_programme_bilan(request: HttpRequest, code: str) -> HttpResponse:
    """The bilan of a programme: each person once."""
    require_permission(request, "outreach.view_outcome")
    programme = get_object_or_404(Programme, code=code)
    return _render(request, compute_programme_bilan(programme=programme))


def _launched() -> QuerySet[Campaign]:
    kept = Q(audiences__superseded_at=None)
    return (
        Campaign.objects.exclude(launched_at=None)
        .select_related("plan")
        .annotate(
            retained=Sum("audiences__retained_count", filter=kept),
            controls=Sum("audiences__control_count", filter=kept),
        )
        .order_by("-launched_at")
    )


def _render(request: HttpRequest, bilan: Bilan, **context: Any) -> HttpResponse:
    return render_page(
        request,
        "bilans/detail.html",
        title=f"Bilan : {bilan.name}",
        crumbs=[crumb("Bilans", "outreach_outcome_changelist")],
        tab="bilan",
        bilan=bilan,
        funnel=draw_funnel(bilan),
        exclusions=draw_exclusions(bilan),
        curve=draw_curves(bilan),
        territories=draw_territories(bilan),
        **context,
    )


def draw_funnel(bilan: Bilan) -> BarChart:
    rows = [(line.label, line.rate.count, line.rate.text, line.definition) for line in bilan.funnel]
    return build_funnel("", rows)


def draw_exclusions(bilan: Bilan) -> BarChart:
    rows = [(line.label, line.rate.count or 0) for line in bilan.exclusions if line.rate.count]
    return build_bar_chart("Laissés de côté, par raison", rows)


def draw_curves(bilan: Bilan) -> LineChart | None:
    """One line an arm; témoins in grey. None when nobody did anything yet."""
    controls = {arm.code for arm in bilan.arms if arm.is_control}
    codes = iter(str(number) for number in range(1, MAX_SERIES + 1))
    series = [
        (curve.label, "control" if curve.arm in controls else next(codes, "4"), [(p.day, p.rate) for p in curve.points])
        for curve in bilan.curves
    ]
    if not any(share for _, _, points in series for _, share in points):
        return None
    return build_line_chart("Part des personnes, selon le nombre de jours depuis le lancement", series)


def draw_territories(bilan: Bilan) -> list[Any]:
    """The largest territories, with the rate among people to contact and among témoins."""
    return sorted(bilan.territories, key=lambda place: -place.treated.denominator)[:MAX_TERRITORIES]
