import pytest
from django.core.management import call_command

from campaigns.models import Commune, Epci
from campaigns.rules.contact_points import department_of, region_of
from campaigns.territories import load_territories, read_territories


@pytest.mark.parametrize(
    ("commune", "department", "region"),
    [
        ("66136", "66", "FR"),
        ("01004", "01", "FR"),
        ("2A004", "2A", "FR"),
        ("97411", "974", "RE"),
        ("97120", "971", "GP"),
        ("97209", "972", "MQ"),
        ("97302", "973", "GF"),
        ("97502", "975", "PM"),
        ("97608", "976", "YT"),
        ("98818", "988", "NC"),
        ("", "", "FR"),
    ],
)
def test_department_and_region(commune: str, department: str, region: str) -> None:
    assert (department_of(commune), region_of(commune)) == (department, region)


def test_file_says_where_it_comes_from() -> None:
    territories = read_territories()
    assert "Insee" in territories["source"]
    assert "Licence Ouverte 2.0" in territories["licence"]
    assert territories["departements"] == ["01", "31", "48", "66"]


@pytest.mark.django_db
def test_loading_twice_changes_nothing() -> None:
    assert load_territories() == 1355
    before = sorted(Commune.objects.values_list())
    assert load_territories() == 1355
    assert sorted(Commune.objects.values_list()) == before
    assert Epci.objects.count() == 58
    perpignan = Commune.objects.get(code="66136")
    assert (perpignan.name, perpignan.department, perpignan.postal_code) == ("Perpignan", "66", "66000")
    assert perpignan.epci is not None
    assert perpignan.epci.name == "CU Perpignan Méditerranée Métropole"
    assert perpignan.population > 100_000


@pytest.mark.django_db
def test_loading_corrects_a_commune() -> None:
    load_territories()
    Commune.objects.filter(code="66136").update(name="Autre", epci=None)
    call_command("load_territories", skip_checks=True)
    assert Commune.objects.get(code="66136").name == "Perpignan"
