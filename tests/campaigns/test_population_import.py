import codecs
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from campaigns import population_staging
from campaigns.enums import AttributeType
from campaigns.models import Allocataire, ExtraAttribute, IdentityChange, ImportStatus, PopulationImport
from campaigns.population_import import ImportRefused
from campaigns.rules.population_lines import Block, BlockParser, ParsedBlock
from tests.campaigns.population_files import HEADER, LINE, NOW, fetch, line, load
from tests.factories import make_allocataire, make_commune

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def perpignan() -> None:
    make_commune()


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
    before = fetch(rows)
    again = load(tmp_path, content, now=datetime(2026, 4, 1, tzinfo=UTC))
    assert (again.created_count, again.updated_count, again.unchanged_count) == (0, 0, 2)
    assert fetch(rows) == before, "not even rewritten"


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
    assert done.emptied == {"e-mail : adresse inutilisable": 1, "mobile : ne reçoit pas de SMS": 1}
    assert list(done.emptied_cells.order_by("column").values_list("line", "column", "value_class", "reason")) == [
        (2, "email", "texte de 4 caractères", "e-mail : adresse inutilisable"),
        (2, "mobile", "nombre de 10 chiffres", "mobile : ne reçoit pas de SMS"),
    ]
    assert done.problem == ""
    person = Allocataire.objects.get()
    assert (person.email, person.mobile) == ("", "")


def test_a_refused_line_leaves_nothing_empty(tmp_path: Path) -> None:
    done = load(tmp_path, f"{HEADER}\n{line(nom='', mobile='0468123456')}", accept_rejections=True)
    assert (done.rejected_count, done.emptied, done.emptied_cells.count()) == (1, {}, 0)


def test_number_is_read_in_the_territory_of_the_commune(tmp_path: Path) -> None:
    make_commune("97411", "Saint-Denis")
    load(tmp_path, f"{HEADER}\n{line(commune='97411', mobile='0692123456')}")
    assert Allocataire.objects.get().mobile == "+262692123456"


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
    content = f"{HEADER}\n{LINE}\n{wrong}"
    with pytest.raises(ImportRefused, match="ferait clore 1 dossiers sur 2, plus de 1 %"):
        load(tmp_path, content, is_full_extract=True, accept_rejections=True)
    assert set(Allocataire.objects.values_list("closed_on", flat=True)) == {None, date(2026, 1, 1)}, "nothing applied"
    done = load(tmp_path, content, is_full_extract=True, accept_rejections=True, accept_closures=True)
    closed = {p.pk: p.closed_on for p in Allocataire.objects.all()}
    assert closed == {absent.pk: date(2026, 3, 3), refused.pk: None, back.pk: None}
    assert (done.closed_count, done.changes) == (1, {"nom": 1, "dossier clos le": 1} | done.changes)


@pytest.mark.parametrize("damaged", ["123", "1.23E2", " 0000123"])
def test_a_refused_line_whose_matricule_a_spreadsheet_damaged_closes_nobody(tmp_path: Path, damaged: str) -> None:
    """She is in the extract: her line is refused for something else, and her matricule is still hers."""
    known = [line(matricule="0000123"), line(matricule="0000456")]
    load(tmp_path, "\n".join([HEADER, *known]))
    wrong = line(matricule=damaged, date_naissance="32/01/1990")
    done = load(
        tmp_path, "\n".join([HEADER, wrong, known[1]]), is_full_extract=True, accept_rejections=True,
        accept_closures=True,
    )  # fmt: skip
    assert (done.rejected_count, done.closed_count) == (1, 0)
    assert not Allocataire.objects.exclude(closed_on=None).exists()


def people_of(*names: str) -> str:
    lines = (
        line(matricule=f"{n:07d}", nom=f"NOM{name}", prenom=f"Prénom{name}", mobile=f"06123456{n:02d}")
        for n, name in enumerate(names)
    )
    return "\n".join([HEADER, *lines])


def test_a_file_whose_columns_were_sorted_apart_asks(tmp_path: Path) -> None:
    """Everybody would bear the name of somebody else, and be greeted by it at another’s number."""
    letters = [chr(ord("A") + n) for n in range(25)]
    load(tmp_path, people_of(*letters))
    with pytest.raises(ImportRefused, match="25 matricules sur 25 désigneraient une autre personne"):
        load(tmp_path, people_of(*letters[1:], letters[0]))
    assert Allocataire.objects.get(matricule="0000000").last_name == "NOMA"
    done = load(tmp_path, people_of(*letters[1:], letters[0]), accept_strangers=True)
    assert (done.updated_count, Allocataire.objects.get(matricule="0000000").last_name) == (25, "NOMB")
    assert done.identity_changes.count() == 25


def test_a_matricule_given_to_somebody_else_is_remembered(tmp_path: Path) -> None:
    """Few of them ask nothing, and each keeps what was known of the former person: it must be said."""
    load(tmp_path, people_of("A", "B", "C"))
    changed = people_of("A", "Z", "C").replace("PrénomC", "Prénom").replace("06123456", "06123457")
    done = load(tmp_path, changed, now=NOW + timedelta(days=30))
    [change] = IdentityChange.objects.all()
    assert change.allocataire == Allocataire.objects.get(last_name="NOMZ")
    assert (change.population_import, change.line, change.at) == (done, 3, NOW + timedelta(days=30))
    assert not load(tmp_path, changed).identity_changes.exists(), "told by the import that changed it"


