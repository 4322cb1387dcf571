"""Bilans."""

from django.contrib import admin

from campaigns.admin.pages import ReadOnlyAdmin
from outreach.models import Outcome


@admin.register(Outcome)
class OutcomeAdmin(ReadOnlyAdmin):
    list_display = ["member"]
