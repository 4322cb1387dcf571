"""What a plan file must hold. Every problem names the plan, the key and the reason, in French."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from campaigns.enums import (
    AFTER_REPLY,
    CONTROL_ARM,
    AmountNature,
    AttributeType,
    Channel,
    OutcomeStage,
    PlanFamily,
    PlanMode,
)
from campaigns.rules.automatic_answers import find_answer_problems
from campaigns.rules.criteria import Catalogue, check
from campaigns.rules.messages import check_text

FORMAT = "aller-vers/plans"
FORMAT_VERSION = 1
FILE_KEYS = ("format", "format_version", "kinds", "attributes", "plans")
MAX_STEPS = 20

Check = Callable[[Any], str]
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_SLUG = re.compile(r"[-\w]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Known:
    """What a file may refer to: criteria, régularisations, dated facts of a person."""

    catalogue: Catalogue
    kinds: Collection[str]
    anchors: Collection[str]


def _text(size: int, *, may_be_empty: bool = False) -> Check:
    def problem(value: Any) -> str:
        if not isinstance(value, str) or _UNWRITABLE.search(value):
            return "un texte est attendu"
        if not value.strip() and not may_be_empty:
            return "texte vide"
        return f"{size} caractères au plus" if len(value) > size else ""

    return problem


def _slug(value: Any) -> str:
    is_slug = isinstance(value, str) and _SLUG.fullmatch(value)
    return "" if is_slug else "un code (lettres, chiffres, tirets ; 40 au plus) est attendu"


def _integer(low: int, high: int) -> Check:
    def problem(value: Any) -> str:
        is_integer = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if is_integer else f"un entier de {low} à {high} est attendu"

    return problem


def _one_of(choices: type[Enum], *, may_be_empty: bool = False) -> Check:
    values = [str(each.value) for each in choices]

    def problem(value: Any) -> str:
        if value in values or (may_be_empty and value == ""):
            return ""
        return f"valeur inconnue (connues : {', '.join(values)})"

    return problem


def _yes_no(value: Any) -> str:
    return "" if isinstance(value, bool) else "true ou false est attendu"


def _share(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (
        ""
        if is_number and 0 <= value <= 0.5 and round(value, 3) == value
        else "une part de 0 à 0,5 (au millième) est attendue"
    )


def _feed_age(value: Any) -> str:
    return "" if value is None else _integer(1, 365)(value)


def _anything(_value: Any) -> str:
    return ""


PLAN_KEYS: Mapping[str, Check] = {
    "code": _slug,
    "version": _integer(1, 9999),
    "name": _text(120),
    "family": _one_of(PlanFamily),
    "theme": _slug,
    "purpose": _text(5000),
    "mode": _one_of(PlanMode),
    "criteria": _anything,
    "arms": _anything,
    "control_share": _share,
    "expected_kinds": _anything,
    "window_days": _integer(1, 730),
    "reentry_days": _integer(0, 3650),
    "is_sensitive": _yes_no,
    "sensitive_days": _integer(0, 3650),
    "priority": _integer(1, 999),
    "is_exempt_from_cap": _yes_no,
    "allows_resend": _yes_no,
    "steps": _anything,
}
STEP_KEYS: Mapping[str, Check] = {
    "label": _text(80),
    "channel": _one_of(Channel),
    "arm": _text(20, may_be_empty=True),
    "anchor": _text(40, may_be_empty=True),
    "offset_days": _integer(-365, 365),
    "valid_days": _integer(1, 60),
    "subject": _text(150, may_be_empty=True),
    "body": _text(10_000),
}
ARM_KEYS: Mapping[str, Check] = {"code": _slug, "label": _text(80), "share": _integer(1, 1000)}
KIND_KEYS: Mapping[str, Check] = {
    "code": _slug,
    "label": _text(120),
    "stage": _one_of(OutcomeStage),
    "nature": _one_of(AmountNature, may_be_empty=True),
    "feed_max_age_days": _feed_age,
}
ATTRIBUTE_KEYS: Mapping[str, Check] = {
    "code": _slug,
    "label": _text(120),
    "type": _one_of(AttributeType),
    "origin": _text(200, may_be_empty=True),
    "is_sensitive": _yes_no,
}


def check_frame(data: Any) -> list[str]:
    """Problems of the file itself, its kinds and its attributes: what plans then rely on."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        return [f"Ce n’est pas un fichier de plans : « format » doit valoir « {FORMAT} »."]
    if data.get("format_version") != FORMAT_VERSION:
        return [f"Version de format inconnue (connue : {FORMAT_VERSION})."]
    problems = [f"Clé « {_short(key)} » : clé inattendue." for key in data if key not in FILE_KEYS]
    for key in ("kinds", "attributes", "plans"):
        if not isinstance(data.get(key), list):
            problems.append(f"Clé « {key} » : une liste est attendue.")
    if problems:
        return problems
    return [
        *_list_problems("kinds", data["kinds"], KIND_KEYS),
        *_list_problems("attributes", data["attributes"], ATTRIBUTE_KEYS),
    ]


