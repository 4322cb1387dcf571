"""Allocataires: masked list, search by POST, a page that leaves a trace whether masked or revealed, oppositions."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from campaigns.admin.explanations import explain_person
from campaigns.admin.exports import show_audience_export, show_segment_export
from campaigns.admin.masking import mask_email, mask_matricule, mask_phone
from campaigns.admin.pages import ReadOnlyAdmin, colleague, crumb, find_row, render_page, require_permission
from campaigns.enums import Channel, OppositionSource, Prestation
from campaigns.models import AccessLog, Allocataire, ContactFact, Opposition, Plan, read_now
from campaigns.oppositions import record_opposition

MAX_CONTACTS = 50


class SearchForm(forms.Form):
    matricule = forms.CharField(label="Matricule", max_length=15, widget=forms.TextInput(attrs={"autocomplete": "off"}))


class RevealForm(forms.Form):
    reason = forms.CharField(
        label="Pourquoi voir ces coordonnées ?",
        max_length=200,
        help_text="Votre raison est enregistrée avec votre nom et l’heure.",
    )


def _themes() -> list[tuple[str, str]]:
    themes = Plan.objects.order_by("theme").values_list("theme", flat=True).distinct()
    return [(theme, theme) for theme in themes]


class OppositionForm(forms.Form):
    channel = forms.ChoiceField(label="Canal", choices=[("", "Tous les canaux"), *Channel.choices], required=False)
    theme = forms.ChoiceField(label="Thème", required=False, choices=lambda: [("", "Tous les thèmes"), *_themes()])
    note = forms.CharField(label="Note", max_length=300, required=False)


@admin.register(Allocataire)
class AllocataireAdmin(ReadOnlyAdmin):
    list_display = ["masked_matricule", "family_situation", "children_count", "commune_name", "held"]
    list_filter = ["family_situation", "commune__department"]
    list_select_related = ["commune__epci"]
    list_per_page = 50
    show_full_result_count = False
    list_max_show_all = 0
    change_list_template = "allocataires/list.html"
    ordering = ["pk"]

    @admin.display(description="matricule", ordering="pk")
    def masked_matricule(self, allocataire: Allocataire) -> str:
        return mask_matricule(allocataire.matricule)

    @admin.display(description="EPCI")
    def commune_name(self, allocataire: Allocataire) -> str:
        commune = allocataire.commune
        return commune.epci.name if commune and commune.epci else "—"

    @admin.display(description="prestations")
    def held(self, allocataire: Allocataire) -> str:
        return ", ".join(sorted(allocataire.prestations)) or "—"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("chercher/", view(search_allocataire), name="search_allocataire"),
            path("<int:object_id>/voir/", view(reveal_allocataire), name="reveal_allocataire"),
            path("<int:object_id>/opposition/", view(oppose_allocataire), name="oppose_allocataire"),
            path("exporter/segment/<int:object_id>/", view(show_segment_export), name="export_segment"),
            path("exporter/vague/<int:object_id>/", view(show_audience_export), name="export_audience"),
            path("<int:object_id>/pourquoi/", view(explain_person), name="explain_allocataire"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"title": "Allocataires", "search_form": SearchForm()}
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "campaigns.view_allocataire")
        allocataire = find_row(Allocataire.objects.select_related("commune__epci"), object_id)
        return _show(request, allocataire)


@require_POST
def search_allocataire(request: HttpRequest) -> HttpResponse:
    """By POST, so that no matricule enters an address or a log; answers with an opaque identifier."""
    require_permission(request, "campaigns.view_allocataire")
    form = SearchForm(request.POST)
    found = form.is_valid() and Allocataire.objects.filter(matricule=form.cleaned_data["matricule"].strip()).first()
    if found:
        _log(request, found, "recherche")
        return redirect("admin:campaigns_allocataire_change", found.pk)
    messages.warning(request, "Aucun allocataire n’a ce matricule. Vérifiez les chiffres, sans la lettre de clé.")
    return redirect("admin:campaigns_allocataire_changelist")


@require_POST
def reveal_allocataire(request: HttpRequest, object_id: int) -> HttpResponse:
    """Show the contact points once, after writing who asked and why."""
    require_permission(request, "campaigns.add_accesslog")
    allocataire = find_row(Allocataire.objects.select_related("commune__epci"), object_id)
    form = RevealForm(request.POST)
    if not form.is_valid():
        return _show(request, allocataire, reveal_form=form)
    _log(request, allocataire, "coordonnées", form.cleaned_data["reason"])
    return _show(request, allocataire, is_revealed=True)


@require_POST
def oppose_allocataire(request: HttpRequest, object_id: int) -> HttpResponse:
    """Record a refusal that a person told an agent."""
    require_permission(request, "campaigns.add_opposition")
    allocataire = find_row(Allocataire.objects.select_related("commune__epci"), object_id)
    form = OppositionForm(request.POST)
    if not form.is_valid():
        return _show(request, allocataire, opposition_form=form)
    record_opposition(
        allocataire_ids=[allocataire.pk],
        source=OppositionSource.AGENT,
        now=read_now(),
        by=colleague(request),
        **form.cleaned_data,
    )
    messages.success(request, "Opposition enregistrée. Elle vaut dès maintenant, pour toutes les campagnes.")
    return redirect("admin:campaigns_allocataire_change", allocataire.pk)


def _show(
    request: HttpRequest,
    allocataire: Allocataire,
    *,
    is_revealed: bool = False,
    reveal_form: RevealForm | None = None,
    opposition_form: OppositionForm | None = None,
) -> HttpResponse:
    """The page of one person. Masked, it still tells her situation and who contacted her: opening it is written."""
    if not is_revealed:
        _log(request, allocataire, "fiche")
    contacts = ContactFact.objects.filter(allocataire=allocataire).select_related("campaign").order_by("-at")
    return render_page(
        request,
        "allocataires/detail.html",
        title=f"Allocataire {mask_matricule(allocataire.matricule)}",
        crumbs=[crumb("Allocataires", "campaigns_allocataire_changelist")],
        allocataire=allocataire,
        points=_contact_points(allocataire, is_revealed=is_revealed),
        is_revealed=is_revealed,
        prestations=_prestations(allocataire),
        contacts=contacts[:MAX_CONTACTS],
        oppositions=Opposition.objects.filter(allocataire=allocataire),
        reveal_form=reveal_form or RevealForm(),
        opposition_form=opposition_form or OppositionForm(),
    )


def _contact_points(allocataire: Allocataire, *, is_revealed: bool) -> list[tuple[str, str, bool]]:
    """(label, value or mask, allowed) of each way to reach the person."""
    points = [
        ("Mobile", allocataire.mobile, mask_phone, allocataire.sms_allowed),
        ("Fixe", allocataire.landline, mask_phone, allocataire.call_allowed),
        ("E-mail", allocataire.email, mask_email, allocataire.email_allowed),
    ]
    return [(label, value if is_revealed else mask(value), allowed) for label, value, mask, allowed in points if value]


def _prestations(allocataire: Allocataire) -> list[tuple[str, date | None]]:
    """(label, since when if it is known) of each one that is held."""
    labels = dict(Prestation.choices)
    held = sorted(allocataire.prestations.items())
    return [(str(labels.get(code, code)), date.fromisoformat(since) if since else None) for code, since in held]


def _log(request: HttpRequest, allocataire: Allocataire, action: str, detail: str = "") -> None:
    AccessLog.objects.create(
        by=colleague(request), at=read_now(), action=action, allocataire=allocataire, detail=detail
    )
