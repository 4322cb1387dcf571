"""The page of a segment: every problem said in French, then who is concerned and how many."""

import json
import re
from typing import Any

import pytest
from django.urls import reverse

from campaigns.models import Segment
from outreach.roles import AGENT
from tests.factories import make_allocataires, make_segment
from tests.pages import make_colleague, sign_in

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


def test_the_results_say_who_how_many_and_show_nobody(django_assert_max_num_queries: Any) -> None:
    make_allocataires(12, last_name="DURANDAL")
    segment = make_segment(PARENTS)
    client = sign_in(make_colleague(AGENT))
    with django_assert_max_num_queries(40):
        page = client.post(reverse("admin:segment_results", args=[segment.pk])).content.decode()
    assert "Allocataires avec au moins 1 enfant à charge." in page
    assert re.search(r'class="av-figure-value">\s*12\s*<', page)
    assert "10 exemples, sans nom" in page
    assert "DURANDAL" not in page


def test_a_stored_tree_that_is_no_longer_valid_does_not_break_the_page() -> None:
    segment = make_segment({"field": "disparu", "op": "eq", "value": 1})
    client = sign_in(make_colleague(AGENT))
    page = client.get(reverse("admin:campaigns_segment_change", args=[segment.pk])).content.decode()
    assert "disparu (n’existe plus)" in page