def test_an_import_that_only_asks_remembers_no_identity(tmp_path: Path) -> None:
    letters = [chr(ord("A") + n) for n in range(25)]
    load(tmp_path, people_of(*letters))
    with pytest.raises(ImportRefused):
        load(tmp_path, people_of(*letters[1:], letters[0]))
    assert not IdentityChange.objects.exists()


def test_names_completed_recased_or_changed_alone_are_hers(tmp_path: Path) -> None:
    letters = [chr(ord("A") + n) for n in range(25)]
    load(tmp_path, people_of(*letters))
    Allocataire.objects.update(first_name="", born_on=None)
    assert load(tmp_path, people_of(*letters)).updated_count == 25
    assert load(tmp_path, people_of(*letters).replace("NOM", "Nom").replace("Prénom", "PRÉNOM")).updated_count == 25
    assert load(tmp_path, people_of(*letters).replace("NOM", "ÉPOUSE")).updated_count == 25


def test_full_extract_closes_nobody_when_somebody_is_unreadable(tmp_path: Path) -> None:
    person = make_allocataire()
    done = load(tmp_path, f"{HEADER}\n{LINE}\nx;y\n", is_full_extract=True, accept_rejections=True)
    person.refresh_from_db()
    assert person.closed_on is None
    assert done.problem.startswith("Aucun dossier n’est clos : 1 lignes")


# --- Large files ---------------------------------------------------------------------------------------


def test_first_large_import_builds_its_indexes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population_staging, "_LARGE", 10)
    definitions = (
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'campaigns_allocataire' UNION "
        "SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'campaigns_allocataire'::regclass ORDER BY 1"
    )
    before = fetch(definitions)
    dropped: list[str] = []
    execute = population_staging.execute

    def listen(query: Any) -> None:
        dropped.append(query.as_string())
        execute(query)

    monkeypatch.setattr(population_staging, "execute", listen)
    lines = [line(matricule=f"M{number}") for number in range(50)]
    assert load(tmp_path, "\n".join([HEADER, *lines])).created_count == 50
    assert any(text.startswith("DROP INDEX") for text in dropped), "the index path was taken"
    assert fetch(definitions) == before
    dropped.clear()
    assert load(tmp_path, "\n".join([HEADER, *lines, line(matricule="M50")])).created_count == 1
    assert not any(text.startswith("DROP INDEX") for text in dropped), "the table is not empty any more"


def test_plain_and_looked_at_blocks_read_the_same(tmp_path: Path) -> None:
    """One stray line has its whole block looked at line by line: the others must not notice."""
    lines = [line(matricule=f"M{n}", prenom=" Léa ", mobile="06 12 34 56 78") for n in range(40)]
    load(tmp_path, "\r\n".join([HEADER, *lines]))
    done = load(tmp_path, "\n".join([HEADER, *lines, "a;b", '"x', LINE.replace("Léa", "\x07")]), accept_rejections=True)
    assert (done.unchanged_count, done.rejected_count) == (40, 3)


# --- Accidents --------------------------------------------------------------------------------------


class Died(Exception):
    pass


def test_import_that_dies_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_args: Any) -> None:
        raise Died

    load(tmp_path, f"{HEADER}\n{LINE}")
    before = fetch("SELECT * FROM campaigns_allocataire")
    with monkeypatch.context() as patch:
        patch.setattr(population_staging, "close_absent", die)
        content = f"{HEADER}\n{line(matricule='A1')}\n{line(matricule='A2')}"
        with pytest.raises(Died):
            load(tmp_path, content, is_full_extract=True, accept_closures=True)
    assert fetch("SELECT * FROM campaigns_allocataire") == before
    load(tmp_path, f"{HEADER}\n{LINE}")
    assert PopulationImport.objects.filter(problem__startswith="Import interrompu").count() == 1


def test_failure_of_the_database_is_told_without_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: Any) -> None:
        raise DatabaseError("duplicate key (matricule)=(0000001)")

    monkeypatch.setattr(population_staging, "write", fail)
    with pytest.raises(ImportRefused, match="La base a refusé") as refusal:
        load(tmp_path, f"{HEADER}\n{LINE}")
    assert "0000001" not in caplog.text + str(refusal.value) + str(refusal.value.__cause__)
    assert refusal.value.__suppress_context__


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("rows", "told"), [(b"?\n", ImportRefused), (None, Died)])
def test_lines_lost_on_their_way_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: bytes | None, told: type[Exception]
) -> None:
    """PostgreSQL refuses what another thread sends it, or reading dies while some lines are on their way."""
    make_commune()
    parse, content = BlockParser.parse, "\n".join([HEADER, *(line(matricule=f"M{n}") for n in range(12_000))])

    def go_wrong(parser: BlockParser, block: Block, marks: Any) -> ParsedBlock:
        parsed = parse(parser, block, marks)
        if "M5000" in block.columns[0]:
            if rows is None:
                raise Died
            return replace(parsed, rows=rows)
        return parsed

    with monkeypatch.context() as patch:
        patch.setattr(BlockParser, "parse", go_wrong)
        with pytest.raises(told):
            load(tmp_path, content)
    assert not Allocataire.objects.exists()
    assert load(tmp_path, content).created_count == 12_000


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
