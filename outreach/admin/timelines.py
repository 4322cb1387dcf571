"""The page of all that contacted, or will contact, one person."""

from django.http import HttpRequest, HttpResponse

from campaigns.admin.masking import mask_matricule
from campaigns.admin.pages import colleague, crumb, find_row, render_page, require_permission
from campaigns.models import AccessLog, Allocataire, read_now
from outreach.timeline import read_timeline


def show_timeline(request: HttpRequest, object_id: int) -> HttpResponse:
    """Read by whoever may open the person's page; each look is logged."""
    require_permission(request, "campaigns.view_allocataire")
    require_permission(request, "outreach.view_call")
    person = find_row(Allocataire.objects.all(), object_id)
    now = read_now()
    AccessLog.objects.create(by=colleague(request), at=now, action="historique des contacts", allocataire=person)
    entries = read_timeline(allocataire=person, now=now)
    return render_page(
        request,
        "explanations/timeline.html",
        title="Tous ses contacts",
        crumbs=[
            crumb("Allocataires", "campaigns_allocataire_changelist"),
            crumb(f"Allocataire {mask_matricule(person.matricule)}", "campaigns_allocataire_change", person.pk),
        ],
        person=person,
        coming=[entry for entry in reversed(entries) if entry.is_coming],
        past=[entry for entry in entries if not entry.is_coming],
    )
