"""Fixtures of the host side's tests; this folder is importable, for `sealing`.

What holds on both databases says so: `@pytest.mark.parametrize("city", ["sqlite", "postgresql"], indirect=True)`.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from hadeda.bench.servers import Server, postgresql
from hadeda.city import City
from hadeda.registry.postgresql import DRIVER


@pytest.fixture
def city(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[City]:
    """A fresh city; on PostgreSQL where the test's parameter says so."""
    url = request.getfixturevalue("new_database")() if getattr(request, "param", "") == "postgresql" else ""
    with City.init(tmp_path / "city", "Testville", database=url) as city:
        yield city


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real PostgreSQL of this test process; fails with the install command where it is missing."""
    with postgresql("fsync=off") as server:
        yield server


@pytest.fixture
def new_database(server: Server) -> Callable[..., str]:
    """Makes a database, empty or as the one with this URL, which nobody may be using; returns its URL."""

    def make(like: str = "") -> str:
        name = f"city{next(_NUMBERS)}"
        template = make_url(like).database if like else "template0"
        url = server.url("postgres").replace("postgresql", DRIVER, 1)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        engine.dispose()
        return server.url(name)

    return make


_NUMBERS = itertools.count()
