"""The page where a colleague sends herself each text of a campaign before submitting it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path

from campaigns.admin.badges import campaign_badge
from campaigns.admin.pages import ReadOnlyAdmin, colleague, crumb, find_row, render_page, require_permission
from campaigns.admin.step_preview import preview_step, say_when
from campaigns.enums import Channel, TrialStatus
from campaigns.models import Campaign, Step, Trial, User, read_now
from campaigns.rules.trials import digest_text, list_messages
from outreach.trials import BEFORE_LAUNCH, TrialRefused, change_mobile, try_on_oneself

DONE = {
    TrialStatus.ACCEPTED: "C’est parti. Lisez-le en le recevant : il doit se comprendre sans rien savoir de nous.",
    TrialStatus.DELIVERED: "C’est arrivé. Lisez-le : il doit se comprendre sans rien savoir de nous.",
    TrialStatus.UNDELIVERED: "L’opérateur n’a pas pu le remettre. Vérifiez votre numéro ou votre adresse.",
    TrialStatus.REFUSED: "L’opérateur l’a refusé (code {code}). Vérifiez votre numéro ou votre adresse.",
    TrialStatus.LATER: "L’opérateur ne pouvait pas le prendre : rien n’est parti. Réessayez dans un instant.",
    TrialStatus.UNKNOWN: "L’opérateur n’a pas répondu : il est peut-être parti. Regardez avant de recommencer.",
}


class TrialForm(forms.Form):
    """Which step, and the phone to send it to."""

    step = forms.IntegerField(widget=forms.HiddenInput)
    mobile = forms.CharField(
        label="Votre mobile",
        max_length=30,
        help_text="Seul ce téléphone reçoit vos essais. Il reste sur votre compte.",
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )
    use_required_attribute = False  # e-mails go without it

    def clean(self) -> dict[str, Any]:
        """A mobile that misses is the story's matter: it knows for which messages it is needed."""
        self.errors.pop("mobile", None)
        return {"mobile": "", **self.cleaned_data}


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin):
    """Trials are seen with their campaign."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [path("campagne/<int:object_id>/", view(show_trials), name="campaign_trials"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        require_permission(request, "campaigns.submit_campaign")
        return redirect("admin:campaigns_campaign_changelist")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "campaigns.submit_campaign")
        return redirect("admin:campaign_trials", find_row(Trial.objects.all(), object_id).campaign_id)


def show_trials(request: HttpRequest, object_id: int) -> HttpResponse:
    """Each message with its last trial (GET); send one to oneself (POST)."""
    require_permission(request, "campaigns.submit_campaign")
    campaign = find_row(Campaign.objects.select_related("plan"), object_id)
    user = colleague(request)
    form = TrialForm(request.POST or None, initial={"mobile": user.mobile})
    if request.method == "POST" and form.is_valid():
        step = get_object_or_404(campaign.steps.all(), pk=form.cleaned_data["step"])
        try:
            _send(request, step, user, form.cleaned_data["mobile"])
            return redirect("admin:campaign_trials", campaign.pk)
        except TrialRefused as refusal:
            form.add_error(None, str(refusal))
    return _render(request, campaign, form)


def _send(request: HttpRequest, step: Step, user: User, mobile: str) -> None:
    if step.channel == Channel.SMS:
        change_mobile(user=user, mobile=mobile)
    trial = try_on_oneself(step=step, by=user, now=read_now())
    say = messages.success if trial.status in TrialStatus.received() else messages.warning
    say(request, f"« {step.label} » : {DONE[TrialStatus(trial.status)].format(code=trial.error_code or 'inconnu')}")


def _render(request: HttpRequest, campaign: Campaign, form: TrialForm) -> HttpResponse:
    last: dict[str, Trial] = {}
    for trial in campaign.trials.select_related("by"):  # the latest first
        last.setdefault(trial.text_digest, trial)
    steps = list_messages(campaign.steps.order_by("position"))
    return render_page(
        request,
        "campaigns/trials.html",
        status=409 if form.non_field_errors() else 200,
        title="Essai",
        campaign=campaign,
        badge=campaign_badge(campaign.status),
        tab="trials",
        crumbs=[
            crumb("Campagnes", "campaigns_campaign_changelist"),
            crumb(campaign.name, "campaigns_campaign_change", campaign.pk),
        ],
        form=form,
        asks_mobile=any(step.channel == Channel.SMS for step in steps),
        may_send=campaign.status in BEFORE_LAUNCH,
        rows=[(step, say_when(step), preview_step(step), last.get(digest_text(step))) for step in steps],
    )
