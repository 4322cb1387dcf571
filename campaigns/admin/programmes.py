"""Programmes: named sets of campaigns evaluated together."""

from django.contrib import admin

from campaigns.models import Programme


@admin.register(Programme)
class ProgrammeAdmin(admin.ModelAdmin):
    list_display = ["name", "code"]
    search_fields = ["name"]
    filter_horizontal = ["campaigns"]
    prepopulated_fields = {"code": ["name"]}
