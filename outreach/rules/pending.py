"""What waits, step by step: how long is normal, what takes it up again by itself, and what to do when it does not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Step:
    """``limit``: age of the oldest beyond which somebody must look. ``sweeper``: the task that takes it up again."""

    code: str
    label: str
    limit: timedelta
    sweeper: str  # task of outreach.tasks; empty where only a person can act
    advice: str


_SENDER = "Vérifier que le processus « sender » tourne et que rien n’est en pause."
_WORKER = "Vérifier que les processus « worker » et « beat » tournent."
STEPS: tuple[Step, ...] = (
    Step("night", "Nuit commencée et non finie, ou à essayer de nouveau", timedelta(hours=2), "run_due_night",
         "Lire son compte rendu ; la relancer par « manage.py night »."),
    Step("due", "Contacts à envoyer, l’heure étant passée", timedelta(minutes=15), "dispatch_due", _SENDER),
    Step("outage", "Canaux dont aucun opérateur ne répond", timedelta(minutes=2), "dispatch_due",
         "Vérifier le réseau et l’opérateur : on le rappelle au plus toutes les dix minutes, l’envoi reprend seul."),
    Step("missed", "Contacts dont le créneau est passé", timedelta(minutes=15), "reschedule_missed", _WORKER),
    Step("claimed", "Contacts pris par un expéditeur", timedelta(minutes=5), "release_expired_claims", _WORKER),
    Step("sending", "Contacts donnés à l’opérateur, sans réponse notée", timedelta(minutes=5), "mark_crashed_attempts",
         _WORKER),
    Step("first", "Vagues qui attendent l’issue de leurs premiers contacts", timedelta(hours=4), "watch_campaigns",
         "Ouvrir la campagne : ses premiers contacts auraient dû partir, ou sont jugés depuis longtemps."),
    Step("unconfirmed", "Contacts incertains", timedelta(hours=24), "reconcile_unconfirmed",
         "Décider de chacun dans « Contacts incertains »."),
    Step("silent", "Messages remis à l’opérateur, sans accusé final", timedelta(days=3), "poll_statuses",
         "Voir avec l’opérateur ; vérifier l’adresse publique (PUBLIC_BASE_URL)."),
    Step("events", "Accusés reçus, non appliqués", timedelta(minutes=10), "apply_receipts", _WORKER),
    Step("inbound", "Messages reçus, non lus par le système (STOP compris)", timedelta(minutes=10), "receive_replies",
         _WORKER),
    Step("replies", "Réponses à lire", timedelta(days=2), "", "Les lire dans « Réponses » : les ambiguës d’abord."),
    Step("uploads", "Fichiers de population en attente de lecture", timedelta(minutes=30), "run_waiting_uploads",
         _WORKER),
    Step("calls", "Appels gardés par un agent au-delà du délai", timedelta(hours=1), "run_due_night",
         "Ils reviennent d’eux-mêmes dans la liste ; la nuit les remet à jour."),
    Step("quarantine", "Contacts en quarantaine", timedelta(days=2), "",
         "Décider de chacun dans « Contacts en quarantaine »."),
)  # fmt: skip


Figures = tuple[int, datetime | None, datetime | None]  # how many, since when, until when


@dataclass(frozen=True)
class Pending:
    """How many wait at a step, since when the oldest of them does, and when the first goes on, if that is known."""

    step: Step
    count: int
    oldest_at: datetime | None
    until: datetime | None
    now: datetime

    @property
    def age(self) -> timedelta:
        return max(timedelta(0), self.now - self.oldest_at) if self.oldest_at else timedelta(0)

    @property
    def is_late(self) -> bool:
        return self.count > 0 and self.age > self.step.limit

    @property
    def age_text(self) -> str:
        return say_duration(self.age) if self.oldest_at else "—"

    @property
    def limit_text(self) -> str:
        return say_duration(self.step.limit)


def read_table(figures: Mapping[str, Figures], *, now: datetime) -> list[Pending]:
    """One row a step, in the order of the table; a step without figures is a fault of the caller (``KeyError``)."""
    return [Pending(step, *figures[step.code], now) for step in STEPS]


def late_steps(table: Iterable[Pending]) -> list[Pending]:
    return [row for row in table if row.is_late]


def say_duration(age: timedelta) -> str:
    """« 3 min », « 5 h », « 2 jours »: the largest unit, rounded down."""
    seconds = int(age.total_seconds())
    for size, one, many in ((86_400, "jour", "jours"), (3_600, "h", "h"), (60, "min", "min")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {many if count > 1 else one}"
    return f"{seconds} s"
