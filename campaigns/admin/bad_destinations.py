"""Addresses to correct: whose, since when and why; the address itself is on the person's page, masked."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from campaigns.admin.masking import mask_matricule
from campaigns.admin.pages import ReadOnlyAdmin
from campaigns.bad_destinations import mark_corrected
from campaigns.models import BadDestination, read_now


class ToCorrectFilter(admin.SimpleListFilter):
    """What is left to do comes first; what was corrected is there for who looks for it."""

    title = "suite"
    parameter_name = "suite"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("corrigees", "Corrigées")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Without a choice, the list is not everything."""
        first, *others = super().choices(changelist)
        return iter([{**first, "display": "À corriger"}, *others])

    def queryset(self, request: HttpRequest, queryset: QuerySet[BadDestination]) -> QuerySet[BadDestination]:
        return queryset.filter(corrected_at__isnull=self.value() != "corrigees")


@admin.register(BadDestination)
class BadDestinationAdmin(ReadOnlyAdmin):
    list_display = ["since", "person", "channels", "reason", "corrected_at"]
    fields = ["since", "person", "channels", "reason", "corrected_at"]
    readonly_fields = ["person", "channels"]
    list_filter = [ToCorrectFilter, "reason", "channel"]
    list_select_related = ["allocataire"]
    list_display_links = None
    actions = ["correct"]
    list_words = {
        "page_help": "Ces numéros et ces adresses ne servent plus. Un import qui en apporte d’autres suffit ; si l’un "
        "était bon, cochez sa ligne et choisissez « Marquer comme corrigées ».",
        "empty_title": "Aucune coordonnée à corriger",
        "empty_text": "Les numéros et adresses que l’opérateur, un serveur d’e-mail ou un appel disent mauvais "
        "viendront ici.",
    }

    @admin.display(description="allocataire")
    def person(self, bad: BadDestination) -> str:
        page = reverse("admin:campaigns_allocataire_change", args=[bad.allocataire_id])
        return format_html('<a href="{}">{}</a>', page, mask_matricule(bad.allocataire.matricule))

    @admin.display(description="canal")
    def channels(self, bad: BadDestination) -> str:
        return bad.get_channel_display() if bad.channel else "Tous"

    def has_correct_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("campaigns.change_baddestination")

    @admin.action(description="Marquer comme corrigées", permissions=["correct"])
    def correct(self, request: HttpRequest, queryset: QuerySet[BadDestination]) -> None:
        count = mark_corrected(ids=queryset.values_list("pk", flat=True), now=read_now())
        messages.success(request, f"Coordonnées qui serviront de nouveau : {count}.")
