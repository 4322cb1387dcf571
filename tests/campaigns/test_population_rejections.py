import codecs
import logging
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.models import Allocataire, ImportStatus, PopulationImport
from campaigns.population_import import ImportRefused, import_population
from tests.campaigns.population_files import HEADER, LINE, NIR, NOW, assert_nowhere, line, load, rejections
from tests.factories import make_commune

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def perpignan() -> None:
    make_commune()


# --- Rejected lines ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "column", "value_class", "reason"),
    [
        ({"commune": "99999"}, "commune", "nombre de 5 chiffres", "commune est inconnue"),
        ({"prestations": "XYZ:2021-01-01"}, "prestations", "texte de 14 caractères", "Prestation inconnue"),
        ({"prestations": "RSA"}, "prestations", "texte de 3 caractères", "date d’ouverture"),
        ({"prestations": "RSA:2021-01-01|rsa:2021-01-02"}, "prestations", "texte de 29 caractères", "deux fois"),
        ({"prestations": "RSA:1999-12-31|RSA:2021-01-02"}, "prestations", "texte de 29 caractères", "deux fois"),
        ({"prestations": "AF:1999-12-31|AF:2021-01-02"}, "prestations", "texte de 27 caractères", "deux fois"),
        ({"date_naissance": "1990-02-30"}, "date_naissance", "date", "n’existe pas"),
        ({"date_naissance": "le 3 mars"}, "date_naissance", "texte de 9 caractères", "Une date s’écrit"),
        ({"date_naissance": "2026-03-04"}, "date_naissance", "date", "dans le futur"),
        ({"date_naissance": "1850-01-01"}, "date_naissance", "date", "entre 1900 et 2100"),
        ({"matricule": ""}, "matricule", "vide", "Le matricule manque"),
        ({"matricule": "12 34"}, "matricule", "texte de 5 caractères", "1 à 15 chiffres"),
        ({"nom": ""}, "nom", "vide", "Le nom manque"),
        ({"nom": "=cmd|'/c calc'!A1"}, "nom", "texte de 17 caractères", "ne ressemble pas à un nom"),
        ({"prenom": "{{ secret }}"}, "prenom", "texte de 12 caractères", "ne ressemble pas à un nom"),
        ({"nom": "A" * 101}, "nom", "texte de 101 caractères", "100 caractères"),
    ],
)
def test_wrong_cell(tmp_path: Path, cells: dict[str, str], column: str, value_class: str, reason: str) -> None:
    [(number, found_column, found_class, found_reason)] = rejections(tmp_path, LINE, line(**{"matricule": "2"} | cells))
    assert (number, found_column, found_class) == (3, column, value_class)
    assert reason in found_reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1;MARTIN", "2 colonnes au lieu de 8"),
        (LINE + ";trop", "9 colonnes au lieu de 8"),
        (LINE.replace("Léa", "L\x00a"), "caractère nul"),
        (LINE.replace("Léa", "L\x07a"), "caractère de contrôle"),
        (LINE.replace("Léa", '"Léa"x'), "guillemet"),
        (LINE.replace("Léa", '"Léa'), "guillemet"),
        (LINE.replace("Léa", "x" * 40_000), "dépasse 32768 caractères"),
        (LINE.replace("Léa", "x" * 10_000_000), "dépasse 32768 caractères"),
    ],
)
def test_wrong_line(tmp_path: Path, text: str, reason: str) -> None:
    [(number, _column, _class, found)] = rejections(tmp_path, line(matricule="2"), text, line(matricule="3"))
    assert number == 3
    assert reason in found
    assert Allocataire.objects.count() == 2


def test_torn_bytes_reject_their_line_only(tmp_path: Path) -> None:
    content = f"{HEADER}\n{LINE}\n".encode() + line(matricule="2").encode("cp1252") + b"\n"
    done = load(tmp_path, content, accept_rejections=True)
    assert "octets illisibles" in done.rejected_lines.get().reason
    assert Allocataire.objects.get().first_name == "Léa"


def test_duplicates_keep_the_first(tmp_path: Path) -> None:
    found = rejections(tmp_path, LINE, line(prenom="Zoé"), line(matricule="2"), line(prenom="Anne"))
    assert [(number, value_class) for number, _column, value_class, _reason in found] == [
        (3, "doublon"),
        (5, "doublon"),
    ]
    assert all("ligne 2" in reason for *_rest, reason in found)
    assert Allocataire.objects.get(matricule="0000001").first_name == "Léa"


@pytest.mark.parametrize(
    "written", [NIR, NIR[:13], "1 84 12 76 451 089 46", "1.84.12.76.451.089", "184122A45108932", "184122a451089"]
)
@pytest.mark.parametrize("column", ["nom", "prenom", "email", "prestations", "matricule", "mobile"])
def test_nir_is_refused_and_never_repeated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, written: str, column: str
) -> None:
    if written == "184122A45108932":
        written = f"184122A451089{97 - 1841219451089 % 97:02d}"
    with caplog.at_level(logging.DEBUG):
        [(number, _column, value_class, _reason)] = rejections(
            tmp_path, LINE, line(**{"matricule": "2", column: written})
        )
    assert (number, value_class) == (3, "NIR")
    assert written not in caplog.text
    assert_nowhere(written)


