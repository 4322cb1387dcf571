"""Calls entrusted to a dialler: what leaves, what comes back, and what a wrong file does (nothing)."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import Channel, FactState
from campaigns.models import AccessLog, BadDestination, ContactFact, Opposition, User
from campaigns.rules.population_columns import InvalidLine
from outreach.call_desk import build_call_list, take_next_call
from outreach.call_files import (
    CallResultsRefused,
    NothingToHandOver,
    export_handover,
    hand_over_calls,
    import_call_results,
)
from outreach.enums import CallResult, TouchStatus
from outreach.models import Call, CallAttempt, CallHandover, CallResultImport, Touch
from outreach.roles import SUPERVISEUR
from outreach.rules.call_result_lines import read_layout, read_line
from tests.factories import make_user, step_values
from tests.outreach.waves import MORNING, NIGHT, PLANNED_AT, make_wave
from tests.pages import make_colleague, sign_in

PARIS = ZoneInfo("Europe/Paris")
UNTIL = MORNING + timedelta(hours=1)
RUNG = (MORNING + timedelta(minutes=20)).astimezone(PARIS)
AFTER = MORNING + timedelta(hours=5)


@pytest.fixture
def by() -> User:
    return make_user()


def make_calls(size: int) -> None:
    make_wave(size=size, steps=[step_values(Channel.CALL, valid_days=10)])
    build_call_list(on=NIGHT, now=PLANNED_AT)


def hand_over(by: User, size: int = 10) -> CallHandover:
    return hand_over_calls(by=by, size=size, until=UNTIL, now=MORNING)


def results(folder: Path, *lines: str) -> Path:
    path = folder / "resultats.csv"
    path.write_text("\n".join(["appel;date;resultat;duree;note", *lines]), encoding="utf-8")
    return path


def bring_in(path: Path, by: User, now: datetime = AFTER) -> CallResultImport:
    return import_call_results(path=path, file_name=path.name, by=by, now=now)


@pytest.mark.django_db
def test_entrusted_calls_are_nobody_elses_until_their_hour(by: User) -> None:
    make_calls(3)
    assert hand_over(by, size=2).call_count == 2
    mine = take_next_call(agent=by, now=MORNING)
    assert mine
    assert mine.handover is None
    assert take_next_call(agent=make_user(), now=MORNING) is None
    assert take_next_call(agent=make_user(), now=UNTIL + timedelta(seconds=1))


@pytest.mark.django_db
def test_who_may_not_be_contacted_is_not_entrusted(by: User) -> None:
    make_calls(2)
    first = Touch.objects.order_by("pk")[0]
    Opposition.objects.create(allocataire=first.allocataire, recorded_at=MORNING, source="AGENT")
    assert hand_over(by).call_count == 1
    first.refresh_from_db()
    assert first.status == TouchStatus.SUPPRESSED
    with pytest.raises(NothingToHandOver, match="Aucun appel"):
        hand_over(by)
    assert CallHandover.objects.count() == 1


@pytest.mark.django_db
def test_the_file_says_whom_to_ring_and_its_reading_is_logged(by: User) -> None:
    make_calls(2)
    handover = hand_over(by)
    headers, *rows = export_handover(handover=handover, by=by, now=MORNING)
    assert headers[:2] == ["appel", "telephone"]
    assert {int(row[0]) for row in rows} == set(Call.objects.values_list("pk", flat=True))
    assert all(row[1].startswith("0") for row in rows)
    assert AccessLog.objects.get().detail == f"lot n° {handover.pk}"
    assert list(export_handover(handover=handover, by=by, now=UNTIL))[1:] == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("word", "status", "fact"),
    [
        ("JOINT", TouchStatus.DELIVERED, FactState.ANSWERED),
        ("nrp", TouchStatus.PLANNED, FactState.RESERVED),
        ("Répondeur", TouchStatus.PLANNED, FactState.SUBMITTED),
        ("faux numéro", TouchStatus.FAILED, FactState.RELEASED),
        ("refus", TouchStatus.DELIVERED, FactState.ANSWERED),
    ],
)
def test_a_result_means_what_it_means_at_the_desk(by: User, tmp_path: Path, word: str, status: str, fact: str) -> None:
    make_calls(1)
    hand_over(by)
    call = Call.objects.get()
    done = bring_in(results(tmp_path, f"{call.pk};{RUNG:%d/%m/%Y %H:%M};{word};2:10;à revoir"), by)
    assert (done.read_count, done.created_count, done.rejected) == (1, 1, [])
    assert CallAttempt.objects.get().minutes == 3
    assert Touch.objects.get().status == status
    assert ContactFact.objects.get().state == fact
    assert Opposition.objects.exists() is (word == "refus")
    assert BadDestination.objects.exists() is (word == "faux numéro")


@pytest.mark.django_db
def test_the_same_file_again_changes_nothing(by: User, tmp_path: Path) -> None:
    make_calls(2)
    hand_over(by)
    lines = [f"{call.pk};{RUNG:%d/%m/%Y %H:%M};ABSENT;0;" for call in Call.objects.all()]
    assert bring_in(results(tmp_path, *lines), by).created_count == 2
    again = bring_in(results(tmp_path, *lines), by)
    assert (again.created_count, again.known_count) == (0, 2)
    assert CallAttempt.objects.count() == 2


@pytest.mark.django_db
def test_a_late_ring_is_said_and_one_after_the_end_reopens_nothing(by: User, tmp_path: Path) -> None:
    make_calls(1)
    hand_over(by)
    call = Call.objects.get()
    early = RUNG.replace(hour=8)
    lines = [f"{call.pk};{RUNG:%d/%m/%Y %H:%M};JOINT;;", f"{call.pk};{early:%d/%m/%Y %H:%M};ABSENT;;"]
    done = bring_in(results(tmp_path, *lines), by)
    assert (done.created_count, done.late_count) == (2, 1)
    call.refresh_from_db()
    assert call.done_at
    assert Touch.objects.get().status == TouchStatus.DELIVERED


@pytest.mark.django_db
def test_wrong_lines_are_located_and_lose_nothing(by: User, tmp_path: Path) -> None:
    make_calls(2)
    hand_over(by, size=1)
    given_call, kept = Call.objects.exclude(handover=None).get(), Call.objects.get(handover=None)
    at = f"{RUNG:%d/%m/%Y %H:%M}"
    tomorrow = f"{AFTER + timedelta(days=1):%d/%m/%Y %H:%M}"
    path = results(
        tmp_path,
        f"{given_call.pk};{at};NRP;0;",
        f"{kept.pk};{at};NRP;0;",
        f"999999;{at};NRP;0;",
        f"x;{at};NRP;0;",
        f"{given_call.pk};hier;NRP;0;",
        f"{given_call.pk};{tomorrow};NRP;0;",
        f"{given_call.pk};{at};BOF;0;",
        f"{given_call.pk};{at};NRP;300;",
        f"{given_call.pk}",
    )
    done = bring_in(path, by)
    assert (done.read_count, done.created_count, done.rejected_count) == (9, 1, 8)
    assert [(line["line"], line["column"]) for line in done.rejected] == [
        (3, "appel"), (4, "appel"), (5, "appel"), (6, "date"), (7, "date"), (8, "resultat"), (9, "duree"), (10, ""),
    ]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("content", [b"", b"a;b\n1;2\n", b"%PDF-1.7", b"PK\x03\x04rien"])
def test_a_file_that_is_not_one_is_refused_whole(by: User, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    with pytest.raises(CallResultsRefused):
        bring_in(path, by)
    assert not CallResultImport.objects.exists()


@given(st.lists(st.text(max_size=30), max_size=7))
def test_no_line_crashes_the_reader(cells: list[str]) -> None:
    layout = read_layout(["Appel", "Date", "Résultat", "Durée", "Note"])
    try:
        line = read_line(cells, layout, AFTER, PARIS)
    except InvalidLine:
        return
    assert line.result in CallResult


@pytest.mark.django_db
def test_from_the_desk_to_the_results(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_calls(2)
    monkeypatch.setattr("outreach.admin.call_files.read_now", lambda: MORNING)
    superviseur = make_colleague(SUPERVISEUR)
    pages = sign_in(superviseur)
    late = pages.post(reverse("admin:outreach_callhandover_add"), {"size": 5, "until": "20:01"})
    assert "Les appels cessent à 20:00" in late.content.decode()
    assert not CallHandover.objects.exists()
    answer = pages.post(reverse("admin:outreach_callhandover_add"), {"size": 5, "until": "20:00"}, follow=True)
    handover = CallHandover.objects.get()
    assert "Encore entre les mains du prestataire" in answer.content.decode()
    file = _read(pages.post(reverse("admin:call_handover", args=[handover.pk]), {"file_format": "csv"}))
    numbers = [line.split(";")[0] for line in file.splitlines() if line[:1].isdigit()]
    text = "\n".join(
        ["appel;date;resultat", *(f"{n};{MORNING.astimezone(PARIS):%d/%m/%Y %H:%M};JOINT" for n in numbers)]
    )
    upload = {"file": SimpleUploadedFile("retour.csv", text.encode())}
    page = pages.post(reverse("admin:outreach_callresultimport_add"), upload, follow=True).content.decode()
    assert "Résultats écrits : 2" in page
    refused = pages.post(
        reverse("admin:outreach_callresultimport_add"), {"file": SimpleUploadedFile("retour.csv", b"a;b\n")}
    )
    assert "Colonne absente" in refused.content.decode()


def _read(response: Any) -> str:
    return b"".join(response.streaming_content).decode("utf-8-sig")
