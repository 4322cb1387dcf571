import codecs
import logging
import re
import tempfile
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import population_staging
from campaigns.enums import AttributeType
from campaigns.models import Allocataire, ExtraAttribute, ImportStatus, PopulationImport, RejectedLine
from campaigns.population_import import ImportRefused, import_population
from tests.factories import make_allocataire, make_commune

NOW = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
NIR = "184127645108946"
HEADER = "matricule;nom;prenom;date_naissance;commune;email;mobile;prestations"
LINE = "0000001;MARTIN;Léa;1990-05-17;66136;lea@example.fr;0612345678;RSA:2021-03-01|PPA:2022-01-01"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def perpignan() -> None:
    make_commune()


def load(path: Path, content: str | bytes, **options: Any) -> PopulationImport:
    path = path / "extrait.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    given_options: dict[str, Any] = {"path": path, "file_name": path.name, "by": None, "now": NOW}
    return import_population(**(given_options | options))


def rejections(path: Path, *lines: str, header: str = HEADER) -> list[tuple[int, str, str, str]]:
    done = load(path, "\n".join([header, *lines]), accept_rejections=True)
    assert done.created_count + done.updated_count + done.unchanged_count + done.rejected_count == done.read_count
    return list(done.rejected_lines.values_list("line", "column", "value_class", "reason"))


def line(**cells: str) -> str:
    values = dict(zip(HEADER.split(";"), LINE.split(";"), strict=True)) | cells
    return ";".join(values.values())


# --- What a good file gives -------------------------------------------------------------------------


def test_every_column_is_read(tmp_path: Path) -> None:
    ExtraAttribute.objects.create(code="liste", label="Liste", type=AttributeType.BOOLEAN)
    ExtraAttribute.objects.create(code="score", label="Montant", type=AttributeType.NUMBER)
    ExtraAttribute.objects.create(code="vu", label="Vu", type=AttributeType.DATE)
    ExtraAttribute.objects.create(code="mot", label="Mot", type=AttributeType.TEXT)
    cells = {
        "matricule": "66a1", "civilite": "Madame", "nom": "Le Gall", "prenom": "Zoé-Anne", "langue": "",
        "date_naissance": "17/05/1990",
        "situation_familiale": "separe", "date_separation": "2020-02-29", "nb_enfants": "2",
        "dates_naissance_enfants": "2015-01-02|2018-03-04", "enfant_salarie": "non",
        "naissance_attendue_le": "2026-06-01", "evenement_le": "",
        "commune": "66136", "logement": "LOCATAIRE", "courrier_revenu_le": "",
        "email": "Zoe@Example.fr", "email_autorise": "OUI", "mobile": "06 12 34 56 78", "sms_autorise": "1",
        "fixe": "0468123456", "appel_autorise": "x", "prestations": "asf:2021-01-01", "fin_prepare": "2026-12-31",
        "situation_pro": "SALARIE", "situation_pro_depuis": "2022-01-01", "dtr_attendue_le": "2026-03-05",
        "dtr_recue_le": "", "dar_attendue_le": "", "dar_recue_le": "", "rib": "VALIDE", "quittance": "RECUE",
        "pieces_manquantes_depuis": "", "fin_titre_sejour": "2027-01-01", "boursier": "non",
        "affiliation_le": "2012-09-01", "tutelle": "non", "dossier_clos_le": "", "deces_le": "",
        "extra.liste": "oui", "extra.score": "12,5", "extra.vu": "01/02/2026", "extra.mot": 'a\\b et "c"',
    }  # fmt: skip
    content = ";".join(cells) + "\n" + ";".join('"' + cell.replace('"', '""') + '"' for cell in cells.values())
    done = load(tmp_path, content)
    assert (done.status, done.created_count, done.rejected_count) == (ImportStatus.DONE, 1, 0)
    person = Allocataire.objects.get()
    assert (person.matricule, person.civility, person.last_name) == ("66A1", "MME", "Le Gall")
    assert person.born_on == date(1990, 5, 17)
    assert person.children_born_on == [date(2015, 1, 2), date(2018, 3, 4)]
    assert (person.family_situation, person.language, person.commune_id) == ("SEPARE", "fr", "66136")
    assert (person.email, person.mobile, person.landline) == ("zoe@example.fr", "+33612345678", "+33468123456")
    assert person.email_allowed
    assert person.sms_allowed
    assert person.call_allowed
    assert person.prestations == {"ASF": "2021-01-01"}
    assert person.extra == {"liste": True, "score": 12.5, "vu": "2026-02-01", "mot": 'a\\b et "c"'}
    assert person.updated_at == NOW


