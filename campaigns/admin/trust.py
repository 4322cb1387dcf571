"""What the DPO reads: consultations and oppositions."""

from django.contrib import admin

from campaigns.admin.pages import ReadOnlyAdmin
from campaigns.models import AccessLog, Opposition


@admin.register(AccessLog)
class AccessLogAdmin(ReadOnlyAdmin):
    list_display = ["at", "by", "action", "person", "detail"]
    fields = ["at", "by", "action", "person", "detail"]
    readonly_fields = ["person"]
    list_filter = ["action", "at"]
    list_select_related = ["by"]
    date_hierarchy = "at"
    list_display_links = None

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

    @admin.display(description="allocataire")
    def person(self, opposition: Opposition) -> str:
        return f"n° {opposition.allocataire_id}" if opposition.allocataire_id else "destination inconnue"

    @admin.display(description="portée")
    def scope(self, opposition: Opposition) -> str:
        channel = opposition.get_channel_display() if opposition.channel else "tous canaux"
        return f"{channel}, {opposition.theme or 'tous thèmes'}"
