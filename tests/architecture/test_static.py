"""Static files as production serves them: each reference resolves."""

from pathlib import Path

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_static_files_can_be_collected_with_their_hashes(settings: pytest.FixtureRequest, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }
    call_command("collectstatic", "--noinput", verbosity=0)
    assert (tmp_path / "staticfiles.json").exists()
