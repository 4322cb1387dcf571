"""What most tests of sending need."""

from collections.abc import Iterator

import pytest

from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway


@pytest.fixture
def operator() -> Iterator[FakeGateway]:
    """SMS go to an operator that takes everything and remembers it; a module with an operator of its own names it so."""
    gateway = FakeGateway()
    with use_gateway("SMS", gateway):
        yield gateway
