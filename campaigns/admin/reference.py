"""Small tables that an administrateur keeps: kinds of régularisation, attributes, communes."""

from django.contrib import admin

from campaigns.admin.pages import GuardedAdmin, ReadOnlyAdmin
from campaigns.models import Commune, ExtraAttribute, RegularisationKind


@admin.register(RegularisationKind)
class RegularisationKindAdmin(GuardedAdmin):
    list_display = ["label", "code", "stage", "nature", "feed_max_age_days"]
    list_filter = ["stage", "nature"]
    search_fields = ["label", "code"]


@admin.register(ExtraAttribute)
class ExtraAttributeAdmin(GuardedAdmin):
    list_display = ["label", "code", "type", "origin", "is_sensitive"]
    search_fields = ["label", "code"]


@admin.register(Commune)
class CommuneAdmin(ReadOnlyAdmin):
    list_display = ["name", "code", "department", "epci", "population"]
    list_filter = ["department"]
    list_select_related = ["epci"]
    search_fields = ["name", "code"]
