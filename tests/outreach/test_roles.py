"""Roles say exactly what the code says, and no more."""

import pytest
from django.contrib.auth.models import Group, Permission

from outreach import roles
from outreach.roles import ADMINISTRATEUR, AGENT, DPO, ROLES, SUPERVISEUR, UnknownPermission, load_roles

DECIDES = {
    "campaigns.approve_campaign",
    "campaigns.resume_campaign",
    "campaigns.override_campaign",
    "campaigns.export_allocataire",
    "outreach.change_touch",
}
NOMINATIVE = {
    "campaigns.view_allocataire",
    "campaigns.add_accesslog",
    "campaigns.view_opposition",
    "outreach.view_call",
    "outreach.view_reply",
    "outreach.change_touch",
}


def stored(role: str) -> set[str]:
    permissions = Permission.objects.filter(group__name=role).select_related("content_type")
    return {f"{each.content_type.app_label}.{each.codename}" for each in permissions}


@pytest.mark.django_db
def test_the_database_says_what_the_code_says_however_often_it_is_loaded() -> None:
    assert load_roles() == load_roles() == 4
    assert {role: stored(role) for role in ROLES} == {role: set(codes) for role, codes in ROLES.items()}


@pytest.mark.django_db
def test_a_permission_added_by_hand_goes() -> None:
    load_roles()
    Group.objects.get(name=AGENT).permissions.add(Permission.objects.get(codename="approve_campaign"))
    load_roles()
    assert "campaigns.approve_campaign" not in stored(AGENT)


@pytest.mark.django_db
def test_an_unknown_permission_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "ROLES", {"Essai": frozenset({"campaigns.fly"})})
    with pytest.raises(UnknownPermission, match=r"campaigns\.fly"):
        load_roles()
    assert not Group.objects.filter(name="Essai").exists()


def test_an_agent_prepares_and_never_decides() -> None:
    assert not ROLES[AGENT] & DECIDES
    assert {"campaigns.submit_campaign", "campaigns.pause_campaign"} <= ROLES[AGENT]


def test_a_superviseur_does_all_that_an_agent_does() -> None:
    assert ROLES[AGENT] | DECIDES <= ROLES[SUPERVISEUR]


def test_an_administrateur_sees_nobody() -> None:
    assert not ROLES[ADMINISTRATEUR] & NOMINATIVE


def test_the_dpo_reads_and_writes_nothing() -> None:
    assert all(code.split(".")[1].startswith("view_") for code in ROLES[DPO])
    assert {"campaigns.view_accesslog", "campaigns.view_opposition"} <= ROLES[DPO]


def test_only_the_dpo_reads_who_looked_at_whom() -> None:
    assert [role for role, codes in ROLES.items() if "campaigns.view_accesslog" in codes] == [DPO]
