"""Roles as code: who may do what. Deny by default; ``load_roles`` makes the groups say exactly this."""

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

AGENT = "Agent"
SUPERVISEUR = "Superviseur"
ADMINISTRATEUR = "Administrateur"
DPO = "DPO-auditeur"

_READING_CAMPAIGNS = frozenset(
    {
        "campaigns.view_campaign",
        "campaigns.view_plan",
        "campaigns.view_programme",
        "campaigns.view_segment",
        "campaigns.view_regularisationkind",
        "outreach.view_night",
    }
)
_WORKING = _READING_CAMPAIGNS | {
    "campaigns.add_segment",
    "campaigns.change_segment",
    "campaigns.add_campaign",
    "campaigns.change_campaign",
    "campaigns.submit_campaign",
    "campaigns.pause_campaign",
    "campaigns.view_allocataire",
    "campaigns.view_contactfact",
    "campaigns.add_accesslog",  # seeing contact points writes an access: who may not write one may not see them
    "campaigns.view_opposition",
    "campaigns.add_opposition",
    "campaigns.view_importedlist",
    "campaigns.view_baddestination",
    "campaigns.change_baddestination",
    "outreach.view_call",
    "outreach.add_callattempt",
    "outreach.view_reply",
    "outreach.change_reply",
    "outreach.view_outcome",
}
_SUPERVISING = _WORKING | {
    "campaigns.approve_campaign",
    "campaigns.resume_campaign",
    "campaigns.override_campaign",
    "campaigns.change_opposition",  # lifts a refusal, when the person asks for it
    "campaigns.export_allocataire",
    "campaigns.delete_segment",
    "campaigns.add_importedlist",
    "campaigns.change_importedlist",
    "campaigns.add_programme",
    "campaigns.change_programme",
    "outreach.view_callhandover",
    "outreach.add_callhandover",
    "outreach.view_callresultimport",
    "outreach.add_callresultimport",
    "outreach.change_touch",
    "outreach.change_fence",
    "outreach.view_regularisationimport",
    "outreach.add_regularisationimport",
}
_ADMINISTERING = _READING_CAMPAIGNS | {
    "outreach.change_fence",  # opens sending again after a restore
    "campaigns.view_user",
    "campaigns.add_user",
    "campaigns.change_user",
    "campaigns.add_plan",
    "campaigns.view_populationimport",
    "campaigns.add_populationimport",
    "campaigns.view_importedlist",
    "campaigns.add_importedlist",
    "campaigns.change_importedlist",
    "campaigns.view_commune",
    "campaigns.view_extraattribute",
    "campaigns.add_extraattribute",
    "campaigns.change_extraattribute",
    "campaigns.add_regularisationkind",
    "campaigns.change_regularisationkind",
    "outreach.view_regularisationimport",
    "outreach.add_regularisationimport",
}
_AUDITING = _READING_CAMPAIGNS | {
    "campaigns.view_accesslog",
    "campaigns.view_opposition",
    "campaigns.view_user",
}

ROLES: dict[str, frozenset[str]] = {
    AGENT: frozenset(_WORKING),
    SUPERVISEUR: frozenset(_SUPERVISING),
    ADMINISTRATEUR: frozenset(_ADMINISTERING),
    DPO: frozenset(_AUDITING),
}


class UnknownPermission(Exception):
    """A role names a permission that no model declares."""


@transaction.atomic
def load_roles() -> int:
    """Create the groups and set their permissions to exactly ``ROLES``. Idempotent; returns how many roles there are.

    Raises ``UnknownPermission`` rather than give less than the code says.
    """
    for name, codes in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(_find_permissions(name, codes))
    return len(ROLES)


def _find_permissions(role: str, codes: frozenset[str]) -> list[Permission]:
    wanted = Q()
    for code in codes:
        app, _, codename = code.partition(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    found = list(Permission.objects.filter(wanted).select_related("content_type"))
    missing = codes - {f"{each.content_type.app_label}.{each.codename}" for each in found}
    if missing:
        raise UnknownPermission(f"Le rôle « {role} » nomme des permissions inconnues : {', '.join(sorted(missing))}.")
    return found
