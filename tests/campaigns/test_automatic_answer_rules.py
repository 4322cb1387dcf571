"""What a step that answers whoever replies must be, on its own, in a draft and in a plan file."""

from typing import Any

import pytest

from campaigns.enums import AFTER_REPLY, Channel
from campaigns.lifecycle import MoveRefused, start_campaign, submit_campaign
from campaigns.models import Plan, PlanStep, Step
from campaigns.plan_catalogue import PlanFileRefused, export_plans, import_plans
from campaigns.rules.automatic_answers import find_answer_problems
from campaigns.simulation import simulate_campaign
from tests.factories import (
    NOW,
    make_allocataires,
    make_campaign,
    make_plan,
    make_segment,
    make_user,
    step_values,
)

ARMS = ["SMS", "MAIL"]


def step(anchor: str = "", channel: str = Channel.SMS, arm: str = "", **values: Any) -> dict[str, Any]:
    return {"label": "Étape", "anchor": anchor, "channel": channel, "arm": arm, "offset_days": 0, **values}


def answer(channel: str = Channel.SMS, **values: Any) -> dict[str, Any]:
    return step(AFTER_REPLY, channel, **{"label": "Accusé", **values})


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([step(), answer()], []),
        ([step(arm="SMS"), step(channel=Channel.EMAIL, arm="MAIL"), answer()], []),
        ([step(), answer(arm="SMS"), answer(arm="MAIL")], []),
        ([step(), answer(Channel.EMAIL)], ["c’est un SMS"]),
        ([step(), answer(offset_days=2)], ["décalage est de 0 jour"]),
        ([answer()], ["personne n’y répondra"]),
        ([step(arm="SMS"), step(channel=Channel.EMAIL, arm="MAIL"), answer(arm="MAIL")], ["personne n’y répondra"]),
        ([step(), answer(), answer(arm="MAIL")], ["« MAIL » a plusieurs réponses automatiques"]),
    ],
)
def test_what_an_automatic_answer_must_be(steps: list[dict[str, Any]], said: list[str]) -> None:
    problems = find_answer_problems(steps, ARMS)
    assert len(problems) == len(said)
    assert all(words in problem for words, problem in zip(said, problems, strict=True))


def answered_steps(**values: Any) -> list[dict[str, Any]]:
    later = {"position": 2, "label": "Accusé", "anchor": AFTER_REPLY, "body": "Caf : bien reçu, merci.", **values}
    return [step_values(), step_values(**later)]


@pytest.mark.django_db
def test_a_plan_keeps_its_answer_through_a_file() -> None:
    make_plan(code="avec-reponse", steps=answered_steps(), purpose="Écrire et répondre.")
    data = export_plans(Plan.objects.all())
    Plan.objects.all().delete()
    assert import_plans(data).created == ["avec-reponse"]
    assert [one.answers_a_reply for one in PlanStep.objects.order_by("position")] == [False, True]
    assert [one.position for one in PlanStep.objects.planned()] == [1]
    assert import_plans(data).unchanged == ["avec-reponse"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "said"),
    [({"offset_days": 3}, "décalage est de 0"), ({"body": "Vous avez droit au RSA"}, "ne nomme aucun droit")],
)
def test_a_wrong_answer_is_refused_by_a_file_and_by_the_submission(values: dict[str, Any], said: str) -> None:
    plan = make_plan(code="avec-reponse", steps=answered_steps(**values))
    with pytest.raises(PlanFileRefused, match=said):
        import_plans(export_plans(Plan.objects.all()))
    make_allocataires(1)
    author = make_user()
    campaign = start_campaign(plan=plan, segment=make_segment(), name="Essai", by=author, now=NOW)
    with pytest.raises(MoveRefused, match=said):
        submit_campaign(campaign=campaign, by=author, now=NOW)


@pytest.mark.django_db
def test_an_arm_that_only_answers_has_no_step() -> None:
    arms = [{"code": "SMS", "label": "SMS", "share": 1}, {"code": "MUET", "label": "Muet", "share": 1}]
    steps = [step_values(arm="SMS"), step_values(position=2, anchor=AFTER_REPLY, arm="MUET")]
    make_allocataires(4)
    simulation = simulate_campaign(campaign=make_campaign(arms=arms, steps=steps), now=NOW)
    assert simulation.problems == ["Le bras « MUET » n’a aucune étape."]


@pytest.mark.django_db
def test_a_simulation_counts_no_answer() -> None:
    make_allocataires(4)
    without = simulate_campaign(campaign=make_campaign(), now=NOW)
    simulation = simulate_campaign(campaign=make_campaign(steps=answered_steps()), now=NOW)
    assert simulation.sms_segments == without.sms_segments
    assert [(one.people, one.answers_a_reply) for one in simulation.steps] == [(4, False), (0, True)]


@pytest.mark.django_db
def test_an_answer_opens_no_channel_to_an_arm() -> None:
    """People with a mobile and no e-mail stay out of a campaign by e-mail, which would only answer by SMS."""
    arms = [{"code": code, "label": code, "share": 1} for code in ARMS]
    steps = [
        step_values(arm="SMS"),
        step_values(Channel.EMAIL, position=2, arm="MAIL"),
        step_values(position=3, anchor=AFTER_REPLY),
    ]
    make_allocataires(2)
    make_allocataires(3, email="")
    assert simulate_campaign(campaign=make_campaign(arms=arms, steps=steps), now=NOW).retained == 2
    assert Step.objects.planned().count() == 2
