"""The differences, person by person, of an import that waits to be confirmed."""

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from campaigns.admin.pages import colleague, crumb, find_row, render_page, require_permission
from campaigns.exports import write_csv
from campaigns.models import PopulationImport, read_now
from campaigns.population_differences import LISTED_MAX, export_differences, fields_shown, matricule_shown

A_PAGE = 100
READING = ("campaigns.view_populationimport", "campaigns.export_allocataire")


def show_differences(request: HttpRequest, object_id: int) -> HttpResponse:
    """Who, and which data, masked; in clear only in the file of those who may export people."""
    if not any(map(request.user.has_perm, READING)):
        raise PermissionDenied
    record = find_row(PopulationImport.objects.all(), object_id)
    page = Paginator(record.differences.select_related("allocataire"), A_PAGE).get_page(request.GET.get("page"))
    rows = [
        {"kind": d.get_kind_display(), "line": d.line, "matricule": matricule_shown(d), "fields": fields_shown(d)}
        for d in page.object_list
    ]
    crumbs = []
    if request.user.has_perm("campaigns.view_populationimport"):
        crumbs = [
            crumb("Imports de population", "campaigns_populationimport_changelist"),
            crumb(record.file_name, "campaigns_populationimport_change", record.pk),
        ]
    return render_page(
        request, "imports/differences.html", title="Différences, personne par personne", crumbs=crumbs, record=record,
        page=page, rows=rows, may_download=request.user.has_perm("campaigns.export_allocataire"), most=LISTED_MAX,
    )  # fmt: skip


def download_differences(request: HttpRequest, object_id: int) -> HttpResponseBase:
    """In clear, logged."""
    require_permission(request, "campaigns.export_allocataire")
    record = find_row(PopulationImport.objects.all(), object_id)
    rows = export_differences(record=record, by=colleague(request), now=read_now())
    headers = {"Content-Disposition": f'attachment; filename="differences-{record.pk}.csv"'}
    lines = (line.encode() for line in write_csv(rows))
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)
