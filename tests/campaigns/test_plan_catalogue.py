"""The shipped plans, and plans as files: checked whole, loaded once, exported and taken back unchanged."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from campaigns.enums import Channel
from campaigns.models import ExtraAttribute, Plan, PlanStep, RegularisationKind
from campaigns.plan_catalogue import (
    PlanFileRefused,
    export_plans,
    import_plans,
    load_shipped_plans,
    read_shipped_plans,
    refresh_shipped_plans,
)
from campaigns.rules.gsm7 import sms_parts
from campaigns.rules.messages import render, sample_values
from campaigns.segments import explain_criteria

EXPECTED = {
    "ppa-datamining", "asf-parents-separes", "aide-logement", "prepare-fin", "dtr-rappel", "quittance-loyer", "dar",
    "rib-invalide", "boursiers", "pieces-manquantes", "titre-sejour", "vie-maritale-30", "vie-maritale-31",
    "enfants-salaries", "depart-etranger", "jeune-allocataire", "bienvenue-rsa", "bienvenue-ppa", "bienvenue-aah",
    "bienvenue-logement", "auto-entrepreneur", "separation", "forum-naissance",
}  # fmt: skip


def shipped() -> dict[str, Any]:
    return deepcopy(read_shipped_plans())


def plans() -> Any:
    return Plan.objects.prefetch_related("steps", "expected_kinds")


@pytest.mark.django_db
def test_loading_twice_writes_once() -> None:
    assert load_shipped_plans() == len(EXPECTED)
    steps = set(PlanStep.objects.values_list("pk", flat=True))
    assert load_shipped_plans() == 0
    assert set(PlanStep.objects.values_list("pk", flat=True)) == steps
    assert set(Plan.objects.values_list("code", flat=True)) == EXPECTED


@pytest.mark.django_db
def test_what_the_demo_relies_on() -> None:
    load_shipped_plans()
    asf = plans().get(code="asf-parents-separes")
    assert [arm["code"] for arm in asf.arms] == ["APPEL", "SMS"]
    assert float(asf.control_share) == 0.2
    assert {(step.channel, step.arm) for step in asf.steps.all()} == {("CALL", "APPEL"), ("SMS", "SMS")}
    dtr = plans().get(code="dtr-rappel")
    assert dtr.mode == "CHAQUE_NUIT"
    assert [(s.anchor, s.offset_days) for s in dtr.steps.all()] == [("dtr_due_on", n) for n in (-10, -3, 0)]
    assert plans().get(code="vie-maritale-30").is_sensitive
    assert RegularisationKind.objects.get(code="PPA_OUVERTE").nature == "MENSUEL"
    assert RegularisationKind.objects.get(code="VIE_MARITALE_DECLAREE").nature == "INDU"


@pytest.mark.django_db
def test_every_shipped_sms_fits_in_two_parts_and_every_plan_explains_itself() -> None:
    load_shipped_plans()
    for plan in plans():
        assert explain_criteria(plan.criteria)
        for step in plan.steps.all():
            if step.channel == Channel.SMS:
                parts = sms_parts(render(step.body, sample_values()))
                assert (parts.encoding, parts.segments <= 2) == ("GSM-7", True), (plan.code, parts)


def test_every_shipped_email_says_once_how_to_refuse_the_next() -> None:
    emails = [step["body"] for plan in shipped()["plans"] for step in plan["steps"] if step["channel"] == Channel.EMAIL]
    assert len(emails) == 21
    assert {body.count("{{ lien_opposition }}") for body in emails} == {1}


@pytest.mark.django_db
def test_export_then_import_is_the_same_file() -> None:
    load_shipped_plans()
    first = json.loads(json.dumps(export_plans(plans()), ensure_ascii=False))
    assert len(import_plans(first).unchanged) == len(EXPECTED)
    Plan.objects.all().delete()
    RegularisationKind.objects.all().delete()
    assert len(import_plans(first).created) == len(EXPECTED)
    assert export_plans(plans()) == first


@pytest.mark.django_db
def test_a_changed_plan_gets_a_later_version() -> None:
    load_shipped_plans()
    data = shipped()
    data["plans"][0]["name"] = "Déclinaison locale"
    report = import_plans(data)
    assert report.updated == [data["plans"][0]["code"]]
    plan = Plan.objects.get(code=report.updated[0])
    assert (plan.name, plan.version) == ("Déclinaison locale", 2)


@pytest.mark.django_db
def test_a_local_version_outlives_the_shipped_one_until_a_later_one_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    load_shipped_plans()
    Plan.objects.filter(code="dar").update(name="Notre DAR", version=2)
    RegularisationKind.objects.filter(code="DAR_DEPOSEE").update(feed_max_age_days=3)
    report = refresh_shipped_plans()
    assert (report.kept, report.written) == (["dar"], 0)
    assert RegularisationKind.objects.get(code="DAR_DEPOSEE").feed_max_age_days == 3
    later = shipped()
    next(p for p in later["plans"] if p["code"] == "dar")["version"] = 3
    monkeypatch.setattr("campaigns.plan_catalogue.read_shipped_plans", lambda: later)
    assert refresh_shipped_plans().updated == ["dar"]
    assert Plan.objects.get(code="dar").version == 3


WRONG: list[tuple[str, Any, str]] = [
    ("code", "a b", "clé « code »"),
    ("version", 0, "clé « version » : un entier de 1"),
    ("version", True, "clé « version »"),
    ("name", "", "clé « name » : texte vide"),
    ("name", "x" * 121, "120 caractères au plus"),
    ("family", "AUTRE", "clé « family » : valeur inconnue"),
    ("mode", ["UNIQUE"], "clé « mode »"),
    ("criteria", {"all": [{"field": "gone", "op": "eq", "value": 1}]}, "clé « criteria » : 1ᵉʳ critère"),
    ("arms", [], "clé « arms »"),
    ("arms", [{"code": "TEMOIN", "label": "x", "share": 1}], "réservé aux témoins"),
    ("arms", [{"code": "SMS", "label": "x", "share": 1}] * 2, "présent deux fois"),
    ("arms", [{"code": "SMS", "label": "x"}], "clé « arms[1].share » : clé absente"),
    ("arms", [{"code": "SMS", "label": "x", "share": 1}, {"code": "B", "label": "x", "share": 1}], ""),
    ("control_share", 0.6, "clé « control_share »"),
    ("control_share", "0.1", "clé « control_share »"),
    ("expected_kinds", ["RIEN"], "type de régularisation inconnu « RIEN »"),
    ("expected_kinds", "DAR_DEPOSEE", "une liste de codes"),
    ("is_sensitive", 1, "true ou false"),
    ("steps", [], "clé « steps »"),
    ("steps", ["x"], "clé « steps[1] » : un objet JSON"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("key", "value", "said"), WRONG)
def test_a_wrong_plan_is_named_and_nothing_is_stored(key: str, value: Any, said: str) -> None:
    data = shipped()
    plan = next(p for p in data["plans"] if p["code"] == "ppa-datamining")
    plan[key] = value
    if not said:
        plan["steps"] = [{**plan["steps"][0], "arm": "SMS"}]
        said = "le bras « B » n’a aucune étape"
    with pytest.raises(PlanFileRefused) as refused:
        import_plans(data)
    problem = " ".join(refused.value.errors)
    assert said in problem
    assert "Plan « " in problem
    assert not Plan.objects.exists()
    assert not RegularisationKind.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("arm", "INCONNU", "bras inconnu"),
        ("anchor", "last_name", "date connue"),
        ("channel", "PIGEON", "valeur inconnue"),
        ("valid_days", 0, "un entier de 1 à 60"),
        ("body", "Vous avez droit au RSA", "ne nomme aucun droit"),
        ("couleur", "bleu", "clé inattendue"),
    ],
)
def test_a_wrong_step_is_named(key: str, value: Any, said: str) -> None:
    data = shipped()
    next(p for p in data["plans"] if p["code"] == "dtr-rappel")["steps"][1][key] = value
    with pytest.raises(PlanFileRefused, match=rf"Plan « dtr-rappel », clé « steps\[2\]\.{key} » : .*{said}"):
        import_plans(data)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "pas un fichier de plans"),
        ({"format": "autre"}, "pas un fichier de plans"),
        ({"format": "aller-vers/plans", "format_version": 2}, "Version de format"),
        ({"format": "aller-vers/plans", "format_version": 1, "kinds": [], "attributes": []}, "« plans »"),
        ({"format": "aller-vers/plans", "format_version": 1, "kinds": [3], "attributes": [], "plans": []}, "kinds[1]"),
        ({"format": "aller-vers/plans", "format_version": 1, "kinds": [], "attributes": [], "plans": [3]}, "Plan n° 1"),
    ],
)
def test_a_file_that_is_not_one_of_plans(data: Any, said: str) -> None:
    with pytest.raises(PlanFileRefused) as refused:
        import_plans(data)
    assert said in str(refused.value)


@pytest.mark.django_db
def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_plans")
    assert f"{len(EXPECTED)} créés" in capsys.readouterr().out
    target = tmp_path / "plans.json"
    call_command("export_plans", str(target), "dar", "separation")
    assert "2 plans écrits" in capsys.readouterr().out
    call_command("import_plans", str(target))
    assert "2 inchangés" in capsys.readouterr().out
    with pytest.raises(CommandError, match="Plan inconnu : rien"):
        call_command("export_plans", str(target), "rien")
    with pytest.raises(CommandError, match="Impossible de lire"):
        call_command("import_plans", str(tmp_path / "absent.json"))
    for content in (b"", b"\xff\x00", b"[" * 100_000):
        target.write_bytes(content)
        with pytest.raises(CommandError, match="pas un fichier JSON"):
            call_command("import_plans", str(target))
    target.write_text("[]")
    with pytest.raises(CommandError, match="pas un fichier de plans"):
        call_command("import_plans", str(target))


@pytest.mark.django_db
def test_a_file_of_elsewhere_lowers_no_protection_of_here() -> None:
    """Campaigns under way rely on them: a feed's age limit, what is said to be sensitive."""
    load_shipped_plans()
    kind = RegularisationKind.objects.exclude(feed_max_age_days=None).earliest("pk")
    attribute = ExtraAttribute.objects.create(code="suivi", label="Suivi", is_sensitive=True)
    data = export_plans(Plan.objects.filter(expected_kinds=kind)[:1])
    (theirs,) = [row for row in data["kinds"] if row["code"] == kind.pk]
    theirs |= {"feed_max_age_days": None, "label": "Autrement dit"}
    data["attributes"] = [
        {"code": "suivi", "label": "Suivi social", "type": attribute.type, "origin": "", "is_sensitive": False}
    ]
    import_plans(data)
    limit = kind.feed_max_age_days
    kind.refresh_from_db()
    attribute.refresh_from_db()
    assert (kind.label, kind.feed_max_age_days) == ("Autrement dit", limit)
    assert (attribute.label, attribute.is_sensitive) == ("Suivi social", True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("shared", "key", "value", "said"),
    [
        ("kinds", "stage", "CONSULTATION", "clé « kinds[1].stage »"),
        ("kinds", "nature", "INDU", "clé « kinds[1].nature »"),
        ("attributes", "type", "NOMBRE", "clé « attributes[1].type »"),
    ],
)
def test_a_file_of_elsewhere_does_not_change_what_bilans_and_segments_mean(
    shared: str, key: str, value: str, said: str
) -> None:
    RegularisationKind.objects.create(code="fait", label="Fait", stage="ABOUTI", nature="MENSUEL")
    ExtraAttribute.objects.create(code="suivi", label="Suivi")
    data: dict[str, Any] = {
        "format": "aller-vers/plans",
        "format_version": 1,
        "kinds": [
            {"code": "fait", "label": "Fait", "stage": "ABOUTI", "nature": "MENSUEL", "feed_max_age_days": None}
        ],
        "attributes": [
            {"code": "suivi", "label": "Suivi", "type": "TEXTE", "origin": "", "is_sensitive": False}
        ],
        "plans": [],
    }  # fmt: skip
    assert import_plans(data).written == 0
    data[shared][0][key] = value
    with pytest.raises(PlanFileRefused) as refusal:
        import_plans(data)
    assert said[1:] in str(refusal.value)
