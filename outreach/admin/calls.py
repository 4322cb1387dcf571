"""The call desk."""

from django.contrib import admin

from campaigns.admin.pages import ReadOnlyAdmin
from outreach.models import Call


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    list_display = ["listed_on", "done_at"]
