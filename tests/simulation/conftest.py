"""Streets of one real board: it is provisioned once per session, every test has a copy of it and of its city."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from simulated_street import BOARD, SEED, WINDOW_US, BuildStreet

from hadeda.board import load
from hadeda.simulate.faults import Faults
from hadeda.simulate.provisioning import prepare
from hadeda.simulate.street import Street, Wanted


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city with one node, powered off."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare(load(BOARD), [0], SEED, folder, lambda _: None)
    return folder


@pytest.fixture
def build_street(prepared: Path, tmp_path: Path) -> Iterator[BuildStreet]:
    """A street under these faults, for so many windows."""
    with ExitStack() as standing:

        def build(faults: Callable[[int, int, int], Faults], windows: float) -> Street:
            folder = tmp_path / f"street{len(list(tmp_path.iterdir()))}"
            shutil.copytree(prepared, folder)
            wanted = Wanted(load(BOARD), 1, round(windows * WINDOW_US), SEED, "none")
            return standing.enter_context(Street(wanted, faults(SEED, 1, wanted.length_us), folder))

        yield build
