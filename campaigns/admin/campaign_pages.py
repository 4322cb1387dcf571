"""Pages beside a campaign: what it would do, whom it kept, how it lived."""

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.http import HttpRequest, HttpResponse

from campaigns.admin.badges import campaign_badge
from campaigns.admin.campaign_limits import describe_limits
from campaigns.admin.campaign_public import say_public
from campaigns.admin.charts import BarChart, build_bar_chart, build_funnel, french_euros, french_percent
from campaigns.admin.pages import crumb, find_row, render_page, require_permission
from campaigns.enums import CONTROL_ARM, Channel, Exclusion
from campaigns.models import Audience, Campaign, Member, read_now
from campaigns.rules.criteria import InvalidCriteria
from campaigns.rules.french import french_number
from campaigns.rules.lifecycle import MOVE_LABELS
from campaigns.simulation import Count, Simulation, StepForecast, simulate_campaign

MAX_WAVES = 60


def show_simulation(request: HttpRequest, object_id: int) -> HttpResponse:
    """What tonight would do with this campaign. Counts only; nothing is written."""
    require_permission(request, "campaigns.view_campaign")
    campaign = _get(object_id)
    try:
        simulation = simulate_campaign(campaign=campaign, now=read_now())
        context = describe_simulation(simulation) | describe_limits(campaign, simulation)
        context["public"] = say_public(campaign)
    except InvalidCriteria as problem:
        context = {"criteria_errors": problem.errors}
    return _render(request, campaign, "campaigns/simulation.html", "Simulation", "simulation", **context)


def show_audience(request: HttpRequest, object_id: int) -> HttpResponse:
    """Every wave with its arms, and who was left out, by reason. Counts only."""
    require_permission(request, "campaigns.view_campaign")
    campaign = _get(object_id)
    waves = campaign.audiences.filter(superseded_at=None).order_by("-number")
    members = Member.objects.filter(audience__campaign=campaign, audience__superseded_at=None)
    return _render(
        request,
        campaign,
        "campaigns/audience.html",
        "Public",
        "audience",
        waves=waves[:MAX_WAVES],
        totals=_totals(list(waves)),
        exclusions=_chart("Laissés de côté, par raison", members.exclude(exclusion=""), "exclusion", _exclusion_label),
        arms=_chart("Retenus, par bras", members.filter(exclusion=""), "arm", _arm_labels(campaign)),
    )


def show_life(request: HttpRequest, object_id: int) -> HttpResponse:
    """Who did what, when and why, most recent first."""
    require_permission(request, "campaigns.view_campaign")
    campaign = _get(object_id)
    moves = campaign.moves.select_related("by").order_by("-at", "-pk")
    entries = [{"label": MOVE_LABELS.get(move.move, move.move), "move": move} for move in moves]
    return _render(request, campaign, "campaigns/life.html", "Vie de la campagne", "life", entries=entries)


def describe_simulation(simulation: Simulation) -> dict[str, Any]:
    """The charts and French figures of the simulation page."""
    targeted, retained = simulation.targeted, simulation.retained
    share = f" ({french_percent(retained / targeted)})" if targeted else ""
    funnel = [
        ("Ciblés", targeted, french_number(targeted), "Personnes que le segment désigne ce jour."),
        ("Retenus", retained, f"{french_number(retained)} sur {french_number(targeted)}{share}", "Après exclusions."),
    ]
    return {
        "simulation": simulation,
        "funnel": build_funnel("Qui serait concerné", funnel),
        "exclusions": build_bar_chart("Laissés de côté, par raison", _rows(simulation.exclusions)),
        "arms": build_bar_chart("Tirage au sort", _rows(simulation.arms), label_label="Bras"),
        "steps": [_describe_step(step) for step in simulation.steps],
        "cost_note": f"soit environ {french_euros(simulation.sms_cost)}",
        "call_note": f"soit {french_number(float(simulation.call_days))} jours de l’équipe" if simulation.calls else "",
    }


def _rows(counts: Sequence[Count]) -> list[tuple[str, int]]:
    return [(count.label, count.people) for count in counts if count.people]


def _describe_step(step: StepForecast) -> dict[str, str]:
    is_sms = step.channel == Channel.SMS and not step.answers_a_reply
    return {
        "label": step.label,
        "channel": str(Channel(step.channel).label),
        "people": "selon les réponses" if step.answers_a_reply else french_number(step.people),
        "segments": french_number(step.segments) if is_sms else "—",
        "cost": french_euros(step.cost) if is_sms else "—",
    }


def _get(object_id: int) -> Campaign:
    return find_row(Campaign.objects.select_related("plan", "segment"), object_id)


def _totals(waves: list[Audience]) -> dict[str, int]:
    names = ("targeted_count", "retained_count", "control_count", "override_count")
    return {name: sum(getattr(wave, name) for wave in waves) for name in names}


def _chart(title: str, members: Any, column: str, label: Any) -> BarChart:
    counts = members.values_list(column).annotate(count=models.Count("pk")).order_by("-count")
    return build_bar_chart(title, [(label(code), count) for code, count in counts])


def _exclusion_label(code: str) -> str:
    return str(Exclusion(code).label)


def _arm_labels(campaign: Campaign) -> Any:
    return lambda code: "Témoins (ne reçoivent rien)" if code == CONTROL_ARM else campaign.label_arm(code)


def _render(
    request: HttpRequest, campaign: Campaign, template: str, title: str, tab: str, **context: Any
) -> HttpResponse:
    crumbs = [
        crumb("Campagnes", "campaigns_campaign_changelist"),
        crumb(campaign.name, "campaigns_campaign_change", campaign.pk),
    ]
    badge = campaign_badge(campaign.status)
    return render_page(
        request, template, title=title, campaign=campaign, badge=badge, tab=tab, crumbs=crumbs, **context
    )
