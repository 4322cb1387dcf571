"""Imports of the population: upload, report, rejected lines."""

import tempfile
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.safestring import SafeString

from campaigns.admin.badges import Badge
from campaigns.admin.pages import ReadOnlyAdmin, colleague, crumb, render_page, require_permission
from campaigns.models import ImportStatus, PopulationImport, read_now
from campaigns.population_import import ImportRefused, import_population

MAX_LINES = 500
STATUS_TONES = {
    ImportStatus.PREPARED: ("neutral", "✎"),
    ImportStatus.WAITING: ("info", "⧗"),
    ImportStatus.TO_CONFIRM: ("warning", "!"),
    ImportStatus.ABANDONED: ("neutral", "✕"),
    ImportStatus.RUNNING: ("info", "⧗"),
    ImportStatus.DONE: ("success", "✓"),
    ImportStatus.REFUSED: ("danger", "✕"),
}


class PopulationFileForm(forms.Form):
    file = forms.FileField(
        label="Fichier des allocataires",
        help_text="CSV séparé par des points-virgules, des virgules ou des tabulations ; UTF-8 ou Windows. "
        "Le NIR est refusé.",
    )
    is_full_extract = forms.BooleanField(
        label="Ce fichier est l’extraction complète",
        required=False,
        help_text="Les dossiers absents du fichier seront clos.",
    )
    accept_rejections = forms.BooleanField(
        label="Importer même si plus de 1 % des lignes sont rejetées",
        required=False,
        help_text="Par défaut, un tel fichier est refusé en entier.",
    )


@admin.register(PopulationImport)
class PopulationImportAdmin(ReadOnlyAdmin):
    list_display = [
        "file_name",
        "state",
        "started_at",
        "by",
        "read_count",
        "created_count",
        "updated_count",
        "rejected_count",
    ]
    list_select_related = ["by"]

    @admin.display(description="état", ordering="status")
    def state(self, done: PopulationImport) -> SafeString:
        status = ImportStatus(done.status)
        return Badge(str(status.label), *STATUS_TONES[status]).render()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("campaigns.add_populationimport")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Upload one file and read it at once."""
        require_permission(request, "campaigns.add_populationimport")
        form = PopulationFileForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                done = _import(request, **form.cleaned_data)
            except ImportRefused as refusal:
                form.add_error("file", str(refusal))
            else:
                messages.success(request, f"Fichier lu : {done.read_count} lignes, {done.rejected_count} rejetées.")
                return redirect("admin:campaigns_populationimport_change", done.pk)
        crumbs = [crumb("Imports de population", "campaigns_populationimport_changelist")]
        return render_page(request, "imports/upload.html", title="Importer la population", form=form, crumbs=crumbs)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "campaigns.view_populationimport")
        done = get_object_or_404(PopulationImport.objects.select_related("by"), pk=object_id)
        return render_page(
            request,
            "imports/population.html",
            title=done.file_name,
            crumbs=[crumb("Imports de population", "campaigns_populationimport_changelist")],
            done=done,
            badge=Badge(str(ImportStatus(done.status).label), *STATUS_TONES[ImportStatus(done.status)]),
            lines=done.rejected_lines.all()[:MAX_LINES],
            max_lines=MAX_LINES,
        )


def _import(
    request: HttpRequest, *, file: UploadedFile, is_full_extract: bool, accept_rejections: bool
) -> PopulationImport:
    """The upload as a file that the story can read, removed afterwards: it holds personal data."""
    with tempfile.TemporaryDirectory(prefix="aller-vers-") as folder:
        path = Path(folder) / "population.csv"
        with path.open("wb") as target:
            target.writelines(file.chunks())
        return import_population(
            path=path,
            file_name=str(file.name),
            by=colleague(request),
            now=read_now(),
            is_full_extract=is_full_extract,
            accept_rejections=accept_rejections,
        )