def check_plans(plans: list[Any], known: Known) -> list[str]:
    """Every problem of every plan of a file."""
    problems = [
        problem for position, plan in enumerate(plans, start=1) for problem in _check_plan(plan, position, known)
    ]
    codes = [plan["code"] for plan in plans if isinstance(plan, dict) and isinstance(plan.get("code"), str)]
    repeated = sorted({code for code in codes if codes.count(code) > 1})
    return problems + [
        f"Plan « {_short(code)} », clé « code » : présent deux fois dans le fichier." for code in repeated
    ]


def _list_problems(name: str, items: list[Any], keys: Mapping[str, Check]) -> Iterator[str]:
    for position, item in enumerate(items, start=1):
        for key, reason in _key_problems(item, keys):
            yield f"Clé « {name}[{position}]{key} » : {reason}."


def _key_problems(item: Any, keys: Mapping[str, Check]) -> list[tuple[str, str]]:
    """(key, reason) for each key that is missing, unknown or wrong."""
    if not isinstance(item, dict):
        return [("", "un objet JSON est attendu")]
    missing = [(f".{key}", "clé absente") for key in keys if key not in item]
    unknown = [(f".{_short(key)}", "clé inattendue") for key in item if key not in keys]
    wrong = [(f".{key}", reason) for key, ask in keys.items() if key in item and (reason := ask(item[key]))]
    return [*missing, *unknown, *wrong]


def _check_plan(plan: Any, position: int, known: Known) -> Iterator[str]:
    code = plan.get("code") if isinstance(plan, dict) else None
    name = f"Plan « {_short(code)} »" if isinstance(code, str) and code else f"Plan n° {position}"
    problems = _key_problems(plan, PLAN_KEYS)
    if not problems:
        problems = [*_criteria_problems(plan, known), *_arms_problems(plan), *_kinds_problems(plan, known)]
        problems += _steps_problems(plan, known)
    for key, reason in problems:
        yield f"{name}, clé « {key.removeprefix('.')} » : {reason.rstrip('.')}."


def _criteria_problems(plan: dict[str, Any], known: Known) -> list[tuple[str, str]]:
    return [("criteria", problem) for problem in check(plan["criteria"], known.catalogue)]


def _kinds_problems(plan: dict[str, Any], known: Known) -> Iterator[tuple[str, str]]:
    kinds = plan["expected_kinds"]
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        yield "expected_kinds", "une liste de codes est attendue"
        return
    for kind in kinds:
        if kind not in known.kinds:
            yield "expected_kinds", f"type de régularisation inconnu « {_short(kind)} »"
    if len(set(kinds)) < len(kinds):
        yield "expected_kinds", "un type est présent deux fois"


def _arms_problems(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    arms = plan["arms"]
    if not isinstance(arms, list) or not arms:
        yield "arms", "une liste d’au moins un bras est attendue"
        return
    for position, arm in enumerate(arms, start=1):
        problems = _key_problems(arm, ARM_KEYS)
        yield from ((f"arms[{position}]{key}", reason) for key, reason in problems)
        if not problems and (arm["code"] == CONTROL_ARM or len(arm["code"]) > 20):
            yield f"arms[{position}].code", f"20 caractères au plus, et « {CONTROL_ARM} » est réservé aux témoins"
    codes = _arm_codes(plan)
    if len(set(codes)) < len(codes):
        yield "arms", "un code de bras est présent deux fois"


def _arm_codes(plan: dict[str, Any]) -> list[str]:
    arms = plan["arms"] if isinstance(plan["arms"], list) else []
    return [arm["code"] for arm in arms if isinstance(arm, dict) and isinstance(arm.get("code"), str)]


def _steps_problems(plan: dict[str, Any], known: Known) -> Iterator[tuple[str, str]]:
    steps = plan["steps"]
    if not isinstance(steps, list) or not 1 <= len(steps) <= MAX_STEPS:
        yield "steps", f"une liste de 1 à {MAX_STEPS} étapes est attendue"
        return
    arms = _arm_codes(plan)
    problems = [
        (f"steps[{position}]{key}", reason)
        for position, step in enumerate(steps, start=1)
        for key, reason in _step_problems(step, arms, known)
    ]
    yield from problems
    if not problems:
        yield from (("steps", reason) for reason in find_answer_problems(steps, arms))
    used = {step.get("arm") for step in steps if isinstance(step, dict) and step.get("anchor") != AFTER_REPLY}
    for arm in arms:
        if "" not in used and arm not in used:
            yield "steps", f"le bras « {arm} » n’a aucune étape"


def _step_problems(step: Any, arms: list[str], known: Known) -> list[tuple[str, str]]:
    if problems := _key_problems(step, STEP_KEYS):
        return problems
    found = []
    if step["arm"] and step["arm"] not in arms:
        found.append((".arm", f"bras inconnu (connus : {', '.join(arms)})"))
    if step["anchor"] not in ("", AFTER_REPLY, *known.anchors):
        found.append((".anchor", "ce n’est pas une date connue d’un allocataire"))
    return found + [(".body", problem) for problem in check_text(step["channel"], step["subject"], step["body"])]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"
