"""The team of the demo: its accounts, and an agent who makes the day's calls."""

import hashlib
from datetime import datetime, timedelta

from django.contrib.auth.models import Group

from campaigns.models import User
from outreach.call_desk import record_call_result, take_next_call
from outreach.enums import CallResult

PASSWORD = "aller-vers-demo"  # noqa: S105 — printed on the demo's first screen, refused in production settings
ACCOUNTS = {  # user name: (first name, last name, group)
    "agent": ("Nadia", "Roussel", "Agent"),
    "superviseur": ("Paul", "Marchand", "Superviseur"),
    "administrateur": ("Inès", "Caron", "Administrateur"),
    "dpo": ("Hugo", "Lemaire", "DPO-auditeur"),
}


# Beside those that the synthetic population takes (``people``): given to nobody, accepted as mobiles.
TRIAL_MOBILE = "+33750000001"


def create_accounts() -> dict[str, User]:
    """The four demo accounts, one a role; existing ones are left alone."""
    return {name: _account(name, *values) for name, values in ACCOUNTS.items()}


def _account(name: str, first_name: str, last_name: str, group: str) -> User:
    user, created = User.objects.get_or_create(
        username=name,
        defaults={
            "first_name": first_name,
            "last_name": last_name,
            "is_staff": True,
            "email": f"{name}@caf.invalid",
            "mobile": TRIAL_MOBILE,
        },
    )
    if created:
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
    user.groups.add(Group.objects.get(name=group))
    return user


def make_calls(agent: User, now: datetime, *, at_most: int) -> int:
    """Ring up to ``at_most`` people of the list, a minute and a half each; returns how many were rung."""
    for rung in range(at_most):
        call = take_next_call(agent=agent, now=now)
        if call is None:
            return rung
        result = _result_of(call.pk, call.attempts.count())
        minutes = 6 if result is CallResult.REACHED else 1
        record_call_result(call=call, agent=agent, result=result, now=now, minutes=minutes)
        now += timedelta(seconds=1)
    return at_most


def _result_of(call_id: int, tries: int) -> CallResult:
    """Seven in ten answer the first time; those who do not mostly answer later."""
    draw = hashlib.sha256(f"{call_id}:{tries}".encode()).digest()[0] / 256
    if draw < 0.70 + 0.15 * tries:
        return CallResult.REACHED
    return CallResult.VOICEMAIL if draw > 0.97 else CallResult.NO_ANSWER
