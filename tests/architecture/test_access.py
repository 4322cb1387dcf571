"""Every URL × role. An address that ``access.txt`` does not name fails: somebody must decide who may open it."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.converters import UUIDConverter

from campaigns.admin.stages import ACTIONS_BY_SLUG
from campaigns.models import User
from outreach.roles import ROLES, load_roles

TABLE = Path(__file__).with_name("access.txt")
ARGUMENTS = {"admin:app_list": {"app_label": "outreach"}}
# Django's admin: the last page tried, and the former address of a change page (it redirects).
NAMELESS = {r"(?P<url>.*)$", "<path:object_id>/"}
EVERYBODY = "public"
# Django's views of its own session: nothing of ours to protect.
DJANGO = {"admin:login", "admin:logout", "admin:jsi18n", "admin:autocomplete", "admin:view_on_site"}


def named_addresses(resolver: URLResolver, namespace: str = "") -> Iterator[tuple[str, str]]:
    """Each name with an address made of numbers 0."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from named_addresses(pattern, inner)
        elif pattern.name:
            name = f"{namespace}{pattern.name}"
            if name == "admin:campaign_move":
                for slug in ACTIONS_BY_SLUG:  # one address, a permission a move
                    yield f"{name}:{slug}", reverse(name, kwargs={"object_id": 0, "slug": slug})
            else:
                yield name, reverse(name, kwargs=ARGUMENTS.get(name) or _zeros(pattern))


def _zeros(pattern: URLPattern) -> dict[str, object]:
    converters = pattern.pattern.converters
    return {n: UUID(int=0) if isinstance(c, UUIDConverter) else 0 for n, c in converters.items()}


def written_table() -> dict[str, set[str]]:
    """``access.txt``: an address, then who may open it (``-``: nobody but a superuser)."""
    lines = [line.split(maxsplit=1) for line in TABLE.read_text("utf-8").splitlines() if line and line[0] != "#"]
    return {name: set() if who == "-" else set(who.split(", ")) for name, who in lines}


def observed_access(client: Client, address: str) -> str:
    """``login``, ``denied`` or ``open``, for whoever is signed in. No object has the number 0: a page that would
    show it answers 302 or 404 once the permission is granted."""
    response = client.get(address)
    if response.status_code == 405:
        response = client.post(address)
    if response.status_code == 302 and response["Location"].startswith(reverse("admin:login")):
        return "login"
    return "denied" if response.status_code == 403 else "open"


@pytest.fixture
def clients(db: None) -> dict[str, Client]:
    load_roles()
    found = {EVERYBODY: Client()}
    for role in ROLES:
        user = User.objects.create_user(username=role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        found[role] = Client()
        found[role].force_login(user)
    return found


def test_who_may_open_what(clients: dict[str, Client]) -> None:
    observed = {
        name: {who for who, client in clients.items() if observed_access(client, address) == "open"}
        for name, address in sorted(set(named_addresses(get_resolver())))
        if name not in DJANGO
    }
    written = written_table()
    changed = [f"{name}  {', '.join(sorted(who)) or '-'}" for name, who in observed.items() if written.get(name) != who]
    assert changed == [], "access.txt says otherwise, or nothing, about:\n" + "\n".join(changed)
    assert set(written) - set(observed) == set()


def test_every_address_has_a_name() -> None:
    """A nameless address escapes the table."""
    assert {str(p.pattern) for p in _patterns(get_resolver()) if not p.name} <= NAMELESS


def _patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern)
        else:
            yield pattern


def test_an_address_that_cannot_be_a_number_is_not_found(admin_client: Client) -> None:
    tried = 0
    for name, address in named_addresses(get_resolver()):
        if name.startswith("admin:") and "/0/" in address:
            tried += 1
            response = admin_client.get(address.replace("/0/", "/rien/"), follow=True)
            assert response.status_code in {200, 403, 404, 405}, name
    assert tried > 50
