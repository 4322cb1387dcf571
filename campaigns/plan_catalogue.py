"""Plans as data: shipped with the product, exported and imported as one file, compared before anything is written."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import models, transaction

from campaigns.known_criteria import load_catalogue
from campaigns.models import Allocataire, ExtraAttribute, Plan, PlanStep, RegularisationKind
from campaigns.rules.criteria import Catalogue, leaves
from campaigns.rules.criteria_catalogue import EXTRA_PREFIX, FieldType, extra_field
from campaigns.rules.plan_files import (
    ARM_KEYS,
    ATTRIBUTE_KEYS,
    FORMAT,
    FORMAT_VERSION,
    KIND_KEYS,
    PLAN_KEYS,
    STEP_KEYS,
    Known,
    check_frame,
    check_plans,
)

CATALOGUE = Path(__file__).parent / "catalogue"
ANCHORS = frozenset(f.name for f in Allocataire._meta.get_fields() if type(f) is models.DateField)


class PlanFileRefused(ValueError):
    """A plan file holds something wrong; nothing of it was stored. ``errors`` holds every problem, in French."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = errors
        super().__init__("Fichier de plans refusé, rien n’a été enregistré :\n" + "\n".join(errors))


@dataclass(slots=True)
class PlanImportReport:
    """What became of each plan of a file, by code. ``kept``: a local version that the shipped one did not replace."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    @property
    def written(self) -> int:
        return len(self.created) + len(self.updated)


def load_shipped_plans() -> int:
    """Store the plans shipped with the product and return how many were written; run again, it writes none.

    A plan changed on site is replaced only by a later shipped version. Raises ``PlanFileRefused``.
    """
    return refresh_shipped_plans().written


def refresh_shipped_plans() -> PlanImportReport:
    """The same, with what became of each plan."""
    data = read_shipped_plans()
    with transaction.atomic():
        _refuse_if_wrong(data)
        _create_missing(data)
        return _store_all(data["plans"], keeps_local=True)


def read_shipped_plans() -> dict[str, Any]:
    """The shipped catalogue as one plan file. A file that cannot be read raises ``PlanFileRefused``."""
    plans = [_read(path) for path in sorted((CATALOGUE / "plans").glob("*.json"))]
    shared = _read(CATALOGUE / "kinds.json")
    return {"format": FORMAT, "format_version": FORMAT_VERSION, **shared, "plans": plans}


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlanFileRefused([f"Fichier « {path.name} » illisible : {error}"]) from error


def export_plans(plans: Iterable[Plan]) -> dict[str, Any]:
    """The plans, with the régularisations and attributes they need, as one file that ``import_plans`` takes back."""
    exported = [plan_values(plan) for plan in sorted(plans, key=lambda plan: plan.code)]
    kinds = {code for plan in exported for code in plan["expected_kinds"]}
    extras = {
        leaf["field"].removeprefix(EXTRA_PREFIX)
        for plan in exported
        for leaf in leaves(plan["criteria"])
        if leaf["field"].startswith(EXTRA_PREFIX)
    }
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kinds": _rows(RegularisationKind, kinds, KIND_KEYS),
        "attributes": _rows(ExtraAttribute, extras, ATTRIBUTE_KEYS),
        "plans": exported,
    }


def _rows(model: Any, codes: Iterable[str], keys: Iterable[str]) -> list[dict[str, Any]]:
    return list(model.objects.filter(pk__in=list(codes)).order_by("pk").values(*keys))


def plan_values(plan: Plan) -> dict[str, Any]:
    """A stored plan as the file writes it."""
    values = {key: getattr(plan, key) for key in PLAN_KEYS if key not in ("expected_kinds", "steps")}
    values["control_share"] = float(plan.control_share)
    values["arms"] = [{key: arm[key] for key in ARM_KEYS} for arm in plan.arms]
    values["expected_kinds"] = sorted(kind.pk for kind in plan.expected_kinds.all())
    steps = sorted(plan.steps.all(), key=lambda step: step.position)
    values["steps"] = [{key: getattr(step, key) for key in STEP_KEYS} for step in steps]
    return {key: values[key] for key in PLAN_KEYS}


def import_plans(data: Mapping[str, Any]) -> PlanImportReport:
    """Store the plans of a file: new ones created, changed ones replaced under a later version, the rest untouched.

    Everything is checked first. Raises ``PlanFileRefused`` with every problem (plan, key, reason).
    """
    with transaction.atomic():
        _refuse_if_wrong(data)
        _refuse_conflicts(data)
        _store_shared(RegularisationKind, data["kinds"])
        _store_shared(ExtraAttribute, data["attributes"])
        return _store_all(data["plans"], keeps_local=False)


def _refuse_if_wrong(data: Mapping[str, Any]) -> None:
    errors = check_frame(data)
    if not errors:
        kinds = {kind["code"] for kind in data["kinds"]} | set(RegularisationKind.objects.values_list("pk", flat=True))
        errors = check_plans(data["plans"], Known(_catalogue_with(data["attributes"]), kinds, ANCHORS))
    if errors:
        raise PlanFileRefused(errors)


def _refuse_conflicts(data: Mapping[str, Any]) -> None:
    conflicts = [
        *_find_conflicts("kinds", data["kinds"], RegularisationKind, ("stage", "nature")),
        *_find_conflicts("attributes", data["attributes"], ExtraAttribute, ("type",)),
    ]
    if conflicts:
        raise PlanFileRefused(conflicts)


def _find_conflicts(name: str, rows: list[Any], model: Any, keys: Iterable[str]) -> Iterator[str]:
    """What is known here under the same code and means something else: bilans and segments rely on it."""
    known = model.objects.in_bulk()
    for position, row in enumerate(rows, start=1):
        here = known.get(row["code"])
        for key in keys:
            if here and getattr(here, key) != row[key]:
                yield (
                    f"Clé « {name}[{position}].{key} » : « {here.label} » existe ici avec une autre valeur, dont des "
                    "bilans ou des segments dépendent. Changez le code dans le fichier, ou la valeur dans les réglages."
                )


def _catalogue_with(attributes: Iterable[Mapping[str, Any]]) -> Catalogue:
    """A plan travels from a Caf to another: it cannot name a segment or a list of one of them."""
    declared = [
        extra_field(
            code=a["code"], label=a["label"], kind=a["type"], origin=a["origin"], is_sensitive=a["is_sensitive"]
        )
        for a in attributes
    ]
    return load_catalogue().without(FieldType.SEGMENT, FieldType.LIST).extended(declared)


def _create_missing(data: Mapping[str, Any]) -> None:
    """A label or a feed's age limit changed on site stays as it is."""
    RegularisationKind.objects.bulk_create([RegularisationKind(**row) for row in data["kinds"]], ignore_conflicts=True)
    ExtraAttribute.objects.bulk_create([ExtraAttribute(**row) for row in data["attributes"]], ignore_conflicts=True)


