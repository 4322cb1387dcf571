"""French spaces: where they go, what they never touch."""

from typing import Any

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from config.typography import NARROW, NO_BREAK, space_french
from outreach.roles import AGENT
from tests.factories import make_segment
from tests.pages import make_colleague, sign_in

MIDDLEWARE = "config.typography.FrenchSpaces"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Bilan : ASF", "Bilan_: ASF"),
        ("Lancer ?", "Lancer~?"),
        ("plus de 1 % : rien", "plus de 1~%_: rien"),
        ("« Parents »", "«_Parents_»"),
        ("le contact n° 12, à 9 h 05", "le contact n°_12, à 9_h_05"),
        ("<b>Effectif</b> : 3", "<b>Effectif</b>_: 3"),
        ("fini ;<br>encore", "fini~;<br>encore"),
        ("un :smiley", "un :smiley"),
        ('<input value="a : b" title="c ?">', '<input value="a : b" title="c ?">'),
        ("<textarea>a : b</textarea> : c", "<textarea>a : b</textarea>_: c"),
        ("<script>a ? b : c</script>", "<script>a ? b : c</script>"),
        ("10 heures", "10 heures"),
    ],
)
def test_spaces_that_do_not_break(written: str, shown: str) -> None:
    assert space_french(written) == shown.replace("_", NO_BREAK).replace("~", NARROW)


@given(st.text(alphabet="ab <>/«» :;!?%h0°\n"))
def test_only_spaces_change(text: str) -> None:
    spaced = space_french(text)
    assert spaced.replace(NO_BREAK, " ").replace(NARROW, " ") == text
    assert space_french(spaced) == spaced


@pytest.mark.django_db
def test_a_page_gets_them_and_gives_back_what_was_typed(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    segment = make_segment(name="Parents : âge ?", description="Qui : les parents ?")
    address = reverse("admin:campaigns_segment_change", args=[segment.pk])
    page = sign_in(make_colleague(AGENT)).get(address).content.decode()
    assert 'value="Parents : âge ?"' in page
    assert ">\nQui : les parents ?</textarea>" in page
    assert f"Parents{NO_BREAK}: âge{NARROW}?</h1>" in page
