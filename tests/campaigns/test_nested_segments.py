"""Segments that name others: same people, same words, same sensitivity; never a loop, nor a changed approval."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from django.db import connection

from campaigns import segment_keeping
from campaigns.admin import segments as segments_admin
from campaigns.audiences import freeze_audience
from campaigns.explanations import explain_segment
from campaigns.known_criteria import load_catalogue
from campaigns.lifecycle import MoveRefused, approve_campaign, current_fingerprint, launch_campaign, submit_campaign
from campaigns.models import Campaign, Segment
from campaigns.plan_catalogue import PlanFileRefused, export_plans, import_plans
from campaigns.rules.criteria import InvalidCriteria, check, is_sensitive
from campaigns.rules.criteria_segments import MAX_NESTED
from campaigns.segment_keeping import keep_segment
from campaigns.segments import count_matching, explain_criteria, matching
from outreach.roles import AGENT
from tests.factories import NIGHT, NOW, make_allocataire, make_campaign, make_plan, make_segment, make_user, try_texts
from tests.pages import make_colleague, sign_in

pytestmark = pytest.mark.django_db

PARENTS = {"all": [{"field": "children_count", "op": "gte", "value": 1}]}
ALONE = {"all": [{"field": "isolated", "op": "eq", "value": True}]}
AAH = {"all": [{"field": "prestation", "op": "has", "value": "AAH"}]}


def inside(*segments: Segment, op: str = "in") -> dict[str, Any]:
    return {"field": "segment", "op": op, "value": [str(each.pk) for each in segments]}


def select(criteria: dict[str, Any]) -> set[int]:
    return set(matching(criteria, today=NIGHT).values_list("pk", flat=True))


def cycle() -> tuple[Segment, Segment]:
    first = make_segment(PARENTS, name="Parents")
    second = make_segment({"all": [inside(first), ALONE["all"][0]]}, name="Parents isolés")
    first.criteria = {"any": [PARENTS["all"][0], inside(second)]}
    return first, second


def test_a_segment_includes_and_excludes_others() -> None:
    parent = make_allocataire(children_count=2, family_situation="MARIE")
    both = make_allocataire(children_count=1, family_situation="SEPARE")
    alone = make_allocataire(children_count=0, family_situation="SEPARE")
    neither = make_allocataire(children_count=0, family_situation="MARIE")
    parents, lonely = make_segment(PARENTS), make_segment(ALONE)
    assert select(inside(parents)) == {parent.pk, both.pk}
    assert select(inside(parents, lonely)) == {parent.pk, both.pk, alone.pk}
    assert select(inside(parents, lonely, op="not_in")) == {neither.pk}
    assert select({"all": [inside(parents), {"not": inside(lonely)}]}) == {parent.pk}
    deeper = make_segment({"all": [inside(parents), inside(lonely)]})
    assert select(inside(deeper)) == {both.pk}


def test_the_sentence_says_what_is_inside() -> None:
    parents = make_segment(PARENTS, name="Parents")
    assert explain_criteria({"all": [ALONE["all"][0], inside(parents)]}) == (
        "Allocataires isolés, du segment «\u00a0Parents\u00a0» (avec au moins 1 enfant à charge)."
    )
    assert explain_criteria(inside(parents, op="not_in")) == (
        "Allocataires à l’exclusion de ceux du segment «\u00a0Parents\u00a0» (avec au moins 1 enfant à charge)."
    )


def test_a_loop_is_named() -> None:
    first, second = cycle()
    catalogue = load_catalogue(writing=first)
    assert check(first.criteria, catalogue) == [
        "Des segments se contiennent en boucle : « Parents → Parents isolés → Parents »."
    ]
    assert check({"all": [inside(first)]}, catalogue) == [
        "Des segments se contiennent en boucle : « Parents → Parents »."
    ]
    first.save()
    with pytest.raises(InvalidCriteria, match="Parents isolés → Parents → Parents isolés"):
        count_matching(inside(second), today=NIGHT)


def test_a_removed_segment_is_named_with_who_holds_it() -> None:
    parents = make_segment(PARENTS)
    outer = make_segment({"all": [inside(parents)]}, name="Dehors")
    key = parents.pk
    parents.delete()
    assert f"le segment n° {key} n’existe plus" in check({"all": [inside(Segment(pk=key))]}, load_catalogue())[0]
    with pytest.raises(InvalidCriteria, match=f"segment n° {key} n’existe plus .« Dehors »"):
        count_matching(inside(outer), today=NIGHT)


def test_depth_and_size_are_bounded() -> None:
    segment = make_segment(PARENTS)
    for _ in range(MAX_NESTED - 1):
        segment = make_segment({"all": [inside(segment)]})
    assert count_matching(inside(segment), today=NIGHT) == 0
    assert "sont imbriqués" in check(inside(make_segment({"all": [inside(segment)]})), load_catalogue())[0]
    wide = make_segment({"any": PARENTS["all"] * 90})
    wide = make_segment({"all": [{"any": [inside(wide) for _ in range(20)]}]})
    assert "dépassent" in check(inside(wide), load_catalogue())[0]


def test_what_is_sensitive_or_impossible_inside_is_seen_outside() -> None:
    catalogue = load_catalogue()
    assert not is_sensitive(PARENTS, catalogue)
    helped, none = make_segment(AAH), make_segment({"all": [{"field": "children_count", "op": "eq", "value": 0}]})
    catalogue = load_catalogue()
    assert is_sensitive(inside(helped), catalogue)
    assert "se contredisent" in check({"all": [inside(none), PARENTS["all"][0]]}, catalogue)[0]
    assert "se contredisent" in check({"all": [inside(none), inside(none, op="not_in")]}, catalogue)[0]
    assert check({"all": [inside(none), inside(helped)]}, catalogue) == []


def test_a_name_typed_by_hand_is_refused() -> None:
    assert "« name »" in check({"all": PARENTS["all"], "name": "Segment rassurant"}, load_catalogue())[0]


def test_why_her_shows_the_inner_criteria() -> None:
    person = make_allocataire(children_count=1, family_situation="MARIE")
    outer = {"all": [inside(make_segment(PARENTS, name="Parents")), ALONE["all"][0]]}
    verdict = explain_segment(allocataire=person, criteria=outer, today=NIGHT)
    assert [(line.depth, line.text, line.holds) for line in verdict.criteria] == [
        (0, "Tous ces critères :", False),
        (1, "Segment « Parents » :", True),
        (2, "Tous ces critères :", True),
        (3, "Avec au moins 1 enfant à charge", True),
        (1, "Isolés", False),
    ]


def launched(segment: Segment) -> Campaign:
    agent, chief = make_user(), make_user()
    campaign = make_campaign(segment=segment)
    try_texts(campaign)
    submitted = submit_campaign(campaign=campaign, by=agent, now=NOW)
    approve_campaign(campaign=campaign, by=chief, now=NOW)
    return launch_campaign(campaign=campaign, by=chief, now=NOW, typed_size=submitted.expected_size or 0)


def test_an_inner_segment_changed_after_approval_changes_nothing_of_it() -> None:
    people = {make_allocataire(children_count=1).pk for _ in range(3)}
    for _ in range(3):
        make_allocataire(children_count=0)
    parents = make_segment(PARENTS)
    campaign = launched(make_segment({"all": [inside(parents)]}))
    pinned = campaign.approved_fingerprint
    parents.criteria = {"all": [{"field": "children_count", "op": "gte", "value": 0}]}
    parents.save()
    assert current_fingerprint(campaign) == pinned
    audience = freeze_audience(campaign=campaign, night_on=NIGHT, now=NOW)
    assert audience is not None
    assert set(audience.members.values_list("allocataire_id", flat=True)) == people


def test_an_inner_segment_changed_before_approval_is_not_what_was_submitted() -> None:
    """What the approver reads is what was counted: the pinned tree holds everything."""
    make_allocataire(children_count=1)
    parents = make_segment(PARENTS, name="Parents")
    campaign = make_campaign(segment=make_segment({"all": [inside(parents)]}))
    try_texts(campaign)
    submitted = submit_campaign(campaign=campaign, by=make_user(), now=NOW)
    assert submitted.criteria == {"all": [{"all": [PARENTS], "name": "Parents"}]}
    parents.delete()
    assert explain_criteria(submitted.criteria).count("au moins 1 enfant") == 1
    assert approve_campaign(campaign=campaign, by=make_user(), now=NOW + timedelta(hours=1)).approved_fingerprint


def test_a_broken_reference_keeps_a_campaign_from_being_submitted() -> None:
    parents = make_segment(PARENTS)
    campaign = make_campaign(segment=make_segment({"all": [inside(parents)]}))
    parents.delete()
    with pytest.raises(MoveRefused, match="n’existe plus"):
        submit_campaign(campaign=campaign, by=make_user(), now=NOW)


def test_a_plan_that_travels_names_no_segment() -> None:
    parents = make_segment(PARENTS)
    file = export_plans([make_plan(criteria={"all": [inside(parents)]})])
    with pytest.raises(PlanFileRefused, match="« segment » n’existe pas"):
        import_plans(file)


@pytest.mark.django_db(transaction=True)
def test_two_segments_kept_at_once_do_not_come_to_contain_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would be right by what it read of the other, if both could read before either is kept."""
    first, second = make_segment(PARENTS, name="Parents"), make_segment(ALONE, name="Isolés")
    first.criteria, second.criteria = inside(second), inside(first)
    both = Barrier(2, timeout=0.5)

    def read_then_wait(**writing: Any) -> Any:
        catalogue = load_catalogue(**writing)
        with suppress(BrokenBarrierError):
            both.wait()
        return catalogue

    monkeypatch.setattr(segment_keeping, "load_catalogue", read_then_wait)

    def keep(segment: Segment) -> str:
        try:
            keep_segment(segment=segment)
        except InvalidCriteria as refusal:
            return str(refusal)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(keep, (first, second)))
    assert answers[0] == ""
    assert "en boucle" in answers[1]
    for kept in Segment.objects.all():
        assert check(kept.criteria, load_catalogue(writing=kept)) == []


