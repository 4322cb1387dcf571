"""The page of a segment: every problem said in French, then who is concerned and how many."""

import json
import re
from datetime import date
from typing import Any

import pytest
from django.urls import reverse

from campaigns.enums import AttributeType
from campaigns.models import ExtraAttribute, Segment
from outreach.roles import AGENT, DPO
from tests.factories import ANYBODY, make_allocataires, make_commune, make_list, make_plan, make_segment
from tests.pages import MAX_QUERIES, make_colleague, sign_in

pytestmark = pytest.mark.django_db
ADD = "admin:campaigns_segment_add"
PARENTS = {"all": [{"field": "children_count", "op": "gte", "value": 1}]}


def write(criteria: object, **values: str) -> tuple[int, str]:
    text = criteria if isinstance(criteria, str) else json.dumps(criteria)
    client = sign_in(make_colleague(AGENT))
    response = client.post(reverse(ADD), {"name": "Parents", "criteria": text, **values})
    return response.status_code, response.content.decode()


def test_a_valid_segment_is_kept_with_its_author() -> None:
    assert write(PARENTS)[0] == 302
    segment = Segment.objects.get()
    assert (segment.criteria, str(segment.created_by)) == (PARENTS, "agent")


@pytest.mark.parametrize(
    ("criteria", "sentence"),
    [
        ('{"all": [', "n’est pas du JSON"),
        ({"field": "inconnu", "op": "eq", "value": 1}, "inconnu"),
        ({"field": "children_count", "op": "gte", "value": "beaucoup"}, "Enfants à charge"),
        ([], "obligatoire"),
    ],
    ids=["not JSON", "unknown field", "wrong value", "empty"],
)
def test_a_wrong_tree_is_refused_with_its_reason(criteria: object, sentence: str) -> None:
    status, page = write(criteria)
    assert status == 200
    assert sentence.lower() in page.lower()
    assert not Segment.objects.exists()


def test_all_problems_are_shown_at_once() -> None:
    tree = {"all": [{"field": "un", "op": "eq", "value": 1}, {"field": "deux", "op": "eq", "value": 1}]}
    page = write(tree)[1]
    assert "« un »" in page
    assert "« deux »" in page


def test_a_sensitive_criterion_needs_its_justification() -> None:
    tree = {"all": [{"field": "prestation", "op": "has", "value": "AAH"}]}
    assert "écrivez pourquoi il est nécessaire" in write(tree)[1]
    assert write(tree, justification="Bienvenue aux nouveaux bénéficiaires.")[0] == 302


def test_a_segment_of_everybody_or_of_nobody_is_kept_only_when_it_is_meant() -> None:
    make_allocataires(3)
    everybody = {"all": [{"field": "children_count", "op": "gte", "value": 0}]}
    nobody = {"all": [{"field": "children_count", "op": "gte", "value": 9}]}
    assert "toute la population connue : 3 personnes" in write(everybody)[1]
    assert "ne désignent personne" in write(nobody)[1]
    assert not Segment.objects.exists()
    assert write(nobody, confirm="1")[0] == 302


def rows(*facts: tuple[str, str, str], **more: str) -> dict[str, str]:
    """A form of one block: (fact, operator, value)."""
    data = {"name": "Parents", **more}
    for j, (fact, op, value) in enumerate(facts):
        data |= {f"row-0-{j}-{part}": text for part, text in (("was", fact), ("field", fact), ("op", op))}
        data[f"row-0-{j}-value"] = value
    return data


def test_rows_are_kept_as_a_tree_and_opened_again_as_rows() -> None:
    client = sign_in(make_colleague(AGENT))
    saved = client.post(reverse(ADD), rows(("children_count", "gte", "1"), ("isolated", "eq", "true"), _save="1"))
    segment = Segment.objects.get()
    assert segment.criteria == {"all": [*PARENTS["all"], {"field": "isolated", "op": "eq", "value": True}]}
    page = client.get(saved["Location"]).content.decode()
    assert re.search(r'<option value="isolated"\s+selected>', page)


def test_buttons_change_rows_without_javascript_and_keep_nothing() -> None:
    client = sign_in(make_colleague(AGENT))
    page = client.post(reverse(ADD), rows(("children_count", "gte", "1"), **{"add-row-0": "1"})).content.decode()
    assert 'id="row-0-1"' in page
    assert 'value="Parents"' in page
    counted = client.post(reverse(ADD), rows(("children_count", "gte", "1"), _preview="1")).content.decode()
    assert "Allocataires avec au moins 1 enfant à charge." in counted
    assert not Segment.objects.exists()


