"""The verdict on a load run, by the operator's own ledger: what it took, when, for whom."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.models import Campaign, Trial
from outreach.enums import TouchStatus
from outreach.models import Attempt, Touch
from outreach.simulator.load import Observed

# Written here again, on purpose: a judge does not take the rule from whom it judges.
HOURS = ((time(10), time(13)), (time(14), time(20)))
ZONE = ZoneInfo("Europe/Paris")
BULK = 0.9  # what is tried again or searched for waits on purpose: the pace is that of the others
UNSUBSCRIBED = "21610"  # the operator heard STOP before we did, and refused


@dataclass(frozen=True)
class Verdict:
    """Counts of messages and people; ``seconds`` for the first ``BULK`` of the messages.

    The last six must be 0, ``planned`` and ``kills`` what was asked.
    """

    asked: int
    planned: int
    opposed: int
    stops: int
    stopped_in_time: int
    taken: int
    seconds: float
    kills_asked: int
    kills: int
    doubts: int
    resent: int
    doubled: int
    lost: int
    unplanned: int
    after_refusal: int
    outside_hours: int
    unfinished: int

    def faults(self) -> list[str]:
        said = {
            "messages en double": self.doubled,
            "messages perdus": self.lost,
            "messages que rien ne prévoyait": self.unplanned,
            "messages après un refus": self.after_refusal,
            "messages hors des horaires": self.outside_hours,
            "contacts sans fin connue": self.unfinished,
        }
        found = [f"{name} : {count}" for name, count in said.items() if count]
        if self.planned != self.asked:
            found.append(f"contacts prévus : {self.planned} pour {self.asked} demandés")
        if self.kills < self.kills_asked:
            found.append(f"workers tués : {self.kills} pour {self.kills_asked} demandés")
        return found

    def rows(self) -> list[tuple[str, str]]:
        """The table to print: label, figure."""
        return [
            ("Messages prévus par la nuit", f"{self.planned}"),
            ("Personnes opposées avant l’envoi", f"{self.opposed}"),
            ("STOP écrits pendant l’envoi", f"{self.stops}"),
            ("    dont arrivés avant leur message", f"{self.stopped_in_time}"),
            ("Messages au registre de l’opérateur", f"{self.taken}"),
            ("Durée des neuf premiers dixièmes", f"{self.seconds:.0f} s"),
            ("Débit", f"{BULK * self.taken / max(self.seconds, 1):.0f} messages/s"),
            ("Workers tués (kill -9)", f"{self.kills}"),
            ("Doutes (réponse inconnue)", f"{self.doubts}"),
            ("    dont renvoyés par le superviseur", f"{self.resent}"),
            ("En double", f"{self.doubled}"),
            ("Perdus", f"{self.lost}"),
            ("Que rien ne prévoyait", f"{self.unplanned}"),
            ("Après un refus", f"{self.after_refusal}"),
            ("Hors des horaires", f"{self.outside_hours}"),
            ("Sans fin connue", f"{self.unfinished}"),
        ]


def judge(
    *, campaign: Campaign, observed: Observed, ledger: dict[str, Any], asked: int, kills_asked: int, kills: int
) -> Verdict:
    """Compare what the night planned with what the operator holds (``OperatorDesk.read_ledger``, messages included)."""
    messages = ledger["messages"]
    trials = {str(uuid) for uuid in Trial.objects.values_list("uuid", flat=True)}  # the team's own
    outgoing = [m for m in messages if m["direction"] != "inbound" and m["attempt_uuid"] not in trials]
    writers = {message["sender"] for message in messages if message["direction"] == "inbound"}
    touches = list(Touch.objects.filter(campaign=campaign))
    due = {touch.destination for touch in touches} - _excused(campaign, touches, writers)
    taken = Counter(message["recipient"] for message in outgoing)
    at = sorted(message["accepted_at"] for message in outgoing)
    return Verdict(
        asked=asked,
        planned=len(touches),
        opposed=len(observed.opposed),
        stops=len(observed.stops),
        stopped_in_time=len(set(observed.stops) - set(taken)),
        taken=len(outgoing),
        seconds=at[int(BULK * (len(at) - 1))] - at[0] if at else 0,
        kills_asked=kills_asked,
        kills=kills,
        doubts=len(observed.doubts),
        resent=observed.resent,
        doubled=max(sum(taken.values()) - len(taken), ledger["duplicate_attempts"]),
        lost=len(due - set(taken)),
        unplanned=len(set(taken) - due),
        after_refusal=len(list(_after_refusal(outgoing, observed))),
        outside_hours=sum(not _is_in_hours(message["application_at"]) for message in outgoing),
        unfinished=sum(touch.status not in TouchStatus.final() for touch in touches),
    )


def _excused(campaign: Campaign, touches: list[Touch], writers: set[str]) -> set[str]:
    """Nothing was to reach them: suppressed, or refused by an operator who had already heard their STOP."""
    unsubscribed = set(
        Attempt.objects.filter(touch__campaign=campaign, error_code=UNSUBSCRIBED).values_list("touch_id", flat=True)
    )
    return {
        touch.destination
        for touch in touches
        if touch.status == TouchStatus.SUPPRESSED or (touch.pk in unsubscribed and touch.destination in writers)
    }


def _after_refusal(outgoing: list[dict[str, Any]], observed: Observed) -> Iterator[str]:
    """Messages decided after a refusal was seen in force: those recorded before the sending, and each STOP."""
    intents = {str(attempt.uuid): attempt for attempt in Attempt.objects.select_related("touch")}
    for message in outgoing:
        intent = intents.get(message["attempt_uuid"])
        refused_at = observed.refused_by.get(intent.touch.allocataire_id) if intent else None
        if intent and refused_at and intent.intent_at > refused_at:
            yield message["sid"]


def _is_in_hours(application_at: float) -> bool:
    at = datetime.fromtimestamp(application_at, ZONE)
    return at.isoweekday() <= 5 and any(opens <= at.time() < closes for opens, closes in HOURS)