def test_nir_in_the_name_of_the_file(tmp_path: Path) -> None:
    done = load(tmp_path, f"{HEADER}\n{LINE}", file_name=f"extrait-{NIR}.csv")
    assert done.file_name == "fichier.csv"


# --- Refused files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "est vide"),
        (b"\n\n  \n", "est vide"),
        (codecs.BOM_UTF8, "est vide"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "une image"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "un document PDF"),
        (b"PK\x03\x04" + bytes(500), "pas un classeur Excel lisible"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "un classeur Excel"),
        (bytes(range(256)) * 10, "pas du texte"),
        (bytes(1_000), "pas du texte"),
        ("matricule;nom\n1;A".encode("utf-32"), "encodage"),
        (b"nom;prenom\nMARTIN;Lea\n", "Colonne obligatoire absente : matricule"),
        (LINE.encode(), "Colonne obligatoire absente : matricule, nom"),
        (b"matricule;nom;mobil\n1;A;0612345678\n", "Colonne inconnue : n° 3 (mobil)"),
        (b"matricule;nom;extra.inconnu\n1;A;x\n", "Colonne inconnue : n° 3 (extra.inconnu)"),
        (b"matricule;nom;Nom\n1;A;B\n", "deux colonnes"),
        (b'matricule;"nom\n1;A\n', "guillemet"),
        (f"matricule;nom;{NIR}\n1;A;B\n".encode(), "sécurité sociale"),
        (b"matricule;nom;" + b"x" * 50_000 + b"\n", "pas du texte"),
    ],
)
def test_refused_file(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ImportRefused, match=re.escape(reason)) as refusal:
        load(tmp_path, content)
    record = PopulationImport.objects.get()
    assert (record.status, record.problem) == (ImportStatus.REFUSED, str(refusal.value))
    assert record == refusal.value.population_import
    assert not Allocataire.objects.exists()
    for value in ("MARTIN", "Léa", "0612345678", NIR):
        assert value not in record.problem


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="absent"):
        import_population(path=tmp_path / "rien.csv", file_name="rien.csv", by=None, now=NOW)


def test_too_many_rejections_ask_first(tmp_path: Path) -> None:
    content = "\n".join([HEADER, *(line(matricule=str(n), commune="" if n else "99999") for n in range(90))])
    with pytest.raises(ImportRefused, match="1 lignes rejetées sur 90, plus de 1 %"):
        load(tmp_path, content)
    record = PopulationImport.objects.get()
    assert (record.read_count, record.rejected_count, record.rejected_lines.count()) == (90, 1, 1)
    assert not Allocataire.objects.exists()
    assert load(tmp_path, content, accept_rejections=True).created_count == 89


def test_one_percent_of_rejections_is_applied(tmp_path: Path) -> None:
    content = "\n".join([HEADER, *(line(matricule=str(n), commune="" if n else "99999") for n in range(100))])
    assert load(tmp_path, content).created_count == 99


# --- Hostile files ----------------------------------------------------------------------------------

_SECRETS = ("SECRETNOM", "06 99 98 97 96", "secret@exemple.fr", NIR)
_cell = st.one_of(
    st.sampled_from(
        [*_SECRETS, "", "=1+1", "1990-01-01", "66136", "RSA:2021-01-01", '"', ";", "\\N", "\\.", "\x00", "\t"]
    ),
    st.text(max_size=12),
)
_hostile_line = st.one_of(
    st.lists(_cell, min_size=0, max_size=10).map(";".join),
    st.integers(1, 30).map(lambda n: line(matricule=str(n))),
    st.tuples(st.sampled_from(HEADER.split(";")), _cell).map(lambda change: line(matricule="7", **dict([change]))
        if change[0] != "matricule" else line(matricule=change[1])),
    st.just("x" * 33_000),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(_hostile_line, st.binary(max_size=40)), max_size=25))
def test_hostile_files_account_for_every_line(lines: list[str | bytes]) -> None:
    Allocataire.objects.all().delete()
    encoded = [text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for text in lines]
    content = b"\n".join([HEADER.encode(), *encoded])
    with tempfile.TemporaryDirectory() as folder:
        done = load(Path(folder), content, accept_rejections=True)
        again = load(Path(folder), content, accept_rejections=True)
    accepted = done.created_count + done.updated_count + done.unchanged_count
    assert accepted + done.rejected_count == done.read_count <= content.count(b"\n")
    assert (again.created_count, again.updated_count, again.unchanged_count) == (0, 0, accepted)
    assert Allocataire.objects.count() == done.created_count
    found = list(done.rejected_lines.values_list("line", "reason", "column", "value_class"))
    assert len(found) == len({number for number, *_rest in found}) == done.rejected_count
    told = " ".join(" ".join(rest) for _number, *rest in found) + done.problem
    assert not any(secret in told for secret in _SECRETS)
    assert_nowhere(NIR)
