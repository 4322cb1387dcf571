"""Every code that Twilio publishes for messaging gets an action; the ones that the design settles, theirs."""

import pytest

from outreach.enums import AttemptStatus
from outreach.rules.delivery import outcome_of_answer, status_of
from outreach.rules.operator_codes import (
    CODES,
    OVH_CODES,
    TWILIO_FAMILIES,
    Action,
    SendOutcome,
    action_for,
    bad_number_reason,
    code_of,
    is_known_code,
)
from outreach.rules.ovh_states import outcome_of_ovh, read_state

# The numbers of the dictionary's entries for messaging (2023), and those that reading it since has added.
PUBLISHED = """
11751 14107 14109 20001-20008 20010-20012 20101 20104 20151 20160 20403-20404 20409-20410 20413 20422-20423
20426 20429 20500 20503 21201 21205 21210-21219 21408 21601-21624 21626-21627 21652 21654-21661 21701-21705
21708-21715 21717 21719-21730 21902 21910 23001-23006 30001-30040 30044 30100-30125 30127-30133 30400 30404
30409-30410 30436 30440-30450 30453-30454 30880-30898 35111 35114 35118 35125-35126 57001-57014 57016-57020
63001-63003 63005-63047 63051 90001 90006-90007 90009 90014 92001-92008
"""


def published() -> list[str]:
    numbers: list[str] = []
    for part in PUBLISHED.split():
        first, _, last = part.partition("-")
        numbers += [str(number) for number in range(int(first), int(last or first) + 1)]
    return numbers


def test_the_list_is_long() -> None:
    assert len(published()) == len(set(published())) == 306


@pytest.mark.parametrize("code", published())
def test_every_published_code_gets_an_action(code: str) -> None:
    assert is_known_code(code)
    assert action_for(code) in Action
    for http_status in (400, 401, 403, 404, 429, 500, 503):
        outcome = outcome_of_answer(http_status, code)
        assert outcome is not SendOutcome.ACCEPTED
        assert (outcome is SendOutcome.UNKNOWN) >= (http_status >= 500), "5xx proves nothing"
    assert (bad_number_reason(code) is None) == (action_for(code) is not Action.BAD_NUMBER)
    assert status_of("undelivered", code) is not None


@pytest.mark.parametrize(
    ("code", "outcome", "action"),
    [
        ("20429", SendOutcome.RETRY, Action.NONE),
        ("20500", SendOutcome.UNKNOWN, Action.NONE),
        ("21610", SendOutcome.REFUSED, Action.OPPOSE),
        ("21211", SendOutcome.REFUSED, Action.BAD_NUMBER),
        ("21614", SendOutcome.REFUSED, Action.BAD_NUMBER),
        ("30005", SendOutcome.REFUSED, Action.BAD_NUMBER),
        ("30006", SendOutcome.REFUSED, Action.BAD_NUMBER),
        ("30003", SendOutcome.REFUSED, Action.TRY_LATER),
        ("30007", SendOutcome.REFUSED, Action.PAUSE_CAMPAIGN),
        ("30002", SendOutcome.RETRY, Action.ALERT),
        ("21606", SendOutcome.RETRY, Action.ALERT),
        ("30034", SendOutcome.RETRY, Action.ALERT),
        ("21730", SendOutcome.RETRY, Action.NONE),
    ],
)
def test_the_codes_that_the_design_settles(code: str, outcome: SendOutcome, action: Action) -> None:
    known = code_of(code)
    assert known
    assert (known.on_send, known.action) == (outcome, action)


@pytest.mark.parametrize("code", ["99999", "1", "30036x", "²", "OVH-999", "HTTP 503", "-5", "9" * 40])
def test_an_unknown_code_is_taken_by_its_status_class(code: str) -> None:
    assert (is_known_code(code), action_for(code), bad_number_reason(code)) == (False, Action.NONE, None)
    assert outcome_of_answer(400, code) is SendOutcome.REFUSED
    assert outcome_of_answer(500, code) is SendOutcome.UNKNOWN


def test_families_do_not_overlap() -> None:
    taken = [number for family, _ in TWILIO_FAMILIES for number in family]
    assert len(taken) == len(set(taken))
    assert all(code.on_send is not SendOutcome.ACCEPTED for code in CODES.values())


@pytest.mark.parametrize(
    ("ptt", "receipt", "word", "code"),
    [
        (4, 1, "delivered", ""),
        (0, 1, "delivered", ""),
        (4, None, "delivered", ""),
        (3, 4, "sent", ""),
        (3, None, "sent", ""),
        (1, None, "sent", ""),
        (0, 0, "sent", ""),
        (24, 2, "undelivered", "OVH-24"),
        (24, None, "undelivered", "OVH-24"),
        (8, 2, "undelivered", "OVH-8"),
        (202, 16, "undelivered", "OVH-202"),
        (777, 2, "undelivered", "OVH-777"),
    ],
)
def test_what_ovhcloud_says(ptt: int, receipt: int | None, word: str, code: str) -> None:
    assert read_state(ptt=ptt, receipt=receipt) == (word, code)


def test_every_state_of_ovhclouds_guide_has_an_action() -> None:
    listed = [5, 6, 8, 20, 21, 23, 24, 25, 26, 27, 28, 29, 33, 39, 73, 74, 76, 202]
    assert all(f"OVH-{ptt}" in OVH_CODES for ptt in listed)
    assert status_of("undelivered", "OVH-8") is AttemptStatus.EXPIRED
    assert action_for("OVH-23") is Action.BAD_NUMBER
    assert action_for("OVH-24") is Action.TRY_LATER
    assert action_for("OVH-28") is Action.PAUSE_CAMPAIGN


@pytest.mark.parametrize(
    ("http_status", "outcome"),
    [
        (400, "RETRY"),
        (403, "RETRY"),
        (404, "RETRY"),
        (429, "RETRY"),
        (408, "UNKNOWN"),
        (500, "UNKNOWN"),
        (302, "UNKNOWN"),
    ],
)
def test_what_an_error_of_ovhcloud_proves(http_status: int, outcome: str) -> None:
    assert outcome_of_ovh(http_status) == outcome
