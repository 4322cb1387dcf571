"""An administrateur brings a file in: its columns, a question, a report. axe clean, narrow and dark too."""

import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page

from campaigns.models import Allocataire
from outreach.roles import ADMINISTRATEUR
from tests.factories import make_commune
from tests.journeys.pages import Visitor
from tests.pages import make_colleague

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("PICTURES", "")
TEXT = "Dossier;nom;prenom;commune\n1234567;MARTIN;Camille;66136\n7654321;DURAND;Alix;66136\n2345678;=x;Zoé;66136\n"


def check(page: Page, name: str) -> None:
    for width, scheme in ((1280, "light"), (375, "light"), (1280, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        page.reload()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} at {width}"
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_file_is_brought_in(auditor: Visitor, tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT, page = tmp_path, auditor.page
    make_commune()
    auditor.signs_in(make_colleague(ADMINISTRATEUR)).goes_to(reverse("admin:campaigns_populationimport_add"))
    check(page, "fichier")
    page.get_by_label("Fichier des allocataires").set_input_files(
        {"name": "extrait.csv", "mimeType": "text/csv", "buffer": TEXT.encode()}
    )
    auditor.presses("Voir les colonnes")
    check(page, "colonnes")
    page.get_by_label("Contenu de la colonne Dossier").select_option("matricule")
    page.get_by_label("Garder cette correspondance").fill("Extraction du mardi")
    auditor.presses("Importer")
    assert "plus de 1 %" in page.content()
    check(page, "a-confirmer")
    auditor.presses("Importer quand même")
    assert page.get_by_text("Terminé").first.is_visible()
    check(page, "rapport")
    assert Allocataire.objects.count() == 2
