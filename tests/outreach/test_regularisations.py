"""A file of régularisations comes in: what is kept, what is refused and why."""

from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
import xlsxwriter
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from campaigns.models import set_clock
from campaigns.rules.population_values import InvalidValue
from outreach.models import Regularisation, RegularisationImport
from outreach.regularisations import RegularisationsRefused, import_regularisations
from outreach.rules.regularisation_lines import read_amount
from tests.factories import NOW, make_allocataire, make_allocataires
from tests.outreach.bilan_worlds import make_kind

pytestmark = pytest.mark.django_db

TODAY = date(2026, 3, 3)
HEADER = "matricule;type;date;montant"


@pytest.fixture
def people() -> list[str]:
    make_kind("PPA", nature="MENSUEL")
    make_kind("ASF", nature="RAPPEL")
    return [person.matricule for person in make_allocataires(3)]


def test_a_workbook_is_read_and_its_damage_undone(tmp_path: Path) -> None:
    make_kind("PPA", nature="MENSUEL")
    make_allocataire(matricule="0001234")
    path = tmp_path / "regularisations.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet, day = book.add_worksheet(), book.add_format({"num_format": "dd/mm/yyyy"})
        for column, title in enumerate(HEADER.split(";")):
            sheet.write(0, column, title)
        sheet.write(1, 0, 1234)
        sheet.write(1, 1, "PPA")
        sheet.write_datetime(1, 2, TODAY - timedelta(days=1), day)
        sheet.write(1, 3, 120.5)
    done = import_regularisations(path=path, file_name=path.name, as_of=TODAY, by=None, now=NOW)
    assert (done.created_count, done.rejected_count) == (1, 0)
    found = Regularisation.objects.get()
    assert (found.occurred_on, found.amount) == (TODAY - timedelta(days=1), Decimal("120.50"))


def test_a_broken_workbook_is_refused(tmp_path: Path, people: list[str]) -> None:
    with pytest.raises(RegularisationsRefused, match="pas un classeur Excel lisible"):
        bring(tmp_path, b"PK\x03\x04rien")


def bring(folder: Path, content: str | bytes, **values) -> RegularisationImport:
    path = folder / "regularisations.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    known = {"file_name": path.name, "as_of": TODAY, "by": None, "now": NOW, **values}
    return import_regularisations(path=path, **known)


def counts(done: RegularisationImport) -> tuple[int, int, int, int]:
    return done.read_count, done.created_count, done.known_count, done.rejected_count


def test_french_and_iso_writings(tmp_path, people):
    one, two, three = people
    done = bring(
        tmp_path, f"{HEADER}\n{one};PPA;01/03/2026;1 219,50 €\n{two};PPA;2026-03-02;1219.5\n\n{three};ASF;02/03/2026;\n"
    )

    assert counts(done) == (3, 3, 0, 0)
    amounts = Regularisation.objects.order_by("pk").values_list("occurred_on", "amount")
    assert list(amounts) == [
        (date(2026, 3, 1), Decimal("1219.50")),
        (date(2026, 3, 2), Decimal("1219.50")),
        (date(2026, 3, 2), None),
    ]


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_separators_and_encodings(tmp_path, people, separator, encoding):
    text = f"Montant;MATRICULE;Libellé;type;Date\r\n219;{people[0]};régularisé;PPA;01/03/2026\r\n"
    done = bring(tmp_path, text.replace(";", separator).encode(encoding))
    assert counts(done) == (1, 1, 0, 0)


def test_second_import_creates_nothing(tmp_path, people):
    content = f"{HEADER}\n" + "".join(f"{m};PPA;01/03/2026;219\n" for m in [*people, people[0]])
    first = bring(tmp_path, content)
    again = bring(tmp_path, content)

    assert counts(first) == (4, 3, 1, 0)
    assert counts(again) == (4, 0, 4, 0)
    assert Regularisation.objects.count() == 3
    assert set(Regularisation.objects.values_list("source_id", flat=True)) == {first.pk}


def test_each_refused_line_says_where_and_why(tmp_path, people):
    one = people[0]
    lines = [
        (f"{one};PPA;01/03/2026;219", None, None),
        ("9999999999;PPA;01/03/2026;219", "matricule", "pas dans la population"),
        (";PPA;01/03/2026;219", "matricule", "manque"),
        (f"{one};RSA;01/03/2026;", "type", "inconnu"),
        (f"{one};PPA;;", "date", "manque"),
        (f"{one};PPA;31/02/2026;", "date", "n’existe pas"),
        (f"{one};PPA;04/03/2026;", "date", "futur"),
        (f"{one};PPA;3 mars 2026;", "date", "s’écrit"),
        (f"{one};PPA;01/03/2026;-5", "montant", "sans signe"),
        (f"{one};PPA;01/03/2026;beaucoup", "montant", "euros"),
        (f"{one};PPA;01/03/2026;219;50", "", "5 colonnes au lieu de 4"),
        (f"{one};PPA", "", "2 colonnes"),
        (f"{one};PPA;01/03/2026;\x00", "", ""),
        ('"' + one + ";PPA;01/03/2026;1", "", "guillemet"),
    ]
    done = bring(tmp_path, HEADER + "\n" + "\n".join(line for line, *_ in lines) + "\n")

    assert counts(done) == (14, 1, 0, 13)
    expected = [(at, *rest) for at, (_, *rest) in enumerate(lines, start=2) if rest[1] is not None]
    for said, (line, column, reason) in zip(done.rejected, expected, strict=True):
        assert (said["line"], said["column"]) == (line, column)
        assert reason in said["reason"]
    assert one not in str(done.rejected)
    assert "9999999999" not in str(done.rejected)


