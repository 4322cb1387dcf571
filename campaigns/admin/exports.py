"""Exports: asked on a page, made by POST, masked for whoever may not export addresses, always logged."""

from collections.abc import Iterator

from django import forms
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from campaigns.admin.pages import colleague, crumb, find_row, render_page, require_permission
from campaigns.exports import Row, export_audience, export_segment, write_csv, write_xlsx
from campaigns.models import Audience, Segment, read_now
from campaigns.rules.criteria import InvalidCriteria

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ExportForm(forms.Form):
    file_format = forms.ChoiceField(
        label="Format", choices=[("xlsx", "Excel (XLSX)"), ("csv", "CSV pour Excel (point-virgule)")]
    )


def show_segment_export(request: HttpRequest, object_id: int) -> HttpResponseBase:
    """The people who meet the criteria today."""
    require_permission(request, "campaigns.view_allocataire")
    segment = find_row(Segment.objects.all(), object_id)
    form = ExportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        now = read_now()
        try:
            rows = export_segment(
                segment=segment,
                is_masked=_is_masked(request),
                by=colleague(request),
                now=now,
                today=timezone.localdate(now),
            )
        except InvalidCriteria as problem:
            form.add_error(None, str(problem))
        else:
            return send_rows(rows, form.cleaned_data["file_format"], f"segment-{segment.pk}")
    about = crumb(segment.name, "campaigns_segment_change", segment.pk)
    return _ask(
        request, form, f"le segment « {segment.name} »", [crumb("Segments", "campaigns_segment_changelist"), about]
    )


def show_audience_export(request: HttpRequest, object_id: int) -> HttpResponseBase:
    """Everybody that a frozen wave targeted, with arms and exclusions."""
    require_permission(request, "campaigns.view_allocataire")
    audience = find_row(Audience.objects.select_related("campaign"), object_id)
    form = ExportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        rows = export_audience(audience=audience, is_masked=_is_masked(request), by=colleague(request), now=read_now())
        return send_rows(rows, form.cleaned_data["file_format"], f"audience-{audience.pk}")
    campaign = audience.campaign
    crumbs = [
        crumb("Campagnes", "campaigns_campaign_changelist"),
        crumb(campaign.name, "campaign_audience", campaign.pk),
    ]
    return _ask(request, form, f"la vague {audience.number} de « {campaign.name} »", crumbs)


def _is_masked(request: HttpRequest) -> bool:
    return not request.user.has_perm("campaigns.export_allocataire")


def send_rows(rows: Iterator[Row], file_format: str, name: str) -> HttpResponseBase:
    if file_format == "csv":
        lines = (line.encode() for line in write_csv(rows))
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)
    book = write_xlsx(rows, title=name)
    return FileResponse(book, as_attachment=True, filename=f"{name}.xlsx", content_type=XLSX)


def _ask(request: HttpRequest, form: ExportForm, about: str, crumbs: list[dict[str, str]]) -> HttpResponse:
    return render_page(
        request,
        "campaigns/export.html",
        title="Exporter des personnes",
        crumbs=crumbs,
        form=form,
        about=about,
        is_masked=_is_masked(request),
        back_url=crumbs[-1]["url"],
    )
