"""What tests of pages share: people with a role, signed in, and the number of queries a page may make."""

from django.contrib.auth.models import Group
from django.test import Client

from campaigns.models import User
from outreach.roles import load_roles
from tests.factories import make_user

MAX_QUERIES = 20
PASSWORD = "un-mot-de-passe-de-test"


def make_colleague(role: str, username: str = "") -> User:
    """The user of this role, made the first time, with ``PASSWORD``."""
    load_roles()
    name = username or role.lower()
    user = User.objects.filter(username=name).first() or make_user(name, password=PASSWORD)
    user.groups.add(Group.objects.get(name=role))
    return user


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
