"""What a chip in its loader says of its security, read through the port."""

import json

from plugged_in import PluggedIn
from typer.testing import CliRunner

from hadeda.board import load
from hadeda.cli.main import app


def test_a_chip_on_a_port_is_read() -> None:
    board = load("esp32-c3-devkitm-1")
    first_word = 0x6000882C  # EFUSE_RD_WR_DIS_REG of the C3; words and bits as espefuse's tables have them
    with PluggedIn(board) as plugged:
        plugged.loader.burn({first_word + 4 * 2: 7 << 18, first_word + 4 * 3: 1 << 20, first_word + 4 * 4: 1 << 5})
        done = CliRunner().invoke(app, ["node", "security", "--port", plugged.port, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["chip"], found["profile"]) == ("esp32c3", "between")
    assert (found["flash_encryption"], found["secure_boot"], found["download_mode"]) == ("development", "v2", "secure")


def test_a_port_without_a_chip_in_its_loader_is_named() -> None:
    with PluggedIn(load("esp32-c3-devkitm-1"), unplug_at=0) as plugged:
        done = CliRunner().invoke(app, ["node", "security", "--port", plugged.port])
    assert done.exit_code == 1
    assert "hadeda: " in done.stderr
