"""Campaigns: list, creation from a plan, the page that says what is next, simulation, audience, life."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from campaigns.admin.badges import campaign_badge
from campaigns.admin.campaign_forms import CampaignForm, DayInput, StartCampaignForm
from campaigns.admin.campaign_limits import say_rules
from campaigns.admin.campaign_moves import move_campaign
from campaigns.admin.campaign_pages import show_audience, show_life, show_simulation
from campaigns.admin.campaign_public import say_public
from campaigns.admin.charts import french_percent
from campaigns.admin.draw_proof import prove_draw
from campaigns.admin.pages import GuardedAdmin, colleague, crumb, render_page, require_permission
from campaigns.admin.stages import describe_standing
from campaigns.admin.step_preview import ANCHORS, preview_step, say_when
from campaigns.admin.step_texts import StepForm, preview_texts
from campaigns.lifecycle import record_edit, start_campaign
from campaigns.models import Campaign, Step, read_now
from campaigns.plan_public import segment_of_plan
from campaigns.rules.french import french_number

ANCHOR_HELP = (
    "Lancement de la vague, date connue de la personne, ou réponse de la personne. Après une réponse : un SMS, envoyé "
    "une seule fois à qui répond à cette campagne, à la prochaine plage horaire ; jamais à un STOP ni à une réponse "
    "qui pourrait en être un. Décalage 0."
)


def _anchors() -> list[tuple[str, str]]:
    return [(code, capfirst(label)) for code, label in ANCHORS.items()]


class StepInline(admin.StackedInline):
    model = Step
    form = StepForm
    extra = 0
    fields = [
        ("position", "label"),
        ("channel", "arm"),
        ("anchor", "offset_days", "valid_days"),
        "subject",
        "body",
        "preview",
    ]
    verbose_name = "étape\N{NO-BREAK SPACE}"  # Django puts a colon right after it

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        if db_field.name == "anchor":
            return forms.ChoiceField(label="Date de référence", choices=_anchors, required=False, help_text=ANCHOR_HELP)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_edit(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_edit(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_edit(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("campaigns.view_campaign")

    def _may_edit(self, request: HttpRequest, campaign: Campaign | None) -> bool:
        """The steps belong to whoever may edit the campaign, and only while it is a draft."""
        return bool(campaign and campaign.is_editable and request.user.has_perm("campaigns.change_campaign"))


@admin.register(Campaign)
class CampaignAdmin(GuardedAdmin):
    form = CampaignForm
    list_display = ["name", "state", "plan", "size", "starts_on", "launched_at"]
    list_filter = ["status", "plan__family"]
    list_select_related = ["plan"]
    search_fields = ["name", "plan__name"]
    search_help_text = "Campagne ou plan"
    change_form_template = "campaigns/change_form.html"
    list_per_page = 50
    change_list_template = "campaigns/list.html"

    @admin.display(description="état", ordering="status")
    def state(self, campaign: Campaign) -> SafeString:
        return campaign_badge(campaign.status).render()

    @admin.display(description="effectif attendu", ordering="expected_size")
    def size(self, campaign: Campaign) -> str:
        return "—" if campaign.expected_size is None else french_number(campaign.expected_size)

    @admin.display(description="plan")
    def plan_name(self, campaign: Campaign) -> str:
        return campaign.plan.name

    @admin.display(description="bras contactés")
    def arms_text(self, campaign: Campaign) -> str:
        return ", ".join(f"{arm.get('label') or arm.get('code')} (poids {arm.get('share')})" for arm in campaign.arms)

    @admin.display(description="part de témoins")
    def control_text(self, campaign: Campaign) -> str:
        return french_percent(float(campaign.control_share)) if campaign.control_share else "Aucun témoin"

    @admin.display(description="règles du plan")
    def rules_text(self, campaign: Campaign) -> str:
        return say_rules(campaign)

    @admin.display(description="public")
    def public_text(self, campaign: Campaign) -> str:
        return say_public(campaign)

    def get_fieldsets(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        measured = (
            ["arms", "control_share"] if self.has_change_permission(request, obj) else ["arms_text", "control_text"]
        )
        return [
            (None, {"fields": ["name", "plan_name", "rules_text", "segment", "public_text", "justification"]}),
            ("Quand", {"fields": ["starts_on", "ends_on", "night_size_max", "priority"]}),
            ("Comment mesurer", {"fields": [*measured, "window_days"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> list[str]:
        return ["plan_name", "rules_text", "public_text", "arms_text", "control_text"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        """Plain inputs: no links to other windows beside a choice, the browser's own calendar."""
        if db_field.name in {"starts_on", "ends_on"}:
            return db_field.formfield(widget=DayInput())
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def has_change_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.is_editable)

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        return super().get_queryset(request).select_related("plan", "segment")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:object_id>/simulation/", view(show_simulation), name="campaign_simulation"),
            path("<int:object_id>/audience/", view(show_audience), name="campaign_audience"),
            path("vague/<int:object_id>/tirage/", view(prove_draw), name="prove_draw"),
            path("<int:object_id>/textes/", view(preview_texts), name="campaign_texts"),
            path("<int:object_id>/vie/", view(show_life), name="campaign_life"),
            path("<int:object_id>/action/<slug:slug>/", view(move_campaign), name="campaign_move"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A campaign starts from a plan: the plan's steps and texts are copied, then adapted."""
        require_permission(request, "campaigns.add_campaign")
        form = StartCampaignForm(
            request.POST or None, initial={"plan": request.GET.get("plan"), "segment": request.GET.get("segment")}
        )
        if request.method == "POST" and form.is_valid():
            campaign = self._start(request, form.cleaned_data)
            messages.success(request, "Brouillon créé. Relisez les étapes et les textes, puis soumettez.")
            return redirect("admin:campaigns_campaign_change", campaign.pk)
        crumbs = [crumb("Campagnes", "campaigns_campaign_changelist")]
        return render_page(request, "campaigns/start.html", title="Nouvelle campagne", form=form, crumbs=crumbs)

    def _start(self, request: HttpRequest, values: dict[str, Any]) -> Campaign:
        plan = values["plan"]
        segment = values["segment"] or segment_of_plan(plan=plan, by=colleague(request))
        overrides = {"starts_on": values["starts_on"]} if values["starts_on"] else {}
        return start_campaign(
            plan=plan,
            segment=segment,
            name=values["name"],
            by=colleague(request),
            now=read_now(),
            announces_calls=values["announces_calls"],
            **overrides,
        )

    def get_inlines(self, request: HttpRequest, obj: Campaign | None) -> Any:
        """Steps are edited here in a draft; otherwise they are read as messages."""
        return [StepInline] if self.has_change_permission(request, obj) else []

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context: dict[str, Any] = {"add_label": "Nouvelle campagne", "empty_title": "Aucune campagne"}
        context["empty_text"] = "Choisissez un plan : il apporte le public, les étapes et les textes."
        if request.user.has_perm("campaigns.add_campaign"):
            context |= {"empty_url": reverse("admin:campaigns_campaign_add"), "empty_action": "Nouvelle campagne"}
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        campaign = self.get_object(request, object_id)
        context: dict[str, Any] = {"show_save_and_add_another": False, "crumbs": [self._list_crumb()]}
        if campaign is not None:
            standing = describe_standing(campaign, colleague(request))
            context |= {"campaign": campaign, "standing": standing, "tab": "campaign", "title": campaign.name}
            context |= {"badge": campaign_badge(campaign.status), "subtitle": None}
            if self.has_change_permission(request, campaign):
                context["texts_address"] = reverse("admin:campaign_texts", args=[campaign.pk])
            else:
                context["previews"] = [(step, say_when(step), preview_step(step)) for step in campaign.steps.all()]
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if form.has_changed() or any(formset.has_changed() for formset in formsets):
            record_edit(campaign=form.instance, by=colleague(request), now=read_now())

    def _list_crumb(self) -> dict[str, str]:
        return crumb("Campagnes", "campaigns_campaign_changelist")
