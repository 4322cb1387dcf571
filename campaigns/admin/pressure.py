"""« Pression de contact »: contacts are only read added up, over all campaigns."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from campaigns.admin.campaign_limits import say_people
from campaigns.admin.charts import build_bar_chart
from campaigns.admin.pages import ReadOnlyAdmin, crumb, render_page, require_permission
from campaigns.models import ContactFact, read_now
from campaigns.pressure_report import read_pressure


@admin.register(ContactFact)
class ContactFactAdmin(ReadOnlyAdmin):
    """The list is the report; a contact alone has no page."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        require_permission(request, "campaigns.view_contactfact")
        pressure = read_pressure(now=read_now())
        rows = [(f"{n} contact{'s' if n > 1 else ''}", people) for n, people in pressure.distribution]
        return render_page(
            request,
            "campaigns/pressure.html",
            title="Pression de contact",
            crumbs=[crumb("Campagnes", "campaigns_campaign_changelist")],
            pressure=pressure,
            at_cap=say_people(pressure.people_at_cap),
            distribution=build_bar_chart(
                "Personnes, selon leurs contacts dans leurs 30 jours les plus chargés", rows, label_label="Contacts"
            ),
            campaigns_7_days=settings.CAP_CAMPAIGNS_7_DAYS,
            contacts_30_days=settings.CAP_CONTACTS_30_DAYS,
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "campaigns.view_contactfact")
        return redirect("admin:campaigns_contactfact_changelist")
