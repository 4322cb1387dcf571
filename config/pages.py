"""Pages of the whole installation: settings, stop buttons, state of the system, components."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_POST

from campaigns.admin.pages import colleague
from campaigns.enums import Channel
from campaigns.models import read_now
from config.samples import build_samples
from outreach.models import Pause
from outreach.pauses import pause_sending, resume_sending

SETTINGS_LINKS = (
    (
        "Population",
        "campaigns_populationimport_changelist",
        "campaigns.view_populationimport",
        "Importer le fichier des allocataires, relire les lignes rejetées.",
    ),
    (
        "Listes importées",
        "campaigns_importedlist_changelist",
        "campaigns.view_importedlist",
        "Datamining national, liste d’un partenaire : avec leur origine et leur date, elles deviennent des critères.",
    ),
    (
        "Régularisations",
        "outreach_regularisationimport_changelist",
        "outreach.view_regularisationimport",
        "Importer les démarches faites : elles arrêtent les relances et font les bilans.",
    ),
    ("Plans", "campaigns_plan_changelist", "campaigns.view_plan", "Lire, exporter et importer les plans de contact."),
    (
        "Types de régularisation",
        "campaigns_regularisationkind_changelist",
        "campaigns.view_regularisationkind",
        "Ce que l’on attend d’un contact, et l’âge maximal des données.",
    ),
    (
        "Attributs propres à la Caf",
        "campaigns_extraattribute_changelist",
        "campaigns.view_extraattribute",
        "Les faits que votre extraction ajoute : liste de datamining, indicateur local.",
    ),
    (
        "Communes",
        "campaigns_commune_changelist",
        "campaigns.view_commune",
        "Code officiel géographique ; il donne l’EPCI, le fuseau et les jours fériés.",
    ),
    (
        "Pression de contact",
        "campaigns_contactfact_changelist",
        "campaigns.view_contactfact",
        "Combien de contacts chacun reçoit, qui est au plafond, et par quelles campagnes.",
    ),
    (
        "Coordonnées à corriger",
        "campaigns_baddestination_changelist",
        "campaigns.view_baddestination",
        "Les numéros que l’opérateur ou le téléphone disent mauvais : ils ne servent plus tant qu’ils sont là.",
    ),
    (
        "Nuits",
        "outreach_night_changelist",
        "outreach.view_night",
        "Ce que chaque nuit a préparé, et ce qui n’a pas marché.",
    ),
    (
        "Ce qui attend",
        "pending",
        "outreach.view_night",
        "Où en est chaque étape du système, depuis quand, et quoi faire quand c’est trop long.",
    ),
    (
        "Contacts incertains",
        "outreach_touch_changelist",
        "outreach.change_touch",
        "L’opérateur n’a pas répondu : un superviseur décide.",
    ),
    (
        "Contacts en quarantaine",
        "quarantine",
        "outreach.change_touch",
        "Ce qui a fait échouer l’envoi plusieurs fois : un superviseur libère ou clôt, avec une raison.",
    ),
    (
        "Oppositions",
        "campaigns_opposition_changelist",
        "campaigns.view_opposition",
        "Les refus d’être contacté, par canal ou par thème.",
    ),
    (
        "Journal des consultations",
        "campaigns_accesslog_changelist",
        "campaigns.view_accesslog",
        "Qui a vu les données de qui, quand et pourquoi.",
    ),
    ("Comptes", "campaigns_user_changelist", "campaigns.view_user", "Les personnes qui travaillent ici, et leur rôle."),
)

SHOWN_SETTINGS = (
    ("Créneaux d’envoi", "CONTACT_HOURS"), ("Campagnes par personne en 7 jours", "CAP_CAMPAIGNS_7_DAYS"),
    ("Contacts par personne en 30 jours", "CAP_CONTACTS_30_DAYS"),
    ("Tentatives d’appel par personne en 30 jours", "CAP_CALL_ATTEMPTS_30_DAYS"),
    ("Appels par jour", "CALLS_PER_DAY"), ("Heure de la nuit", "NIGHT_STARTS_AT"),
    ("Écart d’effectif toléré", "SIZE_TOLERANCE"), ("Prix d’un segment de SMS (€)", "SMS_SEGMENT_PRICE"),
    ("Délais avant un nouvel essai (secondes)", "RETRY_DELAYS_SECONDS"), ("Fuseau de la Caf", "TIME_ZONE"),
    ("Adresse publique", "PUBLIC_BASE_URL"), ("Adresse de l’opérateur SMS", "TWILIO_API_URL"),
    ("Serveur d’e-mail", "EMAIL_HOST"), ("Expéditeur des e-mails", "DEFAULT_FROM_EMAIL"),
)  # fmt: skip


class PauseForm(forms.Form):
    scope = forms.CharField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(label="Raison", max_length=300, help_text="Elle sera lue par toute l’équipe.")


def show_settings(request: HttpRequest) -> TemplateResponse:
    links = [link for link in SETTINGS_LINKS if request.user.has_perm(link[2])]
    entries = [{"label": label, "url_name": f"admin:{name}", "help": text} for label, name, _, text in links]
    return _render(request, "settings/index.html", title="Réglages", entries=entries)


def show_pauses(request: HttpRequest) -> HttpResponse:
    """Everybody may stop; only a superviseur starts again."""
    return _render_pauses(request, form=PauseForm())


@require_POST
def change_pause(request: HttpRequest) -> HttpResponse:
    """Stop (any colleague, with a reason) or resume (permission) one scope of sending."""
    pause = get_object_or_404(Pause, scope=request.POST.get("scope", ""))
    if "resume" in request.POST:
        if not request.user.has_perm("campaigns.resume_campaign"):
            raise PermissionDenied
        resume_sending(scope=pause.scope, by=colleague(request), now=read_now())
        messages.success(request, f"{pause.get_scope_display()} : les envois reprennent.")
        return redirect("admin:pauses")
    form = PauseForm(request.POST)
    if not form.is_valid():
        return _render_pauses(request, form=form)
    pause_sending(scope=pause.scope, by=colleague(request), now=read_now(), reason=form.cleaned_data["reason"])
    messages.warning(request, f"{pause.get_scope_display()} : plus rien ne part.")
    return redirect("admin:pauses")


def show_system(request: HttpRequest) -> HttpResponse:
    """What the environment says, without its secrets."""
    if not request.user.has_perm("campaigns.change_user"):
        raise PermissionDenied
    rows = [(label, name, _say(getattr(settings, name))) for label, name in SHOWN_SETTINGS]
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    return _render(request, "settings/system.html", title="Système", rows=rows, database_version=version)


def _say(value: object) -> object:
    """A setting in words: the values of a list, and of a table by its keys."""
    if isinstance(value, dict):
        return " ; ".join(f"{Channel(key).label} {each.replace(',', ', ')}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def show_components(request: HttpRequest) -> HttpResponse:
    """Every piece pages are made of, for those who compose new ones."""
    if not (settings.DEBUG or request.user.is_superuser):
        raise PermissionDenied
    return _render(request, "settings/components.html", title="Composants", **build_samples())


def _render_pauses(request: HttpRequest, *, form: PauseForm) -> HttpResponse:
    return _render(
        request,
        "settings/pauses.html",
        title="Arrêt des envois",
        crumbs=[{"label": "Réglages", "url_name": "admin:reglages"}],
        all_pauses=Pause.objects.order_by("scope"),
        form=form,
        failed_scope=form.data.get("scope") if form.is_bound else None,
        may_resume=request.user.has_perm("campaigns.resume_campaign"),
    )


def _render(request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
    context.setdefault(
        "crumbs", [{"label": "Réglages", "url_name": "admin:reglages"}] if template != "settings/index.html" else []
    )
    return TemplateResponse(request, template, admin.site.each_context(request) | context)
