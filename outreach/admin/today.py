"""What needs one today, read in a few queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.urls import reverse

from campaigns.admin.badges import Badge, campaign_badge
from campaigns.enums import CampaignStatus
from campaigns.models import Campaign, CampaignMove, ImportStatus, PopulationImport, User
from outreach.admin.badges import night_badge
from outreach.enums import TouchStatus
from outreach.models import Call, Canary, Fence, Night, Reply, Touch
from outreach.pending import read_pending
from outreach.rules.pending import late_steps

MAX_CAMPAIGNS = 12


@dataclass(frozen=True)
class Task:
    count: int
    title: str
    text: str
    url: str
    action: str


@dataclass(frozen=True)
class RunningCampaign:
    campaign: Campaign
    badge: Badge
    due: int
    done: int
    is_held: bool  # the rest of a wave waits for the outcome of its first contacts


@dataclass(frozen=True)
class Alert:
    """Something stopped by itself, or waits for too long. ``text``: what, and what to do."""

    title: str
    text: str
    url: str


@dataclass(frozen=True)
class Today:
    is_closed: bool  # nothing may be sent by a database that may not know all that was
    alerts: list[Alert]
    tasks: list[Task]
    night: Night | None
    night_badge: Badge | None
    night_problems: list[str]
    running: list[RunningCampaign]


def read_today(*, user: User, now: datetime) -> Today:
    """Tasks this user may do, last night, campaigns that act. Only tasks with something to do."""
    tasks = [*_campaign_tasks(user), *_contact_tasks(user, now), *_import_tasks(user)]
    night = Night.objects.first() if user.has_perm("outreach.view_night") else None
    problems = list(night.steps.exclude(problem="").values_list("problem", flat=True)) if night else []
    fence = Fence.objects.order_by("pk").first()
    return Today(
        is_closed=fence is None or fence.closed_at is not None,
        alerts=_alerts(user, fence, now),
        tasks=[task for task in tasks if task.count],
        night=night,
        night_badge=night_badge(night.status) if night else None,
        night_problems=problems,
        running=_running_campaigns(now) if user.has_perm("campaigns.view_campaign") else [],
    )


def _alerts(user: User, fence: Fence | None, now: datetime) -> list[Alert]:
    """Sending closed after a restore, campaigns paused by their own figures, steps that wait for too long."""
    alerts = []
    if fence is None or fence.closed_at:
        reason = fence.reason if fence else "La barrière des envois manque dans la base."
        alerts.append(Alert("Les envois sont fermés", reason, reverse("admin:pending")))
    if user.has_perm("campaigns.view_campaign"):
        last = CampaignMove.objects.filter(campaign=OuterRef("pk")).order_by("-at", "-pk")
        paused = Campaign.objects.filter(status=CampaignStatus.PAUSED).annotate(
            last_move=Subquery(last.values("move")[:1]),
            last_by=Subquery(last.values("by")[:1]),
            last_reason=Subquery(last.values("reason")[:1]),
        )
        alerts += [
            Alert(
                f"Campagne arrêtée d’elle-même : {campaign.name}",
                campaign.last_reason,
                reverse("admin:campaign_life", args=[campaign.pk]),
            )
            for campaign in paused.filter(last_move="PAUSE", last_by=None).order_by("name")[:MAX_CAMPAIGNS]
        ]
    if user.has_perm("outreach.view_night"):
        late = late_steps(read_pending(now=now))
        text = " ; ".join(f"{row.step.label.lower()} : {row.count}, depuis {row.age_text}" for row in late)
        if late:
            alerts.append(
                Alert(
                    "Du travail attend depuis trop longtemps",
                    f"{text[:1].upper()}{text[1:]}.",
                    reverse("admin:pending"),
                )
            )
    return alerts


def _campaign_tasks(user: User) -> list[Task]:
    if not user.has_perm("campaigns.view_campaign"):
        return []
    counts = dict(Campaign.objects.order_by().values_list("status").annotate(Count("pk")))
    specs = [
        (CampaignStatus.SUBMITTED, "campaigns.approve_campaign", "à approuver",
         "Relisez le public, les textes et l’effectif, puis approuvez ou renvoyez.", "Examiner"),
        (CampaignStatus.APPROVED, "campaigns.approve_campaign", "à lancer",
         "Approuvées : elles n’envoient rien tant que personne ne les lance.", "Lancer"),
        (CampaignStatus.DRAFT, "campaigns.change_campaign", "en brouillon",
         "À compléter, puis à soumettre à un superviseur.", "Compléter"),
        (CampaignStatus.PAUSED, "campaigns.view_campaign", "en pause",
         "Rien ne part. Un superviseur peut les reprendre.", "Voir"),
    ]  # fmt: skip
    base = reverse("admin:campaigns_campaign_changelist")
    return [
        Task(
            counts.get(status, 0),
            _campaigns(counts.get(status, 0), words),
            text,
            f"{base}?status__exact={status}",
            action,
        )
        for status, permission, words, text, action in specs
        if user.has_perm(permission)
    ]


def plural(count: int, word: str) -> str:
    """The word as it is written after ``count``: French takes no « s » under 2."""
    return f"{word}s" if count > 1 else word


def _campaigns(count: int, words: str) -> str:
    return f"{plural(count, 'campagne')} {words}"


def _contact_tasks(user: User, now: datetime) -> list[Task]:
    tasks = []
    if user.has_perm("outreach.add_callattempt"):
        calls = Call.objects.waiting(now).count()
        text = "La liste du jour est prête : prenez l’appel suivant."
        tasks.append(
            Task(
                calls, f"{plural(calls, 'appel')} à passer", text, reverse("admin:outreach_call_changelist"), "Appeler"
            )
        )
    if user.has_perm("outreach.change_reply"):
        replies = Reply.objects.filter(handled_at=None).count()
        text = "Les STOP sont déjà appliqués ; les réponses ambiguës viennent d’abord."
        tasks.append(
            Task(
                replies,
                f"{plural(replies, 'réponse')} à lire",
                text,
                reverse("admin:outreach_reply_changelist"),
                "Lire",
            )
        )
    if user.has_perm("outreach.change_touch"):
        tasks += _doubtful_tasks()
    return tasks


def _import_tasks(user: User) -> list[Task]:
    """Files that wait to be confirmed, for who confirms; for who may export people, those whom they would change."""
    decides, reads = user.has_perm("campaigns.add_populationimport"), user.has_perm("campaigns.export_allocataire")
    if not decides and not reads:
        return []
    waiting = PopulationImport.objects.filter(status=ImportStatus.TO_CONFIRM).order_by("started_at", "pk")
    found = list(waiting.values_list("pk", flat=True))
    if not found:
        return []
    title = f"{plural(len(found), 'import')} de population à confirmer"
    if decides:
        text = "Lisez ce qui serait rejeté ou changé, puis importez quand même ou abandonnez."
        address = reverse("admin:campaigns_populationimport_change", args=found[:1])
    else:
        text = "Un administrateur décide ; vous pouvez voir en clair qui changerait."
        address = reverse("admin:population_import_differences", args=found[:1])
    return [Task(len(found), title, text, address, "Lire")]


def _doubtful_tasks() -> list[Task]:
    """Contacts that wait for a superviseur's word."""
    tasks = []
    quarantined = Touch.objects.filter(status=TouchStatus.QUARANTINED).count()
    tasks.append(
        Task(
            quarantined,
            f"{plural(quarantined, 'contact')} en quarantaine",
            "Leur envoi a échoué plusieurs fois : ils sont mis de côté.",
            reverse("admin:quarantine"),
            "Décider",
        )
    )
    uncertain = Touch.objects.filter(status=TouchStatus.UNCONFIRMED).count()
    text = "L’opérateur n’a pas confirmé. Rien n’est renvoyé sans votre décision."
    tasks.append(
        Task(
            uncertain,
            f"{plural(uncertain, 'contact')} {plural(uncertain, 'incertain')}",
            text,
            reverse("admin:outreach_touch_changelist"),
            "Décider",
        )
    )
    return tasks


def _running_campaigns(now: datetime) -> list[RunningCampaign]:
    """Running and paused campaigns with what was due today and what has left."""
    day = now.astimezone(ZoneInfo(settings.TIME_ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    campaigns = list(
        Campaign.objects.filter(status__in=[CampaignStatus.RUNNING, CampaignStatus.PAUSED])
        .annotate(is_held=Exists(Canary.objects.filter(audience__campaign=OuterRef("pk"), released_at=None)))
        .order_by("priority", "name")[:MAX_CAMPAIGNS]
    )
    waiting = Q(status__in=[TouchStatus.PLANNED, TouchStatus.CLAIMED, TouchStatus.SENDING])
    # Of the campaigns shown only, and apart from them: joined, every contact of all of them would be counted.
    due = Touch.objects.filter(campaign__in=campaigns, due_at__gte=day, due_at__lt=day + timedelta(days=1))
    counts = due.values_list("campaign").annotate(due=Count("pk"), done=Count("pk", filter=~waiting))
    figures = {campaign: (all_of_them, done) for campaign, all_of_them, done in counts}
    return [
        RunningCampaign(each, campaign_badge(each.status), *figures.get(each.pk, (0, 0)), each.is_held)
        for each in campaigns
    ]
