"""Imports of régularisations: upload, report, rejected lines."""

import tempfile
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from campaigns.admin.pages import ReadOnlyAdmin, colleague, counted, crumb, find_row, render_page, require_permission
from campaigns.models import read_now
from outreach.models import RegularisationImport
from outreach.regularisations import RegularisationsRefused, import_regularisations

LIST = "outreach_regularisationimport_changelist"


class RegularisationFileForm(forms.Form):
    file = forms.FileField(
        label="Fichier des régularisations", help_text="Classeur Excel (XLSX) ou CSV : matricule, type, date, montant."
    )
    as_of = forms.DateField(
        label="Données arrêtées au",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Le jour de l’extraction : au-delà, personne ne sait si une démarche a été faite.",
    )


@admin.register(RegularisationImport)
class RegularisationImportAdmin(ReadOnlyAdmin):
    list_display = [
        "file_name",
        "as_of",
        "imported_at",
        "by",
        counted("read_count", "lignes lues"),
        counted("created_count", "nouvelles"),
        counted("known_count", "déjà connues"),
        counted("rejected_count", "rejetées"),
    ]
    list_select_related = ["by"]
    list_words = {"add_label": "Importer un fichier"}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("outreach.add_regularisationimport")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Upload one file and read it at once."""
        require_permission(request, "outreach.add_regularisationimport")
        form = RegularisationFileForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                done = _import(request, **form.cleaned_data)
            except RegularisationsRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"Fichier lu : {done.created_count} régularisations nouvelles.")
                return redirect("admin:outreach_regularisationimport_change", done.pk)
        title = "Importer des régularisations"
        crumbs = [crumb("Imports de régularisations", LIST)]
        return render_page(request, "imports/upload.html", title=title, form=form, crumbs=crumbs)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "outreach.view_regularisationimport")
        done = find_row(RegularisationImport.objects.prefetch_related("kinds"), object_id)
        crumbs = [crumb("Imports de régularisations", LIST)]
        return render_page(request, "imports/regularisations.html", title=done.file_name, crumbs=crumbs, done=done)


def _import(request: HttpRequest, *, file: UploadedFile, **values: Any) -> RegularisationImport:
    """The upload as a file that the story can read, removed afterwards: it holds personal data."""
    with tempfile.TemporaryDirectory(prefix="aller-vers-") as folder:
        path = Path(folder) / "regularisations.csv"
        with path.open("wb") as target:
            target.writelines(file.chunks())
        return import_regularisations(
            path=path, file_name=str(file.name), by=colleague(request), now=read_now(), **values
        )
