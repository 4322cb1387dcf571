"""Where things are: eight tasks, each shown only to those who may do it."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True)
class Task:
    """An entry of the navigation. ``permission`` empty: everybody who works here."""

    label: str
    url_name: str
    permission: str = ""
    models: frozenset[str] = frozenset()  # pages whose address starts with these belong here too


@dataclass(frozen=True)
class Item:
    label: str
    url: str
    is_current: bool
    current: str  # "page" on the page itself, "true" on a page below it


TASKS = (
    Task("Aujourd’hui", "index"),
    Task(
        "Campagnes",
        "campaigns_campaign_changelist",
        "campaigns.view_campaign",
        frozenset({"campaigns_campaign", "campaigns_plan", "outreach_touch"}),
    ),
    Task("Segments", "campaigns_segment_changelist", "campaigns.view_segment", frozenset({"campaigns_segment"})),
    Task("Appels", "outreach_call_changelist", "outreach.view_call", frozenset({"outreach_call"})),
    Task("Réponses", "outreach_reply_changelist", "outreach.view_reply", frozenset({"outreach_reply"})),
    Task(
        "Bilans",
        "outreach_outcome_changelist",
        "outreach.view_outcome",
        frozenset({"outreach_outcome", "campaigns_programme"}),
    ),
    Task(
        "Allocataires",
        "campaigns_allocataire_changelist",
        "campaigns.view_allocataire",
        frozenset({"campaigns_allocataire"}),
    ),
    Task("Réglages", "reglages"),
)


def build_navigation(request: HttpRequest) -> list[Item]:
    """The tasks open to this user, with the one she is in. Shape: ``[Item]`` in the order of the day."""
    allowed = [task for task in TASKS if not task.permission or request.user.has_perm(task.permission)]
    match = request.resolver_match
    here = match.url_name if match and match.url_name else ""
    current = next((task for task in allowed if _holds(task, here)), None)
    if current is None and here:
        current = TASKS[-1]
    return [_item(task, is_current=task == current, here=here) for task in allowed]


def _holds(task: Task, url_name: str) -> bool:
    return url_name == task.url_name or any(url_name.startswith(f"{model}_") for model in task.models)


def _item(task: Task, *, is_current: bool, here: str) -> Item:
    current = "page" if here == task.url_name else "true"
    return Item(label=task.label, url=reverse(f"admin:{task.url_name}"), is_current=is_current, current=current)
