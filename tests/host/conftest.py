"""Fixtures of the host side's tests; this folder is importable, for `sealing`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hadeda.city import City


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """A fresh city."""
    with City.init(tmp_path / "city", "Testville") as city:
        yield city