def _store_shared(model: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    """A protection of here stays: the age limit of a feed, what is said to be sensitive."""
    stored = {row["code"]: row for row in model.objects.values()}
    for row in rows:
        here = stored.get(row["code"], {})
        kept = {key: here[key] for key in ("feed_max_age_days", "is_sensitive") if here.get(key)}
        if here != {**row, **kept}:
            values = {key: value for key, value in {**row, **kept}.items() if key != "code"}
            model.objects.update_or_create(code=row["code"], defaults=values)


def _store_all(plans: Iterable[dict[str, Any]], *, keeps_local: bool) -> PlanImportReport:
    report = PlanImportReport()
    found = Plan.objects.select_for_update().prefetch_related("steps", "expected_kinds").in_bulk(field_name="code")
    for values in plans:
        plan = found.get(values["code"])
        outcome = _outcome(values, plan, keeps_local=keeps_local)
        getattr(report, outcome).append(values["code"])
        if outcome in ("created", "updated"):
            _store(values, plan or Plan(code=values["code"], version=0))
    return report


def _outcome(values: dict[str, Any], plan: Plan | None, *, keeps_local: bool) -> str:
    if plan is None:
        return "created"
    if _content(values) == _content(plan_values(plan)):
        return "unchanged"
    return "kept" if keeps_local and values["version"] <= plan.version else "updated"


def _content(values: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two plans the same: everything but the version, whatever the order of kinds."""
    content = {key: value for key, value in values.items() if key != "version"}
    return content | {"expected_kinds": sorted(values["expected_kinds"])}


def _store(values: dict[str, Any], plan: Plan) -> None:
    for key in PLAN_KEYS.keys() - {"code", "version", "expected_kinds", "steps"}:
        setattr(plan, key, values[key])
    plan.version = max(values["version"], plan.version + 1)
    plan.control_share = Decimal(str(values["control_share"]))
    plan.save()
    plan.expected_kinds.set(values["expected_kinds"])
    plan.steps.all().delete()
    steps = [PlanStep(plan=plan, position=number, **step) for number, step in enumerate(values["steps"], start=1)]
    PlanStep.objects.bulk_create(steps)
