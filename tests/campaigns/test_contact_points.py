import random

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from campaigns.rules.contact_points import (
    OVERSEAS_REGIONS,
    normalise_destination,
    normalise_email,
    normalise_landline,
    normalise_mobile,
    read_french_numbers,
)
from campaigns.rules.nir import holds_nir


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("0612345678", "FR", "+33612345678"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("06.12.34.56.78", "FR", "+33612345678"),
        ("06-12-34-56-78", "FR", "+33612345678"),
        ("06\u00a012\u00a034\u00a056\u00a078", "FR", "+33612345678"),
        ("+33 6 12 34 56 78", "FR", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "FR", "+33612345678"),
        ("0033612345678", "FR", "+33612345678"),
        ("612345678", "FR", "+33612345678"),
        ("0692123456", "RE", "+262692123456"),
        ("0692123456", "FR", "+262692123456"),
        ("0612345678", "RE", "+33612345678"),
        ("0690123456", "GP", "+590690123456"),
        ("0694201234", "GF", "+594694201234"),
        ("0696201234", "MQ", "+596696201234"),
        ("0639012345", "YT", "+262639012345"),
        ("551234", "PM", "+508551234"),
        ("0468123456", "FR", ""),
        ("0899123456", "FR", ""),
        ("0639981234", "FR", ""),
        ("06123456", "FR", ""),
        ("061234567890", "FR", ""),
        ("0000000000", "FR", ""),
        ("néant", "FR", ""),
        ("12", "FR", ""),
        ("06123456781234567890123", "FR", ""),
        ("0612345678 poste 12", "FR", ""),
    ],
)
def test_mobile(text: str, region: str, expected: str) -> None:
    assert normalise_mobile(text, region) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("04 68 12 34 56", "+33468123456"),
        ("0199001234", "+33199001234"),
        ("0612345678", "+33612345678"),
        ("0262123456", "+262262123456"),
        ("0899123456", ""),
        ("3646", ""),
        ("", ""),
    ],
)
def test_landline(text: str, expected: str) -> None:
    assert normalise_landline(text) == expected


@given(st.integers(100_000_000, 999_999_999))
def test_short_way_agrees_with_the_library(national: int) -> None:
    number = phonenumbers.PhoneNumber(country_code=33, national_number=national)
    is_mobile = phonenumbers.number_type(number) == PhoneNumberType.MOBILE
    assert (normalise_mobile(f"0{national}") == f"+33{national}") == is_mobile


def test_short_way_agrees_on_every_mobile_block() -> None:
    rng = random.Random(1)
    for block in range(60_000, 80_000, 7):
        national = block * 10_000 + rng.randrange(10_000)
        number = phonenumbers.PhoneNumber(country_code=33, national_number=national)
        expected = phonenumbers.number_type(number) == PhoneNumberType.MOBILE
        assert (normalise_mobile(f"+33{national}") == f"+33{national}") == expected


@given(st.lists(st.integers(0, 10**10 - 1).map("{:010d}".format) | st.text(max_size=12), max_size=20))
def test_fast_path_agrees_with_the_long_way(cells: list[str]) -> None:
    regions = ["FR"] * len(cells)
    for mobile_only, normalise in ((True, normalise_mobile), (False, normalise_landline)):
        for text, fast in zip(cells, read_french_numbers(cells, regions, mobile_only=mobile_only), strict=True):
            assert fast in ("", normalise(text)), "a shortcut never says otherwise"
            number = phonenumbers.PhoneNumber(country_code=33, national_number=int(text)) if text.isdecimal() else None
            if number and len(text) == 10 and phonenumbers.number_type(number) == PhoneNumberType.MOBILE:
                assert fast == f"+33{int(text)}"


@given(st.text(max_size=40), st.sampled_from(["FR", *OVERSEAS_REGIONS.values()]))
def test_any_text_is_a_number_or_nothing(text: str, region: str) -> None:
    for value in (normalise_mobile(text, region), normalise_landline(text, region)):
        assert value == "" or (value.startswith("+") and value[1:].isdigit() and len(value) <= 16)
        assert normalise_landline(value) == value, "already normal"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lea.Martin@Example.Invalid", "lea.martin@example.invalid"),
        (" lea@example.fr ", "lea@example.fr"),
        ("mailto:lea@example.fr", "lea@example.fr"),
        ("lea+caf@sub.example.fr", "lea+caf@sub.example.fr"),
        ("lea", ""),
        ("lea@", ""),
        ("lea@localhost", ""),
        ("lea@example..fr", ""),
        (".lea@example.fr", ""),
        ("lea martin@example.fr", ""),
        ("lea@example.fr;leo@example.fr", ""),
        ("lea@example.fr\nBcc: x@example.fr", ""),
        ("léa@example.fr", ""),
        ("a" * 65 + "@example.fr", ""),
        ("a@" + "b" * 250 + ".fr", ""),
    ],
)
def test_email(text: str, expected: str) -> None:
    assert normalise_email(text) == expected


@given(st.text(max_size=60))
def test_destination_has_one_spelling(text: str) -> None:
    once = normalise_destination(text)
    assert normalise_destination(once) == once


def nir(body: str) -> str:
    value = int(body.replace("2A", "19").replace("2B", "18"))
    return f"{body}{97 - value % 97:02d}"


@given(
    st.sampled_from("12"),
    st.integers(0, 99),
    st.integers(1, 12),
    st.sampled_from(["01", "31", "66", "75", "95", "97", "99", "2A", "2B"]),
    st.integers(1, 999),
    st.integers(1, 999),
    st.sampled_from(["", " ", ".", "-", "\u00a0", "\u202f", "  "]),
)
def test_nir_is_seen_however_it_is_written(
    sex: str, year: int, month: int, department: str, commune: int, order: int, sep: str
) -> None:
    full = nir(f"{sex}{year:02d}{month:02d}{department}{commune:03d}{order:03d}")
    parts = [full[0], full[1:3], full[3:5], full[5:7], full[7:10], full[10:13], full[13:]]
    for text in (full, sep.join(parts), sep.join(parts[:-1]), f"NIR{full}.", f"a;{sep.join(parts)};b", full.lower()):
        assert holds_nir(text)


@pytest.mark.parametrize(
    "text",
    [
        "184127645108947",  # wrong key
        "1841376451089",  # no thirteenth month
        "0612345678;0468123456",
        "+33612345678",
        "2010-05-06|2012-07-08",
        "2010-05-06 2012-07-08",
        "12345678900012",
        "RSA:2021-03-01|PPA:2022-01-01",
        "6612345",
        "",
    ],
)
def test_other_numbers_are_not_a_nir(text: str) -> None:
    assert not holds_nir(text)
