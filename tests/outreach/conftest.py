"""What most tests of sending need."""

from collections.abc import Iterator

import pytest

from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway


@pytest.fixture
def operator() -> Iterator[FakeGateway]:
    """An operator of SMS that takes everything and remembers it; modules that need another define theirs."""
    gateway = FakeGateway()
    with use_gateway("SMS", gateway):
        yield gateway