def test_htmx_gets_the_rows_alone() -> None:
    client = sign_in(make_colleague(AGENT))
    data = rows(("children_count", "gte", "1"), **{"add-block": "1"})
    answer = client.post(reverse(ADD), data, headers={"HX-Request": "true"})
    assert "criteria-changed" in answer["HX-Trigger-After-Settle"]
    assert answer.content.decode().strip().startswith('<div id="criteria">')


@pytest.mark.parametrize(("op", "was", "status"), [("lte", "age", 204), ("between", "age", 200), ("lte", "", 200)])
def test_a_value_being_typed_is_not_drawn_anew_for_nothing(op: str, was: str, status: int) -> None:
    """Letters typed between the question and its answer would be lost. An interval or another fact has other inputs."""
    data = rows(("age", op, "3"), **{"row-0-0-widget": "number"}) | {"row-0-0-was": was}
    headers = {"HX-Request": "true", "HX-Trigger": "id_row-0-0-op"}
    assert sign_in(make_colleague(AGENT)).post(reverse(ADD), data, headers=headers).status_code == status


def test_each_problem_stands_beside_its_row() -> None:
    client = sign_in(make_colleague(AGENT))
    data = rows(("children_count", "gte", "beaucoup"), ("age", "lte", "30"), _save="1")
    page = client.post(reverse(ADD), data).content.decode()
    assert re.search(
        r'id="problems-0-0"[^>]*>\s*<ul class="errorlist">\s*<li>« enfants à charge » : un nombre est attendu', page
    )
    assert "problems-0-1" not in page


def test_json_that_rows_cannot_show_stays_json() -> None:
    nested = {"all": [PARENTS["all"][0], {"any": [{"field": "age", "op": "lte", "value": 30}, PARENTS["all"][0]]}]}
    segment = make_segment(nested)
    client = sign_in(make_colleague(AGENT))
    page = client.get(reverse("admin:campaigns_segment_change", args=[segment.pk])).content.decode()
    assert "ne peuvent pas être montrés en lignes" in page
    assert 'name="criteria"' in page


def test_a_reader_sees_the_sentence_and_changes_nothing() -> None:
    segment = make_segment(PARENTS)
    client = sign_in(make_colleague(DPO))
    address = reverse("admin:campaigns_segment_change", args=[segment.pk])
    assert "_save" not in client.get(address).content.decode()
    client.post(address, rows(("age", "lte", "30"), _save="1"))
    segment.refresh_from_db()
    assert segment.criteria == PARENTS
    results = client.post(reverse("admin:segment_results", args=[segment.pk])).content.decode()
    assert "Allocataires avec au moins 1 enfant à charge." in results
    assert "exemple" not in results


def test_the_results_say_who_how_many_and_show_nobody(django_assert_max_num_queries: Any) -> None:
    make_allocataires(12, last_name="DURANDAL")
    segment = make_segment(PARENTS)
    client = sign_in(make_colleague(AGENT))
    with django_assert_max_num_queries(MAX_QUERIES):
        page = client.post(reverse("admin:segment_results", args=[segment.pk])).content.decode()
    assert "Allocataires avec au moins 1 enfant à charge." in page
    assert re.search(r'class="av-figure-value">\s*12\s*<', page)
    assert "10 exemples, sans nom" in page
    assert "DURANDAL" not in page


@pytest.mark.parametrize("form", ["rows", "json"])
def test_writing_a_segment_costs_few_queries(form: str, django_assert_max_num_queries: Any) -> None:
    """Seen by a plan, by whoever changes a kept one: what its criteria do not name is not read."""
    make_allocataires(3)
    plan, segment, client = make_plan(), make_segment(PARENTS), sign_in(make_colleague(AGENT))
    written = rows(("children_count", "gte", "1")) if form == "rows" else {"criteria": json.dumps(PARENTS)}
    with django_assert_max_num_queries(MAX_QUERIES):
        data = {**written, "plan": str(plan.pk), "writing": str(segment.pk)}
        page = client.post(reverse("admin:segment_preview"), data).content.decode()
    assert f"ceux du plan « {plan.name} »" in page


