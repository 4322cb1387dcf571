"""The column mappings kept under a name: renamed or deleted, where the next import will look for them."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from campaigns.admin.pages import crumb, find_row, render_page, require_permission
from campaigns.models import ColumnMapping
from campaigns.population_uploads import UploadRefused, rename_column_mapping

_PERMISSION = "campaigns.add_populationimport"


def show_mappings(request: HttpRequest) -> HttpResponse:
    require_permission(request, _PERMISSION)
    return render_page(
        request,
        "imports/mappings.html",
        title="Correspondances de colonnes",
        crumbs=[crumb("Imports de population", "campaigns_populationimport_changelist")],
        mappings=ColumnMapping.objects.all(),
    )


@require_POST
def rename_mapping(request: HttpRequest, object_id: int) -> HttpResponse:
    require_permission(request, _PERMISSION)
    mapping = find_row(ColumnMapping.objects.all(), object_id)
    try:
        rename_column_mapping(mapping=mapping, name=request.POST.get("name", ""))
    except UploadRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"La correspondance s’appelle maintenant « {mapping.name} ».")
    return redirect("admin:column_mappings")


@require_POST
def delete_mapping(request: HttpRequest, object_id: int) -> HttpResponse:
    """The imports that used it keep their own copy of the columns."""
    require_permission(request, _PERMISSION)
    mapping = find_row(ColumnMapping.objects.all(), object_id)
    mapping.delete()
    messages.success(request, f"La correspondance « {mapping.name} » est supprimée.")
    return redirect("admin:column_mappings")