@pytest.mark.parametrize(
    "encode",
    [
        str.encode,
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.encode("cp1252"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace(";", ",").encode(),
        lambda text: text.replace(";", "\t").encode(),
    ],
)
def test_encodings_and_separators(tmp_path: Path, encode: Any) -> None:
    content = f"{HEADER}\n{LINE}\n{line(matricule='2', prenom='Noël')}\n"
    assert load(tmp_path, encode(content)).created_count == 2
    assert set(Allocataire.objects.values_list("first_name", flat=True)) == {"Léa", "Noël"}


def test_second_import_changes_nothing(tmp_path: Path) -> None:
    content = f"{HEADER}\n{LINE}\n{line(matricule='2')}"
    load(tmp_path, content)
    rows = "SELECT xmin::text, ctid::text, * FROM campaigns_allocataire ORDER BY id"
    before = _fetch(rows)
    again = load(tmp_path, content, now=datetime(2026, 4, 1, tzinfo=UTC))
    assert (again.created_count, again.updated_count, again.unchanged_count) == (0, 0, 2)
    assert _fetch(rows) == before, "not even rewritten"


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    load(tmp_path, f"{HEADER}\n{LINE}\n{line(matricule='2')}")
    done = load(tmp_path, f"{HEADER}\n{LINE}\n{line(matricule='2', prestations='')}\n{line(matricule='3')}")
    assert (done.created_count, done.updated_count, done.unchanged_count) == (1, 1, 1)
    assert Allocataire.objects.get(matricule="2").prestations == {}


def test_columns_that_the_file_lacks_keep_their_values(tmp_path: Path) -> None:
    ExtraAttribute.objects.create(code="liste", label="Liste", type=AttributeType.BOOLEAN)
    ExtraAttribute.objects.create(code="autre", label="Autre")
    person = make_allocataire(mobile="+33730000001", extra={"autre": "garde", "liste": True})
    load(tmp_path, f"matricule;nom;extra.liste\n{person.matricule};NOUVEAU;\n")
    person.refresh_from_db()
    assert (person.last_name, person.mobile, person.extra) == ("NOUVEAU", "+33730000001", {"autre": "garde"})


def test_mapping_says_what_a_column_holds(tmp_path: Path) -> None:
    content = "Numéro de dossier;Nom d'usage;Né le;divers\n1;MARTIN;1990-01-01;zzz\n"
    mapping = {"Numéro de dossier": "matricule", "Nom d'usage": "nom", "né le": "born_on", "divers": ""}
    assert load(tmp_path, content, mapping=mapping).created_count == 1
    assert Allocataire.objects.get().born_on == date(1990, 1, 1)


def test_header_is_read_whatever_its_accents_and_case(tmp_path: Path) -> None:
    assert load(tmp_path, "MATRICULE;Nom;Prénom;Date naissance\n1;MARTIN;Léa;1990-01-01\n").created_count == 1


def test_unusable_addresses_are_emptied_not_rejected(tmp_path: Path) -> None:
    bad = line(matricule="2", email="lea@", mobile="0468123456")
    done = load(tmp_path, f"{HEADER}\n{bad}")
    assert (done.created_count, done.rejected_count) == (1, 0)
    assert done.problem == "Coordonnées inutilisables laissées vides (e-mail : 1, mobile : 1)."
    person = Allocataire.objects.get()
    assert (person.email, person.mobile) == ("", "")


def test_number_is_read_in_the_territory_of_the_commune(tmp_path: Path) -> None:
    make_commune("97411", "Saint-Denis")
    load(tmp_path, f"{HEADER}\n{line(commune='97411', mobile='0692123456')}")
    assert Allocataire.objects.get().mobile == "+262692123456"


def test_zero_that_a_spreadsheet_ate_is_given_back(tmp_path: Path) -> None:
    make_commune("01004", "Ambérieu-en-Bugey")
    load(tmp_path, f"{HEADER}\n{line(commune='1004')}")
    assert Allocataire.objects.get().commune_id == "01004"


# --- Full extracts ----------------------------------------------------------------------------------


def test_absent_people_stay_open_by_default(tmp_path: Path) -> None:
    person = make_allocataire()
    load(tmp_path, f"{HEADER}\n{LINE}")
    person.refresh_from_db()
    assert person.closed_on is None


def test_full_extract_closes_who_is_absent_and_reopens_who_is_back(tmp_path: Path) -> None:
    absent, refused = make_allocataire(matricule="A1"), make_allocataire(matricule="A2")
    back = make_allocataire(matricule="0000001", closed_on=date(2026, 1, 1))
    wrong = line(matricule="A2", date_naissance="2999-01-01")
    done = load(tmp_path, f"{HEADER}\n{LINE}\n{wrong}", is_full_extract=True, accept_rejections=True)
    closed = {p.pk: p.closed_on for p in Allocataire.objects.all()}
    assert closed == {absent.pk: date(2026, 3, 3), refused.pk: None, back.pk: None}
    assert "clos : 1" in done.problem


def test_full_extract_closes_nobody_when_somebody_is_unreadable(tmp_path: Path) -> None:
    person = make_allocataire()
    done = load(tmp_path, f"{HEADER}\n{LINE}\nx;y\n", is_full_extract=True, accept_rejections=True)
    person.refresh_from_db()
    assert person.closed_on is None
    assert done.problem.startswith("Aucun dossier n’a été clos : 1 lignes")


# --- Rejected lines ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "column", "value_class", "reason"),
    [
        ({"commune": "99999"}, "commune", "nombre de 5 chiffres", "commune est inconnue"),
        ({"prestations": "XYZ:2021-01-01"}, "prestations", "texte de 14 caractères", "Prestation inconnue"),
        ({"prestations": "RSA"}, "prestations", "texte de 3 caractères", "date d’ouverture"),
        ({"prestations": "RSA:2021-01-01|rsa:2021-01-02"}, "prestations", "texte de 29 caractères", "deux fois"),
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
    _assert_nowhere(written)


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
        (b"PK\x03\x04" + bytes(500), "un classeur Excel"),
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


# --- Accidents --------------------------------------------------------------------------------------


class Died(Exception):
    pass


def test_import_that_dies_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_args: Any) -> None:
        raise Died

    load(tmp_path, f"{HEADER}\n{LINE}")
    before = _fetch("SELECT * FROM campaigns_allocataire")
    with monkeypatch.context() as patch:
        patch.setattr(population_staging, "close_absent", die)
        with pytest.raises(Died):
            load(tmp_path, f"{HEADER}\n{line(prenom='Zoé')}\n{line(matricule='2')}", is_full_extract=True)
    assert _fetch("SELECT * FROM campaigns_allocataire") == before
    load(tmp_path, f"{HEADER}\n{LINE}")
    assert PopulationImport.objects.filter(problem__startswith="Import interrompu").count() == 1


def test_failure_of_the_database_is_told_without_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: Any) -> None:
        raise DatabaseError("duplicate key (matricule)=(0000001)")

    monkeypatch.setattr(population_staging, "upsert", fail)
    with pytest.raises(ImportRefused, match="La base a refusé") as refusal:
        load(tmp_path, f"{HEADER}\n{LINE}")
    assert "0000001" not in caplog.text + str(refusal.value) + str(refusal.value.__cause__)
    assert refusal.value.__suppress_context__


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once(tmp_path: Path) -> None:
    make_commune()
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [population_staging._LOCK])
        with pytest.raises(ImportRefused, match="Un autre import"):
            load(tmp_path, f"{HEADER}\n{LINE}")
    assert load(tmp_path, f"{HEADER}\n{LINE}").created_count == 1


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "extrait.csv"
    path.write_text(f"{HEADER};zzz\n{LINE};1\n")
    call_command("import_population", str(path), "--map", "zzz=", skip_checks=True)
    assert "1 lignes lues : 1 créées, 0 modifiées, 0 inchangées, 0 rejetées." in capsys.readouterr().out
    with pytest.raises(CommandError, match="Colonne inconnue"):
        call_command("import_population", str(path), skip_checks=True)


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
    _assert_nowhere(NIR)


