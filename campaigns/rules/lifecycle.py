"""The life of a campaign: which move leads where, who is an author, and what an approval pins."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from campaigns.enums import CampaignStatus as Status


@dataclass(frozen=True)
class Move:
    """``verb`` completes « Impossible de … »."""

    code: str
    verb: str
    sources: frozenset[str]
    target: str


def _move(code: str, verb: str, sources: set[Status], target: Status) -> Move:
    return Move(code, verb, frozenset(sources), target)


SUBMIT = _move("SUBMIT", "soumettre", {Status.DRAFT}, Status.SUBMITTED)
APPROVE = _move("APPROVE", "approuver", {Status.SUBMITTED}, Status.APPROVED)
SEND_BACK = _move("SEND_BACK", "renvoyer", {Status.SUBMITTED, Status.APPROVED, Status.PAUSED}, Status.DRAFT)
LAUNCH = _move("LAUNCH", "lancer", {Status.APPROVED}, Status.RUNNING)
PAUSE = _move("PAUSE", "mettre en pause", {Status.RUNNING}, Status.PAUSED)
RESUME = _move("RESUME", "reprendre", {Status.PAUSED}, Status.RUNNING)
CLOSE = _move("CLOSE", "clore", {Status.RUNNING, Status.PAUSED}, Status.CLOSED)
CANCEL = _move("CANCEL", "annuler", {Status.DRAFT, Status.SUBMITTED, Status.APPROVED}, Status.CANCELLED)
# Only in a draft: the approver then agrees to it with the rest.
OVERRIDE = _move("OVERRIDE", "lever le délai du thème sensible pour", {Status.DRAFT}, Status.DRAFT)

MOVES: dict[str, Move] = {
    m.code: m for m in (SUBMIT, APPROVE, SEND_BACK, LAUNCH, PAUSE, RESUME, CLOSE, CANCEL, OVERRIDE)
}

CREATE = "CREATE"
EDIT = "EDIT"
AUTHORING = frozenset({CREATE, EDIT, SUBMIT.code, OVERRIDE.code})

MOVE_LABELS: dict[str, str] = {
    CREATE: "Création",
    EDIT: "Modification",
    SUBMIT.code: "Soumission",
    APPROVE.code: "Approbation",
    SEND_BACK.code: "Renvoi",
    LAUNCH.code: "Lancement",
    PAUSE.code: "Mise en pause",
    RESUME.code: "Reprise",
    CLOSE.code: "Clôture",
    CANCEL.code: "Annulation",
    OVERRIDE.code: "Levée du délai du thème sensible",
}


def possible_moves(status: str) -> list[Move]:
    """Moves that the state allows, in the order of the table (permissions are another matter)."""
    return [move for move in MOVES.values() if status in move.sources]


def authors(log: Iterable[tuple[str, int | None]]) -> set[int]:
    """People who wrote something since the last approval. ``log``: (move code, user id), oldest first."""
    found: set[int] = set()
    for code, user in log:
        if code == APPROVE.code:
            found.clear()
        elif code in AUTHORING and user is not None:
            found.add(user)
    return found


class PinnedCampaign(Protocol):
    """The attributes of a campaign that its approval pins."""

    mode: Any
    criteria: Any
    arms: Any
    control_share: Any
    window_days: Any
    night_size_max: Any
    expected_size: Any
    sensitive_override_reason: Any
    theme: Any
    reentry_days: Any
    is_sensitive: Any
    sensitive_days: Any
    is_exempt_from_cap: Any
    allows_resend: Any
    expected_kinds: Any
    pins_rules: Any


class PinnedStep(Protocol):
    position: Any
    channel: Any
    arm: Any
    anchor: Any
    offset_days: Any
    valid_days: Any
    subject: Any
    body: Any


CAMPAIGN_FIELDS = ("mode", "criteria", "arms", "window_days", "night_size_max", "expected_size")
RULE_FIELDS = (
    "theme", "reentry_days", "is_sensitive", "sensitive_days", "is_exempt_from_cap", "allows_resend", "expected_kinds",
)  # fmt: skip
STEP_FIELDS = ("position", "channel", "arm", "anchor", "offset_days", "valid_days", "subject", "body")


def fingerprint(campaign: PinnedCampaign, steps: Iterable[PinnedStep]) -> str:
    """SHA-256 (hexadecimal) of all that an approver agreed to: rules, arms, shares, window, size, steps, texts."""
    content: dict[str, Any] = {name: getattr(campaign, name) for name in CAMPAIGN_FIELDS}
    content["control_share"] = f"{Decimal(campaign.control_share):.3f}"
    if campaign.sensitive_override_reason:  # campaigns without one keep the fingerprint of their approval
        content["sensitive_override"] = campaign.sensitive_override_reason
    if campaign.pins_rules:
        content["plan_rules"] = {name: getattr(campaign, name) for name in RULE_FIELDS}
    ordered = sorted(steps, key=lambda step: step.position)
    content["steps"] = [{name: getattr(step, name) for name in STEP_FIELDS} for step in ordered]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def canonical_json(content: Mapping[str, Any]) -> str:
    """One text for one content, whatever the order of the keys."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def find_arm_problems(arms: Any, step_arms: Iterable[str], *, control_code: str) -> list[str]:
    """What is wrong with contact arms ``[{code, label, share}]`` and the arms their steps name (French sentences)."""
    if not arms:
        return ["Aucun bras contacté n’est défini."]
    codes = [arm.get("code", "") for arm in arms]
    named = set(step_arms)
    problems = []
    if control_code in codes or "" in codes or len(set(codes)) < len(codes):
        problems.append(f"Chaque bras contacté doit avoir un code distinct, autre que {control_code}.")
    if any(not _is_positive(arm.get("share")) for arm in arms):
        problems.append("La part de chaque bras contacté doit être un nombre positif.")
    problems += [f"L’étape nomme un bras inconnu : « {code} »." for code in sorted(named - {"", *codes})]
    if "" not in named:
        problems += [f"Le bras « {code} » n’a aucune étape." for code in codes if code not in named]
    return problems


def _is_positive(share: Any) -> bool:
    return isinstance(share, int | float) and not isinstance(share, bool) and share > 0


def find_date_problems(
    *, today: date, starts_on: date | None, ends_on: date | None, is_nightly: bool, night_size_max: int | None
) -> list[str]:
    """What is wrong with the days of a campaign and with the bound of its nights (French sentences)."""
    problems = []
    if starts_on and starts_on < today:
        problems.append("Son premier jour d’envoi est passé.")
    if ends_on and ends_on < (starts_on or today):
        problems.append("Sa dernière nuit précède son premier jour d’envoi.")
    if is_nightly and not night_size_max:
        problems.append("Elle tourne chaque nuit : fixez le maximum de personnes par nuit.")
    return problems


def find_return_problems(*, is_nightly: bool, has_control: bool, reentry_days: int, window_days: int) -> list[str]:
    """A témoin of one wave must not be drawn to be contacted by another while she is still measured."""
    if not (is_nightly and has_control) or reentry_days > window_days:
        return []
    return [
        f"Une personne peut y revenir après {reentry_days} jours, alors que les témoins sont suivis {window_days} jours"
        " : un témoin serait contacté pendant sa mesure. Raccourcissez la fenêtre, ou retirez les témoins."
    ]
