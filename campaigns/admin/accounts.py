"""Accounts and roles. An administrateur gives roles to others, never to herself, and never touches a superuser."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.admin.pages import GuardedAdmin
from campaigns.models import User

admin.site.unregister(Group)  # roles are code: outreach.roles


@admin.register(User)
class AccountAdmin(GuardedAdmin, UserAdmin):
    list_display = ["username", "last_name", "first_name", "roles", "is_active", "last_login"]
    list_filter = ["groups", "is_active"]
    fieldsets = (
        (None, {"fields": ["username", "password_page"]}),
        ("Personne", {"fields": ["first_name", "last_name", "email", "mobile"]}),
        ("Accès", {"fields": ["is_active", "is_staff", "groups", "is_superuser"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    )
    filter_horizontal = ()
    readonly_fields = ["password_page", "last_login", "date_joined"]

    @admin.display(description="rôles")
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all()) or "aucun"

    @admin.display(description="mot de passe")
    def password_page(self, user: User) -> SafeString:
        """A link: what is stored of a password is of no use to anybody."""
        address = reverse("admin:auth_user_password_change", args=[user.pk])
        return format_html('<a href="{}">Changer le mot de passe</a>', address)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [(None, {"fields": ["username"]}), *fieldsets[1:]]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fields
        fields.append("is_superuser")
        return [*fields, "groups", "is_active", "is_staff"] if obj == request.user else fields

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_within_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Accounts are made inactive: what they did keeps their name."""
        return False

    def _is_within_reach(self, request: HttpRequest, obj: User | None) -> bool:
        return obj is None or request.user.is_superuser or not obj.is_superuser
