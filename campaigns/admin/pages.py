"""What the pages of the campaigns' admin share."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.forms import CheckboxSelectMultiple
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from campaigns.models import User
from campaigns.rules.french import french_number

Row = TypeVar("Row", bound=Model)


def require_permission(request: HttpRequest, permission: str) -> None:
    """Deny by default: 403 without this permission."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


def colleague(request: HttpRequest) -> User:
    """Who is signed in; the site lets nobody else in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def render_page(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
    """A page of ours inside the admin. ``crumbs``: what stands between home and the title, see ``crumb``."""
    return TemplateResponse(request, template, admin.site.each_context(request) | context, status=status)


def crumb(label: str, url_name: str, *args: Any) -> dict[str, str]:
    return {"label": label, "url": reverse(f"admin:{url_name}", args=args)}


def counted(name: str, label: str) -> Callable[[Model], str]:
    """A column of a list: the number in that field, written in French."""

    @admin.display(description=label, ordering=name)
    def count(row: Model) -> str:
        return french_number(getattr(row, name))

    return count


def find_row(rows: QuerySet[Row], object_id: str | int) -> Row:
    """The row of an address, or 404: also when what stands in the address cannot be a number."""
    try:
        return get_object_or_404(rows, pk=object_id)
    except (ValueError, ValidationError):
        raise Http404 from None


class GuardedAdmin(admin.ModelAdmin):
    """Django's pages, with the permission asked before the row is looked for, and no count that reads whole tables."""

    show_facets = admin.ShowFacets.NEVER
    # What the page of the list says: page_help, add_label, list_title where it is not the plural of its rows, and
    # empty_title, empty_text while there is nothing.
    list_words: Mapping[str, str] = {}

    def get_action_choices(self, request: HttpRequest, default_choices: Any = None) -> Any:
        return super().get_action_choices(request, [("", "Choisir…")])

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {**self.list_words, **(extra_context or {})})

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A list to tick: the two lists of Django's admin ask for a pointer and a wide screen."""
        ticks = CheckboxSelectMultiple(attrs={"class": "av-ticks"})
        return super().formfield_for_manytomany(db_field, request, widget=ticks, **kwargs)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)


class ReadOnlyAdmin(GuardedAdmin):
    """Rows that only stories write: seen here, never edited."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
