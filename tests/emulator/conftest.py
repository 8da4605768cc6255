"""Emulated nodes for tests/emulator: one is provisioned per session; every test has a copy of it and of its city."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from lamp_post import LampPost, Template, make_template
from mosquitto_process import free_port

from hadeda.board import load

RaisePost = Callable[..., LampPost]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A provisioned node, powered off."""
    return make_template(load("esp32-s3-devkitc-1"), tmp_path_factory.mktemp("template"), free_port())


@pytest.fixture
def raise_post(template: Template, tmp_path: Path) -> Iterator[RaisePost]:
    """Put up a lamp post; see LampPost for what can be said about it."""
    with ExitStack() as standing:

        def raise_one(**settings: object) -> LampPost:
            folder = tmp_path / f"post{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return standing.enter_context(LampPost(template, folder, **settings))

        yield raise_one


@pytest.fixture
def post(raise_post: RaisePost) -> LampPost:
    """A lamp post a minute before two in the night, windows of a minute, powered off; broker and collector run."""
    standing = raise_post()
    standing.open_city()
    return standing
