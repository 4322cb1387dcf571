"""Programmes: named sets of campaigns evaluated together."""

from django.contrib import admin

from campaigns.admin.pages import GuardedAdmin
from campaigns.models import Programme


@admin.register(Programme)
class ProgrammeAdmin(GuardedAdmin):
    list_display = ["name", "code"]
    search_fields = ["name"]
    prepopulated_fields = {"code": ["name"]}
