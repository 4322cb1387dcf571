"""Exports: what each role receives, what a spreadsheet must not run, and the trace that stays."""

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import python_calamine
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from campaigns.exports import CHUNK, export_segment, write_csv, write_xlsx
from campaigns.models import AccessLog, Allocataire
from campaigns.rules.spreadsheets import FORMULA_STARTS, neutralise, say_phone
from outreach.roles import ADMINISTRATEUR, AGENT, SUPERVISEUR
from tests.factories import (
    NIGHT,
    NOW,
    make_allocataire,
    make_allocataires,
    make_audience,
    make_control,
    make_member,
    make_segment,
    make_user,
)
from tests.pages import make_colleague, sign_in


@given(st.text())
def test_no_cell_begins_like_a_formula(text: str) -> None:
    written = neutralise(text)
    assert not written.lstrip(" \n").startswith(FORMULA_STARTS)
    assert written in (text, f"'{text}")


@pytest.mark.parametrize("text", ["=1+1", "+33", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1"])
def test_what_would_run_is_led_by_an_apostrophe(text: str) -> None:
    assert neutralise(text) == f"'{text}"


def test_phones_stay_readable() -> None:
    assert say_phone("+33612345678") == "06 12 34 56 78"
    assert say_phone("+262692123456") == "00 262692123456"
    assert say_phone("") == ""


def test_lines_are_those_of_excel() -> None:
    assert list(write_csv([["Nom", "Commune"], ["D;ou", "Céret"]])) == ["\ufeff", "Nom;Commune\r\n", '"D;ou";Céret\r\n']


@pytest.fixture
def person(db: None) -> Allocataire:
    return make_allocataire(
        matricule="7654321",
        last_name='=HYPERLINK("http://mal.invalid")',
        mobile="+33612345678",
        email="c@exemple.invalid",
    )


def download(role: str, url: str, file_format: str) -> list[list[str]]:
    response = sign_in(make_colleague(role)).post(url, {"file_format": file_format})
    body: Any = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    if file_format == "csv":
        return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), delimiter=";"))
    rows = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0).to_python()
    assert all(isinstance(cell, str) for row in rows for cell in row)
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")
    return [[str(cell) for cell in row] for row in rows]


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_a_superviseur_receives_names_and_no_formula(person: Allocataire, file_format: str) -> None:
    url = reverse("admin:export_segment", args=[make_segment().pk])
    headers, row = download(SUPERVISEUR, url, file_format)
    assert headers[:4] == ["Matricule", "Civilité", "Nom", "Prénom"]
    told = dict(zip(headers, row, strict=True))
    assert told["Nom"] == "'" + person.last_name
    assert (told["Matricule"], told["Mobile"], told["SMS autorisé"]) == ("7654321", "06 12 34 56 78", "oui")
    assert AccessLog.objects.get().detail.endswith("nominatif")


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_an_agent_receives_masks(person: Allocataire, file_format: str) -> None:
    segment = make_segment()
    headers, row = download(AGENT, reverse("admin:export_segment", args=[segment.pk]), file_format)
    told = dict(zip(headers, row, strict=True))
    assert (told["Matricule"], told["Mobile"], told["E-mail"]) == ("••••321", "06 •• •• •• 78", "c•••@exemple.invalid")
    assert not {"Nom", "Prénom", "Date de naissance"} & set(headers)
    log = AccessLog.objects.get()
    assert (log.action, log.detail) == ("export", f"segment n° {segment.pk}, masqué")


def test_a_wave_comes_with_arms_and_exclusions(person: Allocataire) -> None:
    audience = make_audience()
    make_member(audience, person)
    make_control(audience)
    make_member(audience, exclusion="PRESSION")
    headers, *rows = download(AGENT, reverse("admin:export_audience", args=[audience.pk]), "csv")
    assert headers[-2:] == ["Bras", "Laissée de côté"]
    assert [row[-2:] for row in rows] == [["SMS", ""], ["Témoin", ""], ["", "Plafond de contacts atteint"]]


def test_asking_writes_nothing_and_an_administrateur_may_not(person: Allocataire) -> None:
    url = reverse("admin:export_segment", args=[make_segment().pk])
    assert "coordonnées masqués" in sign_in(make_colleague(AGENT)).get(url).content.decode()
    assert not AccessLog.objects.exists()
    assert sign_in(make_colleague(ADMINISTRATEUR)).post(url, {"file_format": "csv"}).status_code == 403


@pytest.mark.django_db
def test_criteria_that_no_longer_exist_are_said() -> None:
    segment = make_segment({"all": [{"field": "extra.disparu", "op": "eq", "value": "x"}]})
    client = sign_in(make_colleague(AGENT))
    page = client.post(reverse("admin:export_segment", args=[segment.pk]), {"file_format": "csv"}).content.decode()
    assert "n’existe plus" in page
    assert not AccessLog.objects.exists()


@pytest.mark.django_db
def test_people_are_read_as_they_are_sent(django_assert_num_queries: Any) -> None:
    """Whatever their number: the query is made when the first row is asked, and read in pieces."""
    make_allocataires(CHUNK + 10)
    rows: Iterator[list[str]] = export_segment(
        segment=make_segment(), is_masked=True, by=make_user(), now=NOW, today=NIGHT
    )
    assert next(rows)[0] == "Matricule"
    with django_assert_num_queries(1):
        assert sum(1 for _ in rows) == CHUNK + 10
    assert write_xlsx([["a"], ["=b"]], title="x").read(2) == b"PK"
