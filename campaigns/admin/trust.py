"""What the DPO reads: consultations and oppositions; and the page where an opposition is lifted."""

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from campaigns.admin.pages import ReadOnlyAdmin, colleague, crumb, find_row, render_page, require_permission
from campaigns.models import AccessLog, Opposition, read_now
from campaigns.oppositions import lift_opposition


@admin.register(AccessLog)
class AccessLogAdmin(ReadOnlyAdmin):
    list_display = ["at", "by", "action", "person", "detail"]
    fields = ["at", "by", "action", "person", "detail"]
    readonly_fields = ["person"]
    list_filter = ["action", "at"]
    list_select_related = ["by"]
    date_hierarchy = "at"
    list_display_links = None
    list_words = {"list_title": "Journal des consultations"}

    @admin.display(description="allocataire")
    def person(self, log: AccessLog) -> str:
        return f"n° {log.allocataire_id}" if log.allocataire_id else "—"


@admin.register(Opposition)
class OppositionAdmin(ReadOnlyAdmin):
    list_display = ["recorded_at", "person", "scope", "source", "recorded_by", "lifted_at"]
    fields = ["recorded_at", "person", "scope", "source", "recorded_by", "lifted_at", "note"]
    readonly_fields = ["person", "scope"]
    list_filter = ["channel", "source", "recorded_at"]
    list_select_related = ["recorded_by"]
    list_display_links = None

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [path("<int:object_id>/lever/", view(show_lifting), name="lift_opposition"), *super().get_urls()]

    @admin.display(description="allocataire")
    def person(self, opposition: Opposition) -> str:
        return f"n° {opposition.allocataire_id}" if opposition.allocataire_id else "destination inconnue"

    @admin.display(description="portée")
    def scope(self, opposition: Opposition) -> str:
        channel = opposition.get_channel_display() if opposition.channel else "tous canaux"
        return f"{channel}, {opposition.theme or 'tous thèmes'}"


def show_lifting(request: HttpRequest, object_id: int) -> HttpResponse:
    """Confirm (GET) then lift (POST) a refusal, because the person asked for it."""
    require_permission(request, "campaigns.change_opposition")
    opposition = find_row(Opposition.objects.all(), object_id)
    back_url = _back_url(opposition)
    if request.method == "POST":
        lift_opposition(opposition=opposition, by=colleague(request), now=read_now())
        messages.success(request, "Opposition levée. C’est inscrit au journal des consultations.")
        return redirect(back_url)
    return render_page(
        request,
        "allocataires/lift_opposition.html",
        title="Lever une opposition",
        opposition=opposition,
        back_url=back_url,
        crumbs=[crumb("Oppositions", "campaigns_opposition_changelist")],
    )


def _back_url(opposition: Opposition) -> str:
    if opposition.allocataire_id:
        return crumb("", "campaigns_allocataire_change", opposition.allocataire_id)["url"]
    return crumb("", "campaigns_opposition_changelist")["url"]
