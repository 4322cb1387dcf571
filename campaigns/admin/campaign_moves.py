"""The buttons of a campaign: each asks for confirmation, then tells one lifecycle story."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from campaigns.admin.campaign_forms import LaunchForm, PlainMoveForm, ReasonForm, SubmitForm
from campaigns.admin.campaign_public import CHOSEN_BY, say_public
from campaigns.admin.pages import colleague, crumb, find_row, render_page, require_permission
from campaigns.admin.stages import ACTIONS_BY_SLUG, Action
from campaigns.lifecycle import (
    MoveRefused,
    TooWide,
    approve_campaign,
    cancel_campaign,
    close_campaign,
    launch_campaign,
    override_sensitive_theme,
    pause_campaign,
    resume_campaign,
    send_back_campaign,
    submit_campaign,
)
from campaigns.models import Campaign, read_now

STORIES: dict[str, tuple[Callable[..., object], type[forms.Form], str]] = {
    "soumettre": (submit_campaign, SubmitForm, "Campagne soumise. Un superviseur va l’examiner."),
    "approuver": (approve_campaign, PlainMoveForm, "Campagne approuvée. Il reste à la lancer."),
    "lancer": (launch_campaign, LaunchForm, "Campagne lancée. La nuit prochaine gèle le public et prépare les envois."),
    "reprendre": (resume_campaign, PlainMoveForm, "La campagne reprend."),
    "renvoyer": (send_back_campaign, ReasonForm, "Campagne renvoyée à son auteur, avec votre raison."),
    "mettre-en-pause": (pause_campaign, ReasonForm, "Campagne en pause : plus rien ne part pour elle."),
    "lever-le-delai": (
        override_sensitive_theme,
        ReasonForm,
        "Délai levé ; votre raison sera approuvée avec le reste.",
    ),
    "clore": (close_campaign, ReasonForm, "Campagne close."),
    "annuler": (cancel_campaign, ReasonForm, "Campagne annulée."),
}


def move_campaign(request: HttpRequest, object_id: int, slug: str) -> HttpResponse:
    """Confirm (GET) then make (POST) one move. A refusal is shown as the story says it."""
    action = ACTIONS_BY_SLUG.get(slug)
    if action is None:
        raise Http404("Cette action n’existe pas.")
    require_permission(request, action.permission)
    campaign = find_row(Campaign.objects.select_related("plan", "segment"), object_id)
    story, form_class, done = STORIES[slug]
    form = form_class(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        refusal = _try_move(story, campaign, request, form.cleaned_data)
        if refusal is None:
            messages.success(request, done)
            return redirect("admin:campaigns_campaign_change", campaign.pk)
        if isinstance(form, SubmitForm) and isinstance(refusal, TooWide):
            form.ask_size()
        form.add_error(None, str(refusal))
    return _show_confirmation(request, campaign, action, form)


def _try_move(
    story: Callable[..., object], campaign: Campaign, request: HttpRequest, values: dict[str, Any]
) -> MoveRefused | None:
    try:
        story(campaign=campaign, by=colleague(request), now=read_now(), **values)
    except MoveRefused as refusal:
        return refusal
    return None


def _show_confirmation(request: HttpRequest, campaign: Campaign, action: Action, form: forms.Form) -> HttpResponse:
    change_url = crumb(campaign.name, "campaigns_campaign_change", campaign.pk)
    return render_page(
        request,
        "campaigns/move.html",
        status=409 if form.non_field_errors() else 200,
        title=action.label,
        campaign=campaign,
        public=say_public(campaign) if action.slug in CHOSEN_BY else "",
        action=action,
        form=form,
        back_url=change_url["url"],
        crumbs=[crumb("Campagnes", "campaigns_campaign_changelist"), change_url],
    )