def test_a_nir_is_refused_without_being_repeated(tmp_path, people):
    nir = "255081416802538"
    done = bring(tmp_path, f"{HEADER}\n{nir};PPA;01/03/2026;\n")
    assert done.rejected_count == 1
    assert nir not in str(done.rejected)


def test_only_the_first_thousand_refused_lines_are_kept_all_are_counted(tmp_path, people):
    done = bring(tmp_path, f"{HEADER}\n" + "inconnu;PPA;01/03/2026;\n" * 1_200)
    assert counts(done) == (1_200, 0, 0, 1_200)
    assert len(done.rejected) == 1_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "vide"),
        (b"\xef\xbb\xbf\r\n", "vide"),
        (b"PK\x03\x04\x14\x00", "CSV"),
        (b"\x7fELF\x00\x01\x02", "CSV"),
        (b"matricule;date\n1;2026-03-01\n", "type"),
        (b"nom;prenom\nX;Y\n", "matricule;type;date;montant"),
        (b"matricule;type;date;date\n1;PPA;01/03/2026;01/03/2026\n", "deux fois"),
    ],
)
def test_whole_file_refused(tmp_path, people, content, said):
    with pytest.raises(RegularisationsRefused, match=said):
        bring(tmp_path, content)
    assert not RegularisationImport.objects.exists()


def test_absent_file_and_folder_refused(tmp_path):
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(RegularisationsRefused, match="absent ou illisible"):
            import_regularisations(path=path, file_name="x", as_of=TODAY, by=None, now=NOW)


def test_data_cannot_be_complete_up_to_tomorrow(tmp_path, people):
    with pytest.raises(RegularisationsRefused, match="futur"):
        bring(tmp_path, HEADER, as_of=TODAY + timedelta(days=1))


def test_a_header_alone_says_that_nothing_happened(tmp_path, people):
    done = bring(tmp_path, HEADER)
    assert counts(done) == (0, 0, 0, 0)
    assert set(done.kinds.values_list("code", flat=True)) == {"PPA", "ASF"}


def test_a_file_is_fresh_for_the_kinds_it_mentions_or_declares(tmp_path, people):
    line = f"{HEADER}\n{people[0]};PPA;01/03/2026;\n"
    assert set(bring(tmp_path, line).kinds.values_list("code", flat=True)) == {"PPA"}
    assert set(bring(tmp_path, line, kinds=["ASF"]).kinds.values_list("code", flat=True)) == {"ASF", "PPA"}
    unusable = bring(tmp_path, f"{HEADER}\n{people[0]};FAUX;01/03/2026;\n")
    assert not unusable.kinds.exists()


@pytest.mark.parametrize("bad", ["{0};PPA;32/01/2026;", "9999999;PPA;01/03/2026;"])
def test_a_file_of_which_much_is_lost_makes_nothing_fresh(tmp_path, people, bad):
    """Zeros eaten, dates of another format: those who did it are not known, and would be contacted."""
    good, wrong = f"{people[0]};PPA;01/03/2026;\n", bad.format(people[1]) + "\n"
    done = bring(tmp_path, f"{HEADER}\n{good}{wrong * 2}")
    assert (done.created_count, done.rejected_count) == (1, 2)
    assert not done.kinds.exists()
    assert not bring(tmp_path, f"{HEADER}\n{good}{wrong * 2}", kinds=["PPA", "ASF"]).kinds.exists()


def test_a_few_people_of_elsewhere_and_other_kinds_do_not_make_a_file_incomplete(tmp_path, people):
    lines = "".join(f"{matricule};PPA;01/03/2026;\n" for matricule in people)
    done = bring(tmp_path, f"{HEADER}\n{lines}9999999;PPA;01/03/2026;\n{people[0]};AUTRE;01/03/2026;\n")
    assert done.rejected_count == 2
    assert [kind.code for kind in done.kinds.all()] == ["PPA"]


def test_a_nir_in_the_name_of_the_file_is_not_kept(tmp_path, people):
    done = bring(tmp_path, HEADER, file_name="184127645108946.csv")
    assert done.file_name == "fichier.csv"


def test_command_reports_and_refuses(tmp_path):
    make_kind("PPA")
    person = make_allocataire()
    set_clock(NOW)
    path = tmp_path / "r.csv"
    path.write_text(f"{HEADER}\n{person.matricule};PPA;01/03/2026;\ninconnu;PPA;01/03/2026;\n")
    out = StringIO()
    call_command("import_regularisations", str(path), "--as-of", "03/03/2026", stdout=out)

    assert "2 lignes lues : 1 créées, 0 déjà connues, 1 rejetées" in out.getvalue()
    assert "ligne 3, matricule" in out.getvalue()
    for arguments in (
        ["absent.csv", "--as-of", "2026-03-03"],
        [str(path), "--as-of", "hier"],
        [str(path), "--as-of", ""],
    ):
        with pytest.raises(CommandError):
            call_command("import_regularisations", *arguments)
    with pytest.raises(CommandError, match="inconnu"):
        call_command("import_regularisations", str(path), "--as-of", "2026-03-03", "--kind", "FAUX")


@given(st.decimals(min_value=0, max_value=99_999_999, places=2))
def test_amounts_written_in_french_are_read_back(amount):
    written = f"{amount:,.2f}".replace(",", "\u202f").replace(".", ",")
    assert read_amount(f"{written}\u00a0€") == amount


@given(st.text(max_size=20))
def test_amounts_are_read_or_refused(text):
    try:
        amount = read_amount(text)
    except InvalidValue:
        return
    assert amount is None or amount >= 0
