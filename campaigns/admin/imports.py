"""Imports of the population: upload, report, rejected lines."""

import csv
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from campaigns.admin.badges import Badge
from campaigns.admin.column_mappings import delete_mapping, rename_mapping, show_mappings
from campaigns.admin.import_columns import ColumnsForm
from campaigns.admin.import_differences import download_differences, show_differences
from campaigns.admin.import_warnings import list_warnings
from campaigns.admin.masking import mask_matricule
from campaigns.admin.pages import ReadOnlyAdmin, colleague, counted, crumb, find_row, render_page, require_permission
from campaigns.models import ColumnMapping, ImportStatus, PopulationImport, read_now
from campaigns.population_uploads import (
    UploadRefused,
    abandon_upload,
    confirm_upload,
    prepare_upload,
    preview_upload,
    relaunch_upload,
    start_upload,
)
from campaigns.rules.french import french_number
from campaigns.rules.spreadsheets import neutralise

CHANGELIST = "campaigns_populationimport_changelist"
MAX_LINES = 500
LINES_NOTE = "Corrigez-les dans le fichier, puis importez-le de nouveau : les autres lignes ne changeront pas."
REFRESH_SECONDS = 2
UNDER_WAY = {ImportStatus.TO_CONVERT, ImportStatus.WAITING, ImportStatus.RUNNING}
STATUS_TONES = {
    ImportStatus.TO_CONVERT: ("info", "⧗"),
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
        help_text="Classeur Excel (XLSX) ou CSV. Le NIR est refusé. La page suivante montre ses colonnes : rien n’est "
        "importé avant.",
        error_messages={
            "empty": "Ce fichier est vide (0 octet). Refaites l’extraction, puis choisissez-la de nouveau."
        },
    )
    is_full_extract = forms.BooleanField(
        label="Ce fichier est l’extraction complète",
        required=False,
        help_text="Les dossiers absents du fichier seront clos.",
    )


