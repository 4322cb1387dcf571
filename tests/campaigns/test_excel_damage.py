"""What a spreadsheet destroys: given back where one answer is possible, refused elsewhere, and always said."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.models import Allocataire
from campaigns.rules.excel_damage import (
    LostDigits,
    Repaired,
    date_of_serial,
    give_zeros_back,
    unfold_number,
)
from tests.campaigns.population_files import HEADER, LINE, line, load
from tests.factories import make_commune


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6.12345678E8", "612345678"),
        ("6,12345678E+08", "612345678"),
        ("6.600001e+06", "6600001"),
        ("66a1", "66a1"),
        ("1E5", "1E5"),
        ("0612345678", "0612345678"),
        ("", ""),
    ],
)
def test_number_is_unfolded(text: str, expected: str) -> None:
    found = unfold_number(text)
    assert found == expected
    assert isinstance(found, Repaired) == (text != expected)


@pytest.mark.parametrize("text", ["6.12E+08", "6,12E8", "6E+08", "6.123456789E8"])
def test_lost_digits_are_not_invented(text: str) -> None:
    with pytest.raises(LostDigits, match="perdus"):
        unfold_number(text)


@given(st.integers(10**6, 10**15))
def test_a_number_shown_with_all_its_digits_comes_back(number: int) -> None:
    digits = str(number)
    assert unfold_number(f"{digits[0]}.{digits[1:]}E+{len(digits) - 1:02d}") == digits


@given(st.dates(date(1927, 5, 18), date(2100, 12, 31)))
def test_serial_days(day: date) -> None:
    assert date_of_serial(str((day - date(1899, 12, 30)).days)) == day


@pytest.mark.parametrize("text", ["1990", "9999", "73416", "450000", "45000.5", "", "12/03"])
def test_what_is_not_surely_a_number_of_days(text: str) -> None:
    assert date_of_serial(text) is None


def test_zeros() -> None:
    assert give_zeros_back("1004", 5) == "01004"
    assert [give_zeros_back(text, 7) for text in ("", "A12", "12345678", "1234567")] == [
        "",
        "A12",
        "12345678",
        "1234567",
    ]
    assert give_zeros_back("12", 0) == "12"


@pytest.mark.django_db
def test_repairs_are_made_and_counted(tmp_path: Path) -> None:
    make_commune()
    make_commune("01004", "Ambérieu-en-Bugey")
    load(tmp_path, f"{HEADER}\n{LINE}")
    serial = str((date(1990, 5, 17) - date(1899, 12, 30)).days)
    damaged = line(matricule="1", date_naissance=serial, commune="1004", mobile="6.12345678E8")
    zero = line(matricule="6.600002E+06", mobile="612345679")
    done = load(tmp_path, f"{HEADER}\n{damaged}\n{zero}")
    assert done.repairs == {
        "matricule : zéros de tête rendus": 1,
        "matricule : puissance de dix dépliée": 1,
        "date_naissance : date rendue depuis un nombre de jours": 1,
        "commune : zéros de tête rendus": 1,
        "mobile : zéros de tête rendus": 2,
    }
    person = Allocataire.objects.get(matricule="0000001")
    assert (person.born_on, person.commune_id, person.mobile) == (date(1990, 5, 17), "01004", "+33612345678")
    assert (done.created_count, done.updated_count, done.changes) == (1, 1, {"commune": 1})


@pytest.mark.django_db
def test_matricules_of_several_lengths_keep_theirs(tmp_path: Path) -> None:
    make_commune()
    load(tmp_path, f"{HEADER}\n{LINE}\n{line(matricule='12345')}")
    assert load(tmp_path, f"{HEADER}\n{line(matricule='1')}").repairs == {}


@pytest.mark.django_db
def test_lost_digits_empty_a_phone_and_reject_a_matricule(tmp_path: Path) -> None:
    make_commune()
    content = f"{HEADER}\n{line(mobile='6,12E+08')}\n{line(matricule='6,6E+06')}"
    done = load(tmp_path, content, accept_rejections=True)
    assert done.emptied == {"mobile : chiffres perdus par un tableur": 1}
    assert done.rejected_lines.get().reason.startswith("Le tableur a remplacé des chiffres")
