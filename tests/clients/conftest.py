"""What several tests use."""

import os
from collections.abc import Iterator

import pytest

from rung import Rung


@pytest.fixture(scope="module")
def rung() -> Iterator[Rung]:
    """The running Rung, for its operator."""
    with Rung(os.environ["RUNG_URL"], os.environ["RUNG_ADMIN_KEY"]) as rung:
        yield rung