def chain(length: int) -> list[Segment]:
    """Each contains the one before."""
    kept = [make_segment(PARENTS)]
    while len(kept) < length:
        kept.append(make_segment(inside(kept[-1])))
    return kept


def test_a_segment_does_not_break_those_that_contain_it() -> None:
    """Right by itself, with two more inside, it would make its outermost too deep to be read."""
    outer, more = chain(MAX_NESTED), chain(3)
    innermost, outermost = outer[0], outer[-1]
    innermost.criteria = inside(more[-1])
    with pytest.raises(
        InvalidCriteria, match=f"« {outermost.name} », qui le contient, ne pourrait plus être lu. Plus de"
    ):
        keep_segment(segment=innermost)
    assert count_matching(outermost.criteria, today=NIGHT) == 0
    innermost.criteria = ALONE
    keep_segment(segment=innermost)


def test_what_was_broken_already_keeps_nobody_from_working() -> None:
    make_segment({"field": "extra.disparu", "op": "eq", "value": 1})
    kept = make_segment(PARENTS)
    kept.criteria = ALONE
    keep_segment(segment=kept)
    keep_segment(segment=Segment(name="Nouveau", criteria=inside(kept)))
    assert Segment.objects.get(pk=kept.pk).criteria == ALONE


def test_the_page_says_that_a_segment_was_changed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = make_segment(PARENTS)

    def refuse(*, segment: Segment) -> None:
        raise InvalidCriteria(["Des segments se contiennent en boucle : « A → B → A »."])

    monkeypatch.setattr(segments_admin, "keep_segment", refuse)
    page = sign_in(make_colleague(AGENT)).post(
        f"/campaigns/segment/{kept.pk}/change/",
        {"name": kept.name, "criteria": json.dumps(ALONE), "confirm": "1"},
    )
    assert page.status_code == 200
    assert "« A → B → A »" in page.content.decode()
    kept.refresh_from_db()
    assert kept.criteria == PARENTS
