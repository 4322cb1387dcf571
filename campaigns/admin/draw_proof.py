"""Anybody who reads a campaign may have its draw made again, and see that it gives the same arms."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from campaigns.admin.campaign_limits import say_people
from campaigns.admin.pages import find_row, require_permission
from campaigns.audiences import DrawNotReplayable, replay_draw
from campaigns.models import Audience


@require_POST
def prove_draw(request: HttpRequest, object_id: int) -> HttpResponse:
    """Draw one wave again from the seed and shares kept with it; nothing is written."""
    require_permission(request, "campaigns.view_campaign")
    audience = find_row(Audience.objects.select_related("campaign"), object_id)
    try:
        is_same = replay_draw(audience)
    except DrawNotReplayable as refusal:
        messages.error(request, str(refusal))
    else:
        _say_verdict(request, audience, is_same)
    return redirect("admin:campaign_audience", audience.campaign_id)


def _say_verdict(request: HttpRequest, audience: Audience, is_same: bool) -> None:
    wave = f"Vague {audience.number}, {say_people(audience.retained_count)}"
    if is_same:
        messages.success(request, f"{wave} : tirage refait avec la graine {audience.seed}, résultat identique.")
        return
    messages.error(
        request,
        f"{wave} : la graine {audience.seed} ne donne pas le tirage qui est gardé : il n’est pas prouvé. "
        "Prévenez l’informatique avant de lire le bilan.",
    )
