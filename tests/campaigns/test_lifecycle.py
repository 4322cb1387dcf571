"""The life of a campaign: the table of moves, two people, what an approval pins, one launch."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from django.db import connection

from campaigns.enums import CONTROL_ARM, CampaignStatus, Channel, PlanMode, TrialStatus
from campaigns.lifecycle import (
    MoveRefused,
    TooWide,
    approve_campaign,
    cancel_campaign,
    close_campaign,
    current_fingerprint,
    launch_campaign,
    override_sensitive_theme,
    pause_campaign,
    record_edit,
    resume_campaign,
    send_back_campaign,
    start_campaign,
    submit_campaign,
)
from campaigns.models import Campaign, CampaignMove, ExtraAttribute
from campaigns.rules import lifecycle as rules
from tests.factories import (
    NIGHT,
    NOW,
    make_allocataires,
    make_campaign,
    make_plan,
    make_segment,
    make_user,
    step_values,
    try_texts,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent():
    return make_user("agent")


@pytest.fixture
def superviseur():
    return make_user("superviseur")


@pytest.fixture
def draft(agent) -> Campaign:
    make_allocataires(3)
    plan = make_plan(control_share="0.1", is_sensitive=True)
    campaign = start_campaign(plan=plan, segment=make_segment(), name="Vie maritale", by=agent, now=NOW)
    try_texts(campaign)
    return campaign


@pytest.fixture
def approved(draft, agent, superviseur) -> Campaign:
    submit_campaign(campaign=draft, by=agent, now=NOW)
    return approve_campaign(campaign=draft, by=superviseur, now=NOW)


def launch(campaign: Campaign, by, typed_size: int = 3) -> Campaign:
    return launch_campaign(campaign=campaign, by=by, now=NOW, typed_size=typed_size)


def codes(campaign: Campaign) -> list[str]:
    return list(campaign.moves.order_by("pk").values_list("move", flat=True))


def test_a_campaign_starts_as_a_copy_of_its_plan(agent):
    plan = make_plan(
        steps=[step_values(), step_values(Channel.EMAIL, position=2, offset_days=7)],
        control_share="0.2",
        window_days=45,
    )
    campaign = start_campaign(
        plan=plan, segment=make_segment(), name="Essai", by=agent, now=NOW, starts_on=date(2026, 3, 10)
    )
    assert (campaign.arms, campaign.window_days, campaign.starts_on) == (plan.arms, 45, date(2026, 3, 10))
    assert list(campaign.steps.values_list("channel", "offset_days", "body")) == list(
        plan.steps.values_list("channel", "offset_days", "body")
    )
    assert codes(campaign) == ["CREATE"]
    with pytest.raises(MoveRefused, match="porte déjà ce nom"):
        start_campaign(plan=plan, segment=make_segment(), name="Essai", by=agent, now=NOW)


def test_from_draft_to_close(draft, agent, superviseur):
    submitted = submit_campaign(campaign=draft, by=agent, now=NOW)
    assert (submitted.expected_size, submitted.criteria) == (3, draft.segment.criteria)
    approved = approve_campaign(campaign=draft, by=superviseur, now=NOW)
    assert approved.approved_fingerprint == current_fingerprint(approved)
    running = launch(draft, superviseur)
    assert running.status == CampaignStatus.RUNNING
    assert running.seed
    assert running.starts_on == date(2026, 3, 3)  # 23:30 UTC on the 2nd is already the 3rd in Paris
    pause_campaign(campaign=draft, by=agent, now=NOW, reason="Doute sur un texte")
    resume_campaign(campaign=draft, by=superviseur, now=NOW)
    closed = close_campaign(campaign=draft, now=NOW)
    assert closed.closed_at == NOW
    assert codes(draft) == ["CREATE", "SUBMIT", "APPROVE", "LAUNCH", "PAUSE", "RESUME", "CLOSE"]


MAKERS: dict[str, Callable] = {
    "SUBMIT": lambda c, u: submit_campaign(campaign=c, by=u, now=NOW),
    "APPROVE": lambda c, u: approve_campaign(campaign=c, by=u, now=NOW),
    "SEND_BACK": lambda c, u: send_back_campaign(campaign=c, by=u, now=NOW, reason="Texte à revoir"),
    "LAUNCH": lambda c, u: launch(c, u),
    "PAUSE": lambda c, u: pause_campaign(campaign=c, by=u, now=NOW, reason="Doute"),
    "RESUME": lambda c, u: resume_campaign(campaign=c, by=u, now=NOW),
    "CLOSE": lambda c, u: close_campaign(campaign=c, by=u, now=NOW),
    "CANCEL": lambda c, u: cancel_campaign(campaign=c, by=u, now=NOW),
    "OVERRIDE": lambda c, u: override_sensitive_theme(campaign=c, by=u, now=NOW, reason="Nouveau droit"),
}


@pytest.mark.parametrize("status", CampaignStatus.values)
@pytest.mark.parametrize("code", list(rules.MOVES))
def test_each_move_from_each_state_does_what_the_table_says(code, status, draft, agent, superviseur):
    """Every pair: either the target of the table, or a refusal that names the state and changes nothing."""
    submit_campaign(campaign=draft, by=agent, now=NOW)
    approve_campaign(campaign=draft, by=superviseur, now=NOW)
    Campaign.objects.filter(pk=draft.pk).update(status=status)
    move = rules.MOVES[code]
    before = CampaignMove.objects.count()
    if status in move.sources:
        assert MAKERS[code](draft, superviseur).status == move.target
        assert draft.moves.order_by("pk").last().move == code
    else:
        with pytest.raises(MoveRefused, match=str(CampaignStatus(status).label)):
            MAKERS[code](draft, superviseur)
        draft.refresh_from_db()
        assert (draft.status, CampaignMove.objects.count()) == (status, before)


def test_nobody_approves_what_she_wrote(draft, agent, superviseur):
    record_edit(campaign=draft, by=superviseur, now=NOW)
    submit_campaign(campaign=draft, by=agent, now=NOW)
    for author in (agent, superviseur):
        with pytest.raises(MoveRefused, match="Une autre personne doit le faire"):
            approve_campaign(campaign=draft, by=author, now=NOW)
    other = make_user("superviseur2")
    assert approve_campaign(campaign=draft, by=other, now=NOW).status == CampaignStatus.APPROVED


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([], set()),
        ([("CREATE", 1), ("EDIT", 2), ("SUBMIT", 3)], {1, 2, 3}),
        ([("CREATE", 1), ("SUBMIT", 1), ("APPROVE", 2), ("SEND_BACK", 2), ("EDIT", 3)], {3}),
        ([("CREATE", 1), ("SUBMIT", 1), ("SEND_BACK", 2), ("EDIT", None)], {1}),
    ],
)
def test_authors_are_those_since_the_last_approval(log, expected):
    assert rules.authors(log) == expected


def test_what_changes_after_submission_cannot_be_approved(draft, agent, superviseur):
    submit_campaign(campaign=draft, by=agent, now=NOW)
    draft.steps.update(body="Caf : un autre texte.")
    with pytest.raises(MoveRefused, match="a changé depuis sa soumission"):
        approve_campaign(campaign=draft, by=superviseur, now=NOW)


@pytest.mark.parametrize("change", ["body", "offset_days", "channel"])
def test_what_changes_after_approval_can_neither_be_launched_nor_resumed(change, approved, superviseur):
    approved.steps.update(**{change: {"body": "Autre", "offset_days": 3, "channel": "EMAIL"}[change]})
    with pytest.raises(MoveRefused, match="n’est plus celle qui a été approuvée"):
        launch(approved, superviseur)
    Campaign.objects.filter(pk=approved.pk).update(status=CampaignStatus.PAUSED)
    with pytest.raises(MoveRefused, match="n’est plus celle qui a été approuvée"):
        resume_campaign(campaign=approved, by=superviseur, now=NOW)


def pinned(**changes):
    values = {
        "mode": "UNIQUE", "criteria": {"all": []}, "arms": [{"code": "SMS", "share": 1}], "control_share": 0.1,
        "window_days": 60, "night_size_max": None, "expected_size": 787,
        "sensitive_override_reason": "", "pins_rules": False,
    }  # fmt: skip
    return SimpleNamespace(**{**values, **changes})


def step(**changes):
    return SimpleNamespace(**{"anchor": "", "offset_days": 0, "valid_days": 5, "arm": "", **step_values(), **changes})


def test_fingerprint_ignores_order_and_notation():
    assert rules.fingerprint(pinned(), [step()]) == rules.fingerprint(pinned(control_share="0.100"), [step()])
    two = [step(), step(position=2)]
    assert rules.fingerprint(pinned(), two) == rules.fingerprint(pinned(), two[::-1])
    swapped = pinned(arms=[{"share": 1, "code": "SMS"}])
    assert rules.fingerprint(pinned(), [step()]) == rules.fingerprint(swapped, [step()])


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "CHAQUE_NUIT"}, {"criteria": {"any": []}}, {"arms": []}, {"control_share": 0.2},
        {"window_days": 61}, {"night_size_max": 10}, {"expected_size": 788},
        {"sensitive_override_reason": "Nouveau droit"},
    ],
)  # fmt: skip
def test_fingerprint_covers_every_rule(changes):
    assert rules.fingerprint(pinned(**changes), [step()]) != rules.fingerprint(pinned(), [step()])


@pytest.mark.parametrize(
    "changes",
    [
        {"position": 3}, {"channel": "CALL"}, {"arm": "SMS"}, {"anchor": "event_on"}, {"offset_days": 1},
        {"valid_days": 9}, {"subject": "Objet"}, {"body": "Texte"},
    ],
)  # fmt: skip
def test_fingerprint_covers_every_part_of_a_step(changes):
    assert rules.fingerprint(pinned(), [step(**changes)]) != rules.fingerprint(pinned(), [step()])


def test_the_expected_size_must_be_typed(approved, superviseur):
    with pytest.raises(MoveRefused, match="vous avez tapé 30, l’effectif attendu est 3"):
        launch(approved, superviseur, typed_size=30)
    approved.refresh_from_db()
    assert (approved.status, approved.seed) == (CampaignStatus.APPROVED, "")


def test_a_second_launch_says_who_was_first(approved, superviseur):
    launch(approved, superviseur)
    with pytest.raises(MoveRefused) as refusal:
        launch(approved, superviseur)
    assert str(refusal.value) == (
        "Impossible de lancer la campagne « Vie maritale » : son état est « En cours » "
        "(lancement par superviseur, le 03/03/2026 à 00:30)."
    )


def test_a_relaunch_keeps_the_seed(approved, agent, superviseur):
    seed = launch(approved, superviseur).seed
    pause_campaign(campaign=approved, by=None, now=NOW, reason="Écart " * 100)
    send_back_campaign(campaign=approved, by=superviseur, now=NOW, reason="Effectif à revoir")
    record_edit(campaign=approved, by=agent, now=NOW)
    submit_campaign(campaign=approved, by=agent, now=NOW)
    approve_campaign(campaign=approved, by=superviseur, now=NOW)
    assert launch(approved, superviseur).seed == seed
    with pytest.raises(MoveRefused, match="son état est"):
        cancel_campaign(campaign=approved, by=superviseur, now=NOW)


def test_only_a_draft_is_edited(approved, agent):
    with pytest.raises(MoveRefused, match="modifier"):
        record_edit(campaign=approved, by=agent, now=NOW)


def test_sending_back_needs_a_reason(approved, superviseur):
    with pytest.raises(MoveRefused, match="dites ce qui doit changer"):
        send_back_campaign(campaign=approved, by=superviseur, now=NOW, reason="  ")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"arms": []}, "Aucun bras contacté"),
        ({"arms": [{"code": CONTROL_ARM, "label": "T", "share": 1}]}, "un code distinct, autre que TEMOIN"),
        ({"arms": [{"code": "SMS", "label": "SMS", "share": 0}]}, "doit être un nombre positif"),
        ({"starts_on": date(2026, 3, 2)}, "premier jour d’envoi est passé"),
        ({"starts_on": date(2026, 3, 20), "ends_on": date(2026, 3, 19)}, "précède son premier jour"),
        ({"mode": PlanMode.NIGHTLY}, "maximum de personnes par nuit"),
    ],
)
def test_a_draft_that_means_nothing_is_not_submitted(changes, problem, draft, agent):
    Campaign.objects.filter(pk=draft.pk).update(**changes)
    with pytest.raises(MoveRefused, match=problem):
        submit_campaign(campaign=draft, by=agent, now=NOW)


@pytest.mark.parametrize(
    ("arms", "step_arms", "problem"),
    [
        (["SMS", "APPEL"], ["SMS"], "Le bras « APPEL » n’a aucune étape."),
        (["SMS"], ["SMS", "APPEL"], "L’étape nomme un bras inconnu : « APPEL »."),
        (["SMS", "SMS"], [""], "Chaque bras contacté doit avoir un code distinct, autre que TEMOIN."),
    ],
)
def test_each_arm_has_its_steps(arms, step_arms, problem):
    found = rules.find_arm_problems([{"code": a, "share": 1} for a in arms], step_arms, control_code=CONTROL_ARM)
    assert found == [problem]


def test_all_problems_are_said_at_once(draft, agent):
    draft.steps.update(body="Urgent ! Cliquez sur https://bit.ly/abc {{ salaire }}")
    Campaign.objects.filter(pk=draft.pk).update(starts_on=NOW.date() - timedelta(days=9))
    with pytest.raises(MoveRefused) as refusal:
        submit_campaign(campaign=draft, by=agent, now=NOW)
    assert len(refusal.value.problems) >= 3


def test_an_empty_segment_is_not_submitted(draft, agent):
    draft.segment.criteria = {"all": [{"field": "children_count", "op": "gte", "value": 15}]}
    draft.segment.save()
    with pytest.raises(MoveRefused, match="ne contient personne"):
        submit_campaign(campaign=draft, by=agent, now=NOW)


def test_a_removed_criterion_is_not_submitted(draft, agent):
    draft.segment.criteria = {"all": [{"field": "extra.disparu", "op": "eq", "value": True}]}
    draft.segment.save()
    with pytest.raises(MoveRefused, match="Impossible de soumettre"):
        submit_campaign(campaign=draft, by=agent, now=NOW)


def test_a_sensitive_criterion_needs_its_justification(draft, agent):
    ExtraAttribute.objects.create(code="suivi", label="Suivi santé", type="OUI_NON", is_sensitive=True)
    draft.segment.criteria = {"not": {"field": "extra.suivi", "op": "eq", "value": True}}
    draft.segment.save()
    with pytest.raises(MoveRefused, match="écrivez la justification"):
        submit_campaign(campaign=draft, by=agent, now=NOW)
    draft.segment.justification = "Public de la mesure, avis du DPO du 2 février."
    draft.segment.save()
    assert submit_campaign(campaign=draft, by=agent, now=NOW).expected_size == 3


@pytest.mark.django_db(transaction=True)
def test_sixty_four_launches_at_once_make_one(draft, agent, superviseur):
    submit_campaign(campaign=draft, by=agent, now=NOW)
    approve_campaign(campaign=draft, by=superviseur, now=NOW)

    def press(_: int) -> tuple[str, str]:
        try:
            return launch(draft, superviseur).seed, ""
        except MoveRefused as refusal:
            return "", str(refusal)
        finally:
            connection.close()

    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(press, range(64)))
    seeds = [seed for seed, _ in answers if seed]
    refusals = [refusal for _, refusal in answers if refusal]
    draft.refresh_from_db()
    assert seeds == [draft.seed]
    assert len(refusals) == 63
    assert all("son état est « En cours »" in refusal for refusal in refusals)
    assert codes(draft).count("LAUNCH") == 1


def test_a_campaign_for_most_of_the_population_asks_for_its_size(agent, settings) -> None:
    settings.WIDE_FLOOR, settings.WIDE_SHARE = 4, 0.5
    make_allocataires(3, children_count=0)
    make_allocataires(5, children_count=1)
    make_allocataires(1, closed_on=NIGHT, children_count=0)

    def campaign(children: int) -> Campaign:
        segment = make_segment({"field": "children_count", "op": "eq", "value": children})
        made = make_campaign(segment=segment)
        try_texts(made)
        return made

    wide = campaign(1)
    with pytest.raises(TooWide, match="5 personnes, plus de 50 % des 8 dossiers ouverts"):
        submit_campaign(campaign=wide, by=agent, now=NOW)
    with pytest.raises(TooWide):
        submit_campaign(campaign=wide, by=agent, now=NOW, typed_size=4)
    assert submit_campaign(campaign=wide, by=agent, now=NOW, typed_size=5).expected_size == 5
    assert submit_campaign(campaign=campaign(0), by=agent, now=NOW).expected_size == 4
    settings.WIDE_FLOOR = 6
    assert submit_campaign(campaign=campaign(1), by=agent, now=NOW).expected_size == 5


def test_a_campaign_whose_text_nobody_received_is_not_submitted(draft, agent) -> None:
    draft.trials.all().delete()
    with pytest.raises(MoveRefused, match="« Premier contact » : personne de l’équipe n’a reçu ce texte"):
        submit_campaign(campaign=draft, by=agent, now=NOW)
    try_texts(draft)
    draft.steps.update(body="Caf : une question sur votre dossier ? Appelez le {{ telephone_caf }}.")
    with pytest.raises(MoveRefused, match="n’a reçu ce texte"):
        submit_campaign(campaign=draft, by=agent, now=NOW)
    try_texts(draft)
    assert submit_campaign(campaign=draft, by=agent, now=NOW).status == CampaignStatus.SUBMITTED


@pytest.mark.parametrize("status", sorted(set(TrialStatus) - TrialStatus.received()))
def test_a_trial_that_did_not_arrive_does_not_count(draft, agent, status: str) -> None:
    draft.trials.update(status=status)
    with pytest.raises(MoveRefused, match="n’a reçu ce texte"):
        submit_campaign(campaign=draft, by=agent, now=NOW)


def test_a_campaign_of_calls_alone_has_nothing_to_try(agent) -> None:
    make_allocataires(3)
    campaign = make_campaign(steps=[step_values("CALL")])
    assert submit_campaign(campaign=campaign, by=agent, now=NOW).expected_size == 3
