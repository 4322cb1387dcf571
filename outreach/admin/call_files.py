"""Calls entrusted to a dialler: the file that goes out, the file of results that comes back."""

import tempfile
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from campaigns.admin.exports import ExportForm, send_rows
from campaigns.admin.pages import ReadOnlyAdmin, colleague, crumb, find_row, render_page, require_permission
from campaigns.enums import Channel
from campaigns.models import read_now
from campaigns.rules.french import french_number
from outreach.call_files import (
    CallResultsRefused,
    NothingToHandOver,
    export_handover,
    hand_over_calls,
    import_call_results,
)
from outreach.models import Call, CallHandover, CallResultImport
from outreach.windows import contact_hours

HANDOVERS = "outreach_callhandover_changelist"
RESULTS = "outreach_callresultimport_changelist"
DESK_CRUMB = ("Appels", "outreach_call_changelist")
LEAD = (
    "Un lot d’appels part en fichier vers un automate ou un prestataire. Jusqu’à l’heure choisie, personne d’autre "
    "n’appelle ces personnes ; ensuite, celles dont aucun résultat n’est revenu reprennent leur place dans la liste. "
    "Un STOP reçu après le départ du fichier n’arrête pas l’automate : confiez peu d’heures à la fois."
)


class HandoverForm(forms.Form):
    size = forms.IntegerField(label="Nombre d’appels au plus", min_value=1, max_value=5_000, initial=100)
    until = forms.TimeField(
        label="À appeler avant, aujourd’hui",
        initial=time(20),
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text="Au plus tard l’heure à laquelle les appels cessent.",
    )

    def clean_until(self) -> datetime:
        now = read_now().astimezone(ZoneInfo(settings.TIME_ZONE))
        until = datetime.combine(now.date(), self.cleaned_data["until"], tzinfo=now.tzinfo)
        if until <= now:
            raise forms.ValidationError("Cette heure est déjà passée.")
        last = contact_hours(Channel.CALL).slots[-1][1]
        if until.time() > last:
            raise forms.ValidationError(f"Les appels cessent à {last:%H:%M} : choisissez une heure au plus tard égale.")
        return until


class ResultsForm(forms.Form):
    file = forms.FileField(
        label="Fichier des résultats",
        help_text="CSV ou classeur Excel, colonnes : appel, date, resultat, et si possible duree, note.",
    )


@admin.register(CallHandover)
class CallHandoverAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "at", "by", "until", "call_count"]
    list_select_related = ["by"]
    list_words = {
        "page_help": "Un lot se télécharge depuis sa page. Passé l’heure choisie, les appels sans résultat reviennent "
        "dans la liste.",
        "add_label": "Confier des appels",
        "empty_title": "Aucun lot confié",
        "empty_text": "Quand la liste du jour est longue, un automate ou un prestataire peut en prendre une part.",
    }

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("outreach.add_callhandover")

    def get_urls(self) -> list[URLPattern]:
        download = path("<int:object_id>/fichier/", self.admin_site.admin_view(download_handover), name="call_handover")
        return [download, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Choose how many and until when; the page of the lot follows."""
        require_permission(request, "outreach.add_callhandover")
        form = HandoverForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                handover = hand_over_calls(by=colleague(request), now=read_now(), **form.cleaned_data)
            except NothingToHandOver as refusal:
                form.add_error(None, str(refusal))
            else:
                return redirect("admin:outreach_callhandover_change", handover.pk)
        context: dict[str, Any] = {
            "title": "Confier des appels",
            "crumbs": [crumb(*DESK_CRUMB)],
            "lead": LEAD,
            "action": "Préparer le lot",
            "note": _say_waiting(Call.objects.waiting(read_now()).count()),
        }
        return render_page(request, "imports/upload.html", form=form, **context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "outreach.view_callhandover")
        handover = find_row(CallHandover.objects.select_related("by"), object_id)
        remaining = handover.calls.filter(held_by=None, held_until__gt=read_now(), done_at=None).count()
        return render_page(
            request,
            "calls/handover.html",
            title=str(handover),
            crumbs=[crumb(*DESK_CRUMB), crumb("Lots confiés", HANDOVERS)],
            handover=handover,
            remaining=remaining,
            form=ExportForm(),
        )


def _say_waiting(count: int) -> str:
    if not count:
        return "Aucun appel n’attend en ce moment."
    return f"{french_number(count)} appels attendent en ce moment." if count > 1 else "Un appel attend en ce moment."


@require_POST
def download_handover(request: HttpRequest, object_id: int) -> HttpResponseBase:
    """The calls still to make, with names and numbers; written to the access log."""
    require_permission(request, "outreach.add_callhandover")
    handover = find_row(CallHandover.objects.all(), object_id)
    form = ExportForm(request.POST)
    if not form.is_valid():
        return redirect("admin:outreach_callhandover_change", handover.pk)
    rows = export_handover(handover=handover, by=colleague(request), now=read_now())
    return send_rows(rows, form.cleaned_data["file_format"], f"appels-lot-{handover.pk}")


@admin.register(CallResultImport)
class CallResultImportAdmin(ReadOnlyAdmin):
    list_display = ["file_name", "imported_at", "by", "read_count", "created_count", "known_count", "rejected_count"]
    list_select_related = ["by"]
    list_words = {
        "add_label": "Importer des résultats",
        "empty_title": "Aucun résultat reçu",
        "empty_text": "Le fichier que rend l’automate ou le prestataire s’importe ici ; le relire ne change rien.",
    }

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("outreach.add_callresultimport")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Upload one file and read it at once."""
        require_permission(request, "outreach.add_callresultimport")
        form = ResultsForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                done = _import(request, form.cleaned_data["file"])
            except CallResultsRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"Fichier lu. Résultats écrits : {done.created_count}.")
                return redirect("admin:outreach_callresultimport_change", done.pk)
        crumbs = [crumb(*DESK_CRUMB), crumb("Résultats reçus", RESULTS)]
        return render_page(
            request, "imports/upload.html", title="Importer des résultats d’appels", form=form, crumbs=crumbs
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "outreach.view_callresultimport")
        done = find_row(CallResultImport.objects.select_related("by"), object_id)
        crumbs = [crumb(*DESK_CRUMB), crumb("Résultats reçus", RESULTS)]
        return render_page(request, "calls/results.html", title=done.file_name, crumbs=crumbs, done=done)


def _import(request: HttpRequest, file: UploadedFile) -> CallResultImport:
    """The upload as a file that the story can read, removed afterwards: its notes may be personal."""
    with tempfile.TemporaryDirectory(prefix="aller-vers-") as folder:
        target = Path(folder) / "resultats"
        with target.open("wb") as stream:
            stream.writelines(file.chunks())
        return import_call_results(path=target, file_name=str(file.name), by=colleague(request), now=read_now())
