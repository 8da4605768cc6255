"""`hadeda emulate` says to the board what its options say."""

from typing import Any

import pytest
from typer.testing import CliRunner

from hadeda.cli import emulate
from hadeda.cli.main import app


@pytest.mark.parametrize(("options", "stock"), [([], False), (["--stock-partitions"], True)])
def test_stock_partitions_are_an_option(monkeypatch: pytest.MonkeyPatch, options: list[str], stock: bool) -> None:
    settings: dict[str, Any] = {}

    def refuse(*_arguments: object, **given: object) -> None:
        settings.update(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(emulate, "EmulatedBoard", refuse)
    CliRunner().invoke(app, ["emulate", "esp32-devkitc-v4", *options])
    assert settings["stock_partitions"] is stock
