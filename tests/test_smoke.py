import pytest

from campaigns.models import read_now


@pytest.mark.django_db
def test_clock_reads() -> None:
    assert read_now().tzinfo is not None
