"""The nets of conftest.py catch something."""

import logging
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.template import Context, engines
from django.template.base import Origin, Template

from outreach.models import Pause
from tests.conftest import PERSONAL


@pytest.mark.parametrize("text", ["+33639980000", "06 39 98 00 00", "0639980000", "to=jeanne.martin@exemple.fr"])
def test_personal_data_is_recognised(text: str) -> None:
    assert PERSONAL.search(f"sent {text} twice")


@pytest.mark.parametrize("text", ["touch 12345678901", "worker celery@host", "3f2b0639-9800-4000-8000-000000000000"])
def test_identifiers_are_not_personal(text: str) -> None:
    assert not PERSONAL.search(text)


def test_logs_are_captured(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("outreach").info("touch %s", 12)
    assert "touch 12" in caplog.text


def test_undefined_variable_fails_in_our_templates(settings: pytest.FixtureRequest) -> None:
    template = _template("{{ absente }}", Path(settings.BASE_DIR) / "templates" / "essai.html")
    with pytest.raises(pytest.fail.Exception, match="undefined variable absente"):
        template.render(Context())


def test_undefined_variable_is_empty_in_templates_of_others(tmp_path: Path) -> None:
    assert _template("[{{ absente }}]", tmp_path / "django.html").render(Context()) == "[]"


def test_default_says_that_a_variable_may_be_absent(settings: pytest.FixtureRequest) -> None:
    template = _template("{{ absente|default:'—' }}", Path(settings.BASE_DIR) / "templates" / "essai.html")
    assert template.render(Context()) == "—"


def _template(text: str, path: Path) -> Template:
    return Template(text, origin=Origin(str(path)), engine=engines["django"].engine)


@pytest.mark.parametrize("time", ["first", "second"])
@pytest.mark.django_db(transaction=True)
def test_the_stop_buttons_outlive_transactional_tests(time: str) -> None:
    assert set(Pause.objects.values_list("scope", flat=True)) == {"", "SMS", "EMAIL", "CALL"}


@pytest.mark.django_db
def test_unordered_rows_come_shuffled() -> None:
    assert re.search(r"ORDER BY RANDOM\(\)", str(Group.objects.order_by().query))
    assert "RANDOM" not in str(Group.objects.order_by("pk").query)
