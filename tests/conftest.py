"""Conventions as failing tests, and the few fixtures everybody needs."""

import pytest


@pytest.fixture(autouse=True)
def _stop_buttons(request: pytest.FixtureRequest) -> None:
    """Transactional tests empty every table; the stop buttons must exist or nothing may be sent."""
    if "transactional_db" in request.fixturenames:
        request.getfixturevalue("transactional_db")
        from outreach.models import Pause

        Pause.objects.bulk_create([Pause(scope=s) for s in ("", "SMS", "EMAIL", "CALL")], ignore_conflicts=True)
