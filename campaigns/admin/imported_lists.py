"""Imported lists: upload of a delivery, what became of its lines, end of use. No page shows who is on them."""

import csv
import tempfile
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from campaigns.admin.campaign_limits import say_people
from campaigns.admin.pages import ReadOnlyAdmin, colleague, counted, crumb, find_row, render_page, require_permission
from campaigns.criteria_users import find_users_of_list
from campaigns.imported_lists import REPORTED_LINES, Delivery, ListInUse, ListRefused, archive_list, import_list
from campaigns.models import ImportedList, read_now
from campaigns.rules.french import french_number
from campaigns.rules.spreadsheets import neutralise

CHANGELIST = "campaigns_importedlist_changelist"
LEAD = (
    "Une liste établie ailleurs — un datamining national, un partenaire — devient un critère de segment. "
    "Un nom déjà connu remplace la livraison précédente."
)
SHOWN_LINES = 500
REJECTED = ("line", "column", "reason")
LINES_NOTE = f"{SHOWN_LINES} au plus sont montrées ici, {french_number(REPORTED_LINES)} gardées ; toutes sont comptées."


class ListFileForm(forms.Form):
    file = forms.FileField(
        label="Fichier de la liste",
        help_text="Classeur Excel (XLSX) ou CSV, avec une colonne matricule. Les autres colonnes ne sont pas gardées.",
        error_messages={"empty": "Ce fichier est vide (0 octet). Demandez-le de nouveau à qui l’a établi."},
    )
    name = forms.CharField(label="Nom de la liste", max_length=80, help_text="Par exemple : Datamining PPA.")
    origin = forms.CharField(label="Origine", max_length=80, help_text="Qui l’a établie : Cnaf, partenaire, service…")
    as_of = forms.DateField(label="Établie le", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    is_sensitive = forms.BooleanField(
        label="Liste sensible",
        required=False,
        help_text="Y figurer révèle la santé ou l’origine : les segments qui s’en servent demandent une justification.",
    )


@admin.register(ImportedList)
class ImportedListAdmin(ReadOnlyAdmin):
    list_display = [
        "name", "origin", "as_of", counted("people_count", "personnes"), "imported_at", "by", "archived_at",
    ]  # fmt: skip
    list_select_related = ["by"]
    search_fields = ["name", "origin"]
    list_words = {
        "page_help": LEAD,
        "add_label": "Importer une liste",
        "empty_title": "Aucune liste importée",
        "empty_text": "Il suffit d’un fichier avec une colonne matricule. La liste devient un critère des segments.",
    }

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("campaigns.add_importedlist")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:object_id>/archiver/", view(end_list), name="imported_list_archive"),
            path("<int:object_id>/rejets.csv", view(download_lines), name="imported_list_rejections"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Upload one delivery and read it at once. ``?liste=``: another one of a list that is known."""
        require_permission(request, "campaigns.add_importedlist")
        form = ListFileForm(request.POST or None, request.FILES or None, initial=_known_list(request))
        if request.method == "POST" and form.is_valid():
            try:
                done = _import(request, **form.cleaned_data)
            except ListRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"Liste « {done.name} » : {say_people(done.people_count)}.")
                return redirect("admin:campaigns_importedlist_change", done.pk)
        crumbs = [crumb("Listes importées", CHANGELIST)]
        return render_page(
            request, "imports/upload.html", title="Importer une liste", form=form, crumbs=crumbs, lead=LEAD
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What the last delivery gave, and what uses the list."""
        require_permission(request, "campaigns.view_importedlist")
        done = find_row(ImportedList.objects.select_related("by"), object_id)
        return render_page(
            request,
            "imports/list.html",
            title=done.name,
            crumbs=[crumb("Listes importées", CHANGELIST)],
            done=done,
            users=find_users_of_list(done),
            lines=[dict(zip(REJECTED, line, strict=True)) for line in done.rejected[:SHOWN_LINES]],
            lines_note=LINES_NOTE if done.unknown_count + done.rejected_count > SHOWN_LINES else "",
        )


def _known_list(request: HttpRequest) -> dict[str, Any]:
    number = request.GET.get("liste", "")
    known = ImportedList.objects.filter(pk=number).first() if number.isdecimal() and len(number) < 10 else None
    return {"name": known.name, "origin": known.origin, "is_sensitive": known.is_sensitive} if known else {}


def _import(request: HttpRequest, *, file: UploadedFile, **delivery: Any) -> ImportedList:
    """The upload as a file that the story can read, removed afterwards: it holds personal data."""
    with tempfile.TemporaryDirectory(prefix="aller-vers-") as folder:
        target = Path(folder) / "liste"
        with target.open("wb") as kept:
            kept.writelines(file.chunks())
        return import_list(
            path=target,
            file_name=str(file.name),
            delivery=Delivery(**delivery),
            by=colleague(request),
            now=read_now(),
        )


@require_POST
def end_list(request: HttpRequest, object_id: int) -> HttpResponse:
    """Archive a list that nothing uses; a refusal names what does."""
    require_permission(request, "campaigns.change_importedlist")
    kept = find_row(ImportedList.objects.all(), object_id)
    try:
        archive_list(imported_list=kept, now=read_now())
    except ListInUse as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Liste « {kept.name} » archivée : ses personnes sont oubliées.")
    return redirect("admin:campaigns_importedlist_change", object_id)


def download_lines(request: HttpRequest, object_id: int) -> HttpResponse:
    """The lines that were not taken, with their reason, for a spreadsheet. No value of the file is in it."""
    require_permission(request, "campaigns.view_importedlist")
    kept = find_row(ImportedList.objects.all(), object_id)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="rejets-liste-{kept.pk}.csv"'
    response.write("\ufeff")
    writer = csv.writer(response, delimiter=";")
    writer.writerow(["ligne", "colonne", "raison"])
    writer.writerows([neutralise(str(cell)) for cell in line] for line in kept.rejected)
    return response