@admin.register(PopulationImport)
class PopulationImportAdmin(ReadOnlyAdmin):
    list_display = [
        "file_name",
        "state",
        "started_at",
        "by",
        counted("read_count", "lignes lues"),
        "created",
        "updated",
        counted("rejected_count", "rejetées"),
    ]
    list_select_related = ["by"]
    list_words = {"add_label": "Importer un fichier"}

    @admin.display(description="état", ordering="status")
    def state(self, done: PopulationImport) -> SafeString:
        status = ImportStatus(done.status)
        return Badge(str(status.label), *STATUS_TONES[status]).render()

    @admin.display(description="créées", ordering="created_count")
    def created(self, done: PopulationImport) -> str:
        return _applied(done, done.created_count)

    @admin.display(description="modifiées", ordering="updated_count")
    def updated(self, done: PopulationImport) -> str:
        return _applied(done, done.updated_count)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("campaigns.add_populationimport")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:object_id>/colonnes/", view(prepare_import), name="population_import_prepare"),
            path("<int:object_id>/confirmer/", view(confirm_import), name="population_import_confirm"),
            path("<int:object_id>/abandonner/", view(abandon_import), name="population_import_abandon"),
            path("<int:object_id>/relancer/", view(relaunch_import), name="population_import_relaunch"),
            path("<int:object_id>/differences/", view(show_differences), name="population_import_differences"),
            path("<int:object_id>/differences.csv", view(download_differences), name="population_differences_csv"),
            path("correspondances/", view(show_mappings), name="column_mappings"),
            path("correspondances/<int:object_id>/renommer/", view(rename_mapping), name="column_mapping_rename"),
            path("correspondances/<int:object_id>/supprimer/", view(delete_mapping), name="column_mapping_delete"),
            path("<int:object_id>/rejets.csv", view(download_rejections), name="population_import_rejections"),
            path("<int:object_id>/vides.csv", view(download_emptied), name="population_import_emptied"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Upload one file: kept, then its columns are looked at."""
        require_permission(request, "campaigns.add_populationimport")
        form = PopulationFileForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                record = prepare_upload(
                    chunks=file.chunks(),
                    file_name=str(file.name),
                    by=colleague(request),
                    now=read_now(),
                    is_full_extract=form.cleaned_data["is_full_extract"],
                )
            except UploadRefused as refusal:
                form.add_error("file", str(refusal))
            else:
                return redirect("admin:campaigns_populationimport_change", record.pk)
        crumbs = [crumb("Imports de population", CHANGELIST)]
        return render_page(
            request, "imports/upload.html", title="Importer la population", form=form, crumbs=crumbs,
            action="Voir les colonnes", note="Un gros classeur Excel est d’abord lu : une minute peut-être.",
        )  # fmt: skip

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The report of an import; while it waits or runs, its progress, asked again every two seconds."""
        require_permission(request, "campaigns.view_populationimport")
        done = find_row(PopulationImport.objects.select_related("by"), object_id)
        if done.status == ImportStatus.PREPARED:
            return redirect("admin:population_import_prepare", done.pk)
        is_under_way = done.status in UNDER_WAY
        response = render_page(
            request,
            "imports/population.html",
            title=done.file_name,
            crumbs=[crumb("Imports de population", CHANGELIST)],
            done=done,
            is_under_way=is_under_way,
            is_to_confirm=done.status == ImportStatus.TO_CONFIRM,
            is_interrupted=done.status == ImportStatus.REFUSED and bool(done.stored_as),
            is_workbook_read=done.status == ImportStatus.TO_CONVERT,
            badge=Badge(str(ImportStatus(done.status).label), *STATUS_TONES[ImportStatus(done.status)]),
            lines=[] if is_under_way else done.rejected_lines.all()[:MAX_LINES],
            lines_note=LINES_NOTE
            + (f" Les {MAX_LINES} premières sont montrées." if done.rejected_count > MAX_LINES else ""),
            warnings=[] if is_under_way else list_warnings(done),
            changes=_most_first(done.changes),
            repairs=_most_first(done.repairs),
            emptied=_most_first(done.emptied),
            strangers=[
                {"line": change.line, "matricule": mask_matricule(change.allocataire.matricule)}
                for change in done.identity_changes.select_related("allocataire")[:MAX_LINES]
            ],
        )
        if is_under_way:
            response["Refresh"] = str(REFRESH_SECONDS)
        return response


def _applied(done: PopulationImport, count: int) -> str:
    """In the history, only what was done: an import that waits or was given up has only counted."""
    return french_number(count) if done.status == ImportStatus.DONE else "—"


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def prepare_import(request: HttpRequest, object_id: int) -> HttpResponse:
    """The columns of the file, the shape of its first rows, and what each column holds."""
    require_permission(request, "campaigns.add_populationimport")
    record = find_row(PopulationImport.objects.all(), object_id)
    if record.status != ImportStatus.PREPARED:
        return redirect("admin:campaigns_populationimport_change", record.pk)
    number = request.GET.get("mapping", "")
    saved = ColumnMapping.objects.filter(pk=number).first() if number.isdecimal() and len(number) < 10 else None
    preview = preview_upload(record=record, mapping=saved.mapping if saved else {})
    form = ColumnsForm(request.POST or None, preview=preview, saved=saved)
    if request.method == "POST" and form.is_valid():
        try:
            start_upload(record=record, mapping=form.mapping(), save_as=form.cleaned_data["save_as"], now=read_now())
        except UploadRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("admin:campaigns_populationimport_change", record.pk)
    return render_page(
        request,
        "imports/columns.html",
        title="Colonnes du fichier",
        crumbs=[crumb("Imports de population", CHANGELIST)],
        record=record,
        form=form,
        columns=form.columns(),
        mappings=ColumnMapping.objects.all(),
        saved=saved,
    )


@require_POST
def confirm_import(request: HttpRequest, object_id: int) -> HttpResponse:
    return _decide(request, object_id, confirm_upload)


@require_POST
def relaunch_import(request: HttpRequest, object_id: int) -> HttpResponse:
    return _decide(request, object_id, relaunch_upload)


@require_POST
def abandon_import(request: HttpRequest, object_id: int) -> HttpResponse:
    return _decide(request, object_id, abandon_upload)


def _decide(request: HttpRequest, object_id: int, story: Callable[..., None]) -> HttpResponse:
    require_permission(request, "campaigns.add_populationimport")
    record = find_row(PopulationImport.objects.all(), object_id)
    try:
        story(record=record, now=read_now())
    except UploadRefused as refusal:
        messages.error(request, str(refusal))
    else:
        if story is confirm_upload and record.status == ImportStatus.TO_CONFIRM:
            text = "Un autre import a été appliqué entre-temps : voici ce que celui-ci ferait maintenant."
            messages.warning(request, text)
    return redirect("admin:campaigns_populationimport_change", record.pk)


def download_rejections(request: HttpRequest, object_id: int) -> HttpResponse:
    """Every rejected line with its reason."""
    require_permission(request, "campaigns.view_populationimport")
    record = find_row(PopulationImport.objects.all(), object_id)
    return _write_lines(record.rejected_lines.all(), f"rejets-{record.pk}.csv")


def download_emptied(request: HttpRequest, object_id: int) -> HttpResponse:
    """Every line of which a way of contacting was left empty, with the reason."""
    require_permission(request, "campaigns.view_populationimport")
    record = find_row(PopulationImport.objects.all(), object_id)
    return _write_lines(record.emptied_cells.all(), f"vides-{record.pk}.csv")


def _write_lines(lines: QuerySet[Any], name: str) -> HttpResponse:
    """For a spreadsheet; no value of the file is in it."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response.write("\ufeff")
    writer = csv.writer(response, delimiter=";")
    writer.writerow(["ligne", "colonne", "nature de la valeur", "raison"])
    for line in lines.values_list("line", "column", "value_class", "reason").iterator():
        writer.writerow([neutralise(str(value)) for value in line])
    return response
