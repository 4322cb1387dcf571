"""Texts: what they may say, how they are filled, how an SMS is cut."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules.gsm7 import BASIC, EXTENSION, simplify, sms_parts
from campaigns.rules.messages import (
    MAX_VARIABLES,
    VARIABLES,
    InvalidText,
    MissingValue,
    advise_text,
    check_text,
    forecast_segments,
    mark_offending,
    render,
    sample_values,
    simplify_text,
    values_for,
    variables_of,
)

GOOD = "{{ caf }} : votre situation a-t-elle changé ? Si ce n'est pas déjà fait : https://www.caf.fr"


@pytest.mark.parametrize(
    ("text", "encoding", "segments", "characters"),
    [
        ("", "GSM-7", 1, 0),
        ("a" * 160, "GSM-7", 1, 160),
        ("a" * 161, "GSM-7", 2, 161),
        ("a" * 306, "GSM-7", 2, 306),
        ("a" * 307, "GSM-7", 3, 307),
        ("€" * 80, "GSM-7", 1, 160),
        ("€" * 81, "GSM-7", 2, 162),
        ("a" * 152 + "€" * 77, "GSM-7", 3, 306),  # no escape is cut from its character: 152 places, then 152, then 1
        ("ê" * 70, "UCS-2", 1, 70),
        ("ê" * 71, "UCS-2", 2, 71),
        ("ê" * 134, "UCS-2", 2, 134),
        ("ê" * 135, "UCS-2", 3, 135),
        ("😀" * 35, "UCS-2", 1, 70),
        ("é à ù è ò ì Ç £ §", "GSM-7", 1, 17),
    ],
)
def test_parts(text: str, encoding: str, segments: int, characters: int) -> None:
    parts = sms_parts(text)
    assert (parts.encoding, parts.segments, parts.characters) == (encoding, segments, characters)


def test_alphabet_has_the_size_of_the_standard() -> None:
    assert len(BASIC) == 127  # 128 places, one of which is the escape
    assert len(EXTENSION) == 10
    assert not BASIC & EXTENSION


def test_offending_characters_are_listed_once() -> None:
    assert sms_parts("l’été, peut-être, l’œuvre").offending == ("’", "ê", "œ")


def test_simplify() -> None:
    assert simplify("L’été à Nîmes : « ça y est… »") == 'L\'été à Nimes : "ca y est..."'
    assert simplify("50\N{NARROW NO-BREAK SPACE}% – cœur 😀") == "50 % - coeur "
    assert simplify("e\N{COMBINING ACUTE ACCENT}") == "é"


@given(st.text())
def test_simplified_is_always_gsm(text: str) -> None:
    once = simplify(text)
    assert sms_parts(once).encoding == "GSM-7"
    assert simplify(once) == once


@pytest.mark.parametrize(
    ("body", "simpler"),
    [
        ("L’été, « {{ prenom }} »", 'L\'été, "{{ prenom }}"'),
        ("{{\N{NO-BREAK SPACE}prenom\N{NO-BREAK SPACE}}}…", "{{\N{NO-BREAK SPACE}prenom\N{NO-BREAK SPACE}}}..."),
        ("déjà plain", "déjà plain"),
        ("l’été {{ prenom", "l’été {{ prenom"),  # cannot be read
        ("{\N{ZERO WIDTH SPACE}{ nom }}", "{\N{ZERO WIDTH SPACE}{ nom }}"),  # would become a variable
        ("{{ nom }} {\N{ZERO WIDTH SPACE}{ nom }}", "{{ nom }} {\N{ZERO WIDTH SPACE}{ nom }}"),  # or another one
        ("{\N{ZERO WIDTH SPACE}% if nom %}", "{\N{ZERO WIDTH SPACE}% if nom %}"),
    ],
)
def test_a_text_is_simplified_around_its_variables(body: str, simpler: str) -> None:
    assert simplify_text(body) == simpler


TYPED = st.lists(
    st.one_of(
        st.sampled_from([f"{{{{ {name} }}}}" for name in VARIABLES]),
        st.sampled_from(["{", "}", "%", "’", "«\N{NO-BREAK SPACE}", " »", "…", "\N{ZERO WIDTH SPACE}", "\uff5b", "-"]),
        st.text(max_size=12),
    ),
    max_size=12,
).map("".join)


@given(TYPED)
def test_simplifying_alters_no_variable_and_leaves_the_short_parts(body: str) -> None:
    simpler = simplify_text(body)
    assert simplify_text(simpler) == simpler
    try:
        written = variables_of(body)
    except InvalidText:
        assert simpler == body
        return
    assert variables_of(simpler) == written
    if simpler == body or not written <= {*VARIABLES}:
        return
    sent, parts = render(simpler, sample_values()), sms_parts(render(body, sample_values()))
    assert parts.encoding == "UCS-2"
    assert sms_parts(sent).encoding == "GSM-7"
    assert all(render(f"{{{{ {name} }}}}", sample_values()) in sent for name in written)


@given(st.text(alphabet="aeéàêôçœ’«» \N{NO-BREAK SPACE}–", max_size=600))
def test_a_french_text_never_costs_more_once_simplified(body: str) -> None:
    assert forecast_segments(simplify_text(body), {}) <= forecast_segments(body, {})


@given(st.text())
def test_marks_lose_nothing_and_are_what_offends(text: str) -> None:
    pieces = mark_offending(text)
    assert "".join(piece for piece, _ in pieces) == text
    assert {c for piece, effect in pieces if effect for c in piece} == {*sms_parts(text).offending}


def test_what_cannot_be_seen_is_said_where_it_stands() -> None:
    marked = mark_offending("l’été\N{NO-BREAK SPACE}:")
    assert [pair for pair in marked if pair[1]] == [
        ("’", "rallonge le SMS"),
        ("\N{NO-BREAK SPACE}", "une espace insécable, rallonge le SMS"),
    ]


@given(st.text(alphabet=st.sampled_from("a€éê😀{"), max_size=700))
def test_parts_hold_the_text(text: str) -> None:
    parts = sms_parts(text)
    room = {"GSM-7": (160, 153), "UCS-2": (70, 67)}[parts.encoding]
    assert parts.segments == 1 if parts.characters <= room[0] else parts.segments >= 2
    assert parts.characters <= max(room[0], parts.segments * room[1])


def test_render_and_missing() -> None:
    assert render("Bonjour {{ prenom }}", {"prenom": "{{ nom }} <b>"}) == "Bonjour {{ nom }} <b>"
    for values in ({}, {"prenom": ""}):
        with pytest.raises(MissingValue, match="prenom") as missing:
            render("Bonjour {{ prenom }}", values)
        assert missing.value.name == "prenom"


def test_examples_say_who_we_are_where_it_is_known() -> None:
    assert sample_values()["caf"] == VARIABLES["caf"][1]
    ours = sample_values(caf="Caf de l’Ain", site="https://caf.invalid/")
    assert (ours["caf"], ours["lien_opposition"][:25]) == ("Caf de l’Ain", "https://caf.invalid/stop/")


@pytest.mark.parametrize(
    ("body", "least", "most"),
    [
        ("Bonjour.", 1, 1),
        ("{{ prenom }} " + "a" * 50, 1, 1),
        ("{{ prenom }} " + "a" * 60, 1, 2),  # « ï »: 70 characters a part
        ("{{ civilite }} {{ nom }} " + "a" * 140, 1, 2),
        ("{{ prenom }} ’ " + "a" * 200, 4, 4),
    ],
)
def test_how_the_length_of_an_sms_follows_names(body: str, least: int, most: int) -> None:
    assert forecast_segments(body, sample_values()) == (least, most)


@pytest.mark.parametrize(
    "text",
    [
        "{{ prenom", "{% if prenom %}x{% endif %}", "{% include 'x' %}", "{% for a in (1..9) %}{% endfor %}",
        "{{ prenom | upcase }}",
    ],
)  # fmt: skip
def test_only_plain_variables(text: str) -> None:
    with pytest.raises(InvalidText):
        render(text, sample_values())


@pytest.mark.parametrize("text", ["{{ prenom.size }}", "{{ prenom['x'] }}", "{{ matricule }}", "{{ settings }}"])
def test_other_names_and_attributes_are_refused(text: str) -> None:
    assert any("Variable inconnue" in problem for problem in check_text("CALL", "", text))


def test_output_is_bounded() -> None:
    with pytest.raises(InvalidText):
        render("{{ prenom }}" * 3, {"prenom": "x" * 9000})


def test_variables_are_bounded() -> None:
    assert render("{{ prenom }}" * MAX_VARIABLES, {"prenom": "x"}) == "x" * MAX_VARIABLES
    for text in ("{{ prenom }}" * (MAX_VARIABLES + 1), "{{" * 5_000):
        assert check_text("EMAIL", "Objet", text) == [f"Texte refusé : {MAX_VARIABLES} variables au plus."]
        assert simplify_text(text) == text


def test_good_text_passes() -> None:
    assert check_text("SMS", "", GOOD) == []
    assert advise_text("SMS", GOOD) == []
    assert len(advise_text("SMS", "Caf : l’heure d’être là")) == 2


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("l’été, l’être", "« ' » pour « ’ », « e » pour « ê »."),
        ("Bonjour\N{NO-BREAK SPACE}!", "une espace ordinaire pour une espace insécable."),
        ("Bravo 😀 !", "rien pour « 😀 »."),
        ("dé\N{SOFT HYPHEN}marche", "rien pour un caractère invisible."),
    ],
)
def test_what_costs_more_messages_is_told_with_what_to_write(text: str, advice: str) -> None:
    (said,) = advise_text("SMS", f"{GOOD} {text}")
    assert said.endswith(f"Écrivez plutôt {advice}")
    assert advise_text("SMS", f"{GOOD} {simplify(text)}") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Vous avez droit au RSA.", "« rsa »"),
        ("Votre prime d’activité", "prime d'activite"),
        ("Vos APL", "apl"),
        ("Recevez 219 € par mois", "montant"),
        ("Recevez 219,50 euros", "montant"),
        ("Vous êtes séparé ?", "situation familiale"),
        ("Vous vivez en couple ?", "situation familiale"),
        ("Votre conjointe", "situation familiale"),
        ("Sous peine de sanction", "menace"),
        ("vos droits seront suspendus : SUSPENSION", "menace"),
        ("URGENT : répondez", "presse"),
        ("Répondez au plus vite", "presse"),
        ("Répondez !!", "exclamation"),
        ("Voir http://www.caf.fr", "Lien refusé"),
        ("Voir www.caf.fr", "Lien refusé"),
        ("Voir https://www.caf.fr.pirate.com/x", "Lien refusé"),
        ("Voir https://www.caf.fr@pirate.com", "Lien refusé"),
        ("Voir https://www.caf.fr:8443/", "Lien refusé"),
        ("Voir https://caf.fr", "Lien refusé"),
        ("Voir bit.ly/abc", "raccourcie"),
        ("a" * 460, "coupé en 4"),
        ("ê" * 202, "coupé en 4"),
        ("   ", "vide"),
        ("a\x00", "caractère interdit"),
    ],
)
def test_rules_of_contact(text: str, said: str) -> None:
    problems = check_text("SMS", "", text)
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(
    "text",
    [
        "Caisse d’allocations familiales : bonjour", "Voir https://www.caf.fr.", "Voir (https://www.caf.fr/mes-droits).",
        "Vos marsouins arrivent", "Préparez votre dossier", "Un point. Fin.",
    ],
)  # fmt: skip
def test_innocent_texts_pass(text: str) -> None:
    assert check_text("SMS", "", text) == []


def test_an_email_may_name_a_right_but_not_threaten() -> None:
    assert check_text("EMAIL", "Votre RSA", "Le RSA, 600 €, votre conjoint. Voir https://www.caf.fr") == []
    assert check_text("EMAIL", "Votre RSA", "Sous peine de sanction")
    assert check_text("EMAIL", "", "Bonjour") == ["Un e-mail a besoin d’un objet."]
    assert check_text("SMS", "Objet", "Bonjour") == ["Seul un e-mail a un objet."]
    assert check_text("EMAIL", "a\r\nBcc: x", "Bonjour")


@given(st.sampled_from(["SMS", "EMAIL", "CALL"]), st.text(max_size=80), st.text(max_size=300))
def test_no_text_breaks_check(channel: str, subject: str, body: str) -> None:
    check_text(channel, subject, body)


def test_values_of_a_person() -> None:
    values = values_for(
        {
            "civility": "MME",
            "first_name": "Zoé",
            "last_name": "Martin",
            "dtr_due_on": date(2026, 3, 31),
            "event_on": None,
        },
        caf="Caf de l’Ain",
    )
    assert values["civilite"] == "Madame"
    assert values["nom"] == "MARTIN"
    assert values["date_dtr"] == "31/03/2026"
    assert values["caf"] == "Caf de l’Ain"
    assert "date_evenement" not in values
    assert values.keys() <= VARIABLES.keys() == sample_values().keys()