def test_large_hostile_file(tmp_path: Path) -> None:
    """3,000 lines, a third wrong in turn: counted one by one."""
    wrong: list[str | bytes] = [
        line(matricule="1"), "a;b", line(nom=""), line(nom=NIR), line(prenom="\x00"), LINE.replace("Léa", '"'),
        line(date_naissance="x"), line(commune="75056"), "y" * 40_000, line(matricule="1").encode("cp1252"),
    ]  # fmt: skip
    lines: list[bytes] = []
    for number in range(3_000):
        text = wrong[number // 3 % 10] if number % 3 == 2 else line(matricule=f"M{number}")
        lines.append(text if isinstance(text, bytes) else text.encode())
    done = load(tmp_path, b"\n".join([HEADER.encode(), *lines]), accept_rejections=True)
    assert done.read_count == 3_000
    assert (done.created_count, done.rejected_count) == (2_001, 999), "the first « 1 » is right"
    reasons = Counter(RejectedLine.objects.values_list("value_class", flat=True))
    assert reasons["NIR"] == 100
    assert reasons["doublon"] == 99
    _assert_nowhere(NIR)


def _fetch(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def _assert_nowhere(secret: str) -> None:
    """In no row that the import writes."""
    for table in ("campaigns_allocataire", "campaigns_populationimport", "campaigns_rejectedline"):
        assert _fetch(f"SELECT 1 FROM {table} t WHERE strpos(t::text, '{secret}') > 0") == []