@pytest.mark.parametrize("kind", ["epci", "list", "segment", "extra"])
def test_a_preview_reads_whatever_its_criteria_name(kind: str) -> None:
    people = make_allocataires(3, extra={"suivi": "oui"})
    ExtraAttribute.objects.create(code="suivi", label="Suivi", type=AttributeType.TEXT, origin="Caf")
    named: dict[str, tuple[str, str, Any]] = {
        "epci": ("epci", "eq", people[0].commune.epci_id),
        "list": ("list", "in", [make_list(*people).code]),
        "segment": ("segment", "in", [str(make_segment(PARENTS).pk)]),
        "extra": ("extra.suivi", "eq", "oui"),
    }
    field, op, value = named[kind]
    data = {"criteria": json.dumps({"all": [{"field": field, "op": op, "value": value}]})}
    page = sign_in(make_colleague(AGENT)).post(reverse("admin:segment_preview"), data).content.decode()
    assert re.search(r'class="av-figure-value">\s*3\s*<', page)


def test_a_stored_tree_that_is_no_longer_valid_does_not_break_the_page() -> None:
    segment = make_segment({"field": "disparu", "op": "eq", "value": 1})
    client = sign_in(make_colleague(AGENT))
    page = client.get(reverse("admin:campaigns_segment_change", args=[segment.pk])).content.decode()
    assert "disparu (n’existe plus)" in page
    assert "choisissez-en un autre, ou retirez la ligne" in page


def test_a_segment_that_others_name_is_not_removed_and_says_who() -> None:
    inner = make_segment(name="Parents")
    make_segment({"field": "segment", "op": "in", "value": [str(inner.pk)]}, name="Parents isolés")
    client = sign_in(make_colleague("Superviseur"))
    page = client.post(reverse("admin:campaigns_segment_delete", args=[inner.pk]), {"post": "yes"}, follow=True)
    assert "Ce qui s’en sert : segment « Parents isolés »" in page.content.decode()
    assert Segment.objects.filter(pk=inner.pk).exists()


def test_segments_and_lists_are_rows_of_the_builder() -> None:
    make_list(code="ppa", name="Datamining PPA", as_of=date(2026, 11, 3))
    inner = make_segment(name="Parents")
    tree = {
        "all": [
            {"field": "segment", "op": "not_in", "value": [str(inner.pk)]},
            {"field": "list", "op": "in", "value": ["ppa"]},
            {"field": "contacted_within_days", "op": "within", "value": {"days": 90, "outcome": "REGULARISE"}},
        ]
    }
    outer = make_segment(tree)
    client = sign_in(make_colleague("Agent"))
    page = client.get(reverse("admin:campaigns_segment_change", args=[outer.pk])).content.decode()
    for words in (
        "est dans le segment",
        "figure dans la liste",
        "la liste «\u00a0Datamining PPA\u00a0» (Cnaf, 03/11/2026)",
    ):
        assert words in page
    assert f'value="{outer.pk}"\n' not in page.split("est dans le segment")[1].split("</fieldset>")[0]
    loop = {"row-0-0-field": "segment", "row-0-0-was": "segment", "row-0-0-op": "in", "row-0-0-value": [str(outer.pk)]}
    answer = client.post(
        reverse("admin:campaigns_segment_change", args=[inner.pk]), {**loop, "name": "Parents", "_save": "1"}
    )
    assert "se contiennent en boucle" in answer.content.decode()
    inner.refresh_from_db()
    assert inner.criteria == ANYBODY


@pytest.mark.parametrize(
    ("fact", "op", "typed", "said"),
    [
        ("commune", "eq", "Perpignan", "« Perpignan » : écrivez son code Insee, 66136"),
        ("commune", "in", "66136\nAtlantis", "« Atlantis » n’est le code Insee d’aucune commune connue"),
        ("department", "eq", "Lozère", "« Lozère » n’est pas un département connu : écrivez son numéro (66…)"),
    ],
)
def test_a_place_that_would_select_nobody_is_said_with_its_code(fact: str, op: str, typed: str, said: str) -> None:
    make_commune()
    client = sign_in(make_colleague(AGENT))
    page = client.post(reverse(ADD), rows((fact, op, typed), _save="1", confirm="1")).content.decode()
    assert said in page.replace("\xa0", " ")
    assert not Segment.objects.exists()


def test_places_that_are_known_are_kept() -> None:
    make_commune()
    client = sign_in(make_colleague(AGENT))
    facts = (("commune", "in", "66136\n"), ("department", "eq", "66"))
    assert client.post(reverse(ADD), rows(*facts, _save="1", confirm="1")).status_code == 302


def test_a_name_already_taken_is_said_in_french() -> None:
    make_segment(name="Parents")
    assert "Un autre segment s’appelle déjà ainsi" in write(PARENTS)[1]
