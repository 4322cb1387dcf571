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
    also: tuple[str, ...] = ()  # lists whose pages belong to this task too


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
        also=("campaigns_plan_changelist", "campaigns_contactfact_changelist", "campaigns_trial_changelist"),
    ),
    Task("Segments", "campaigns_segment_changelist", "campaigns.view_segment"),
    Task(
        "Appels",
        "outreach_call_changelist",
        "outreach.view_call",
        also=("outreach_callhandover_changelist", "outreach_callresultimport_changelist"),
    ),
    Task("Réponses", "outreach_reply_changelist", "outreach.view_reply"),
    Task("Bilans", "outreach_outcome_changelist", "outreach.view_outcome", also=("campaigns_programme_changelist",)),
    Task(
        "Allocataires",
        "campaigns_allocataire_changelist",
        "campaigns.view_allocataire",
        also=("campaigns_baddestination_changelist",),
    ),
    Task("Réglages", "reglages"),
)


def build_navigation(request: HttpRequest) -> list[Item]:
    """The tasks open to this user, with the one she is in. Shape: ``[Item]`` in the order of the day."""
    allowed = [task for task in TASKS if not task.permission or request.user.has_perm(task.permission)]
    current = next((task for task in allowed if _holds(task, request.path)), TASKS[-1])
    return [_item(task, is_current=task == current, path=request.path) for task in allowed]


def _holds(task: Task, path: str) -> bool:
    """Home is only itself; every page below a list belongs to the list's task."""
    if task.url_name == "index":
        return path == reverse("admin:index")
    return path.startswith(tuple(reverse(f"admin:{name}") for name in (task.url_name, *task.also)))


def _item(task: Task, *, is_current: bool, path: str) -> Item:
    url = reverse(f"admin:{task.url_name}")
    return Item(label=task.label, url=url, is_current=is_current, current="page" if path == url else "true")
