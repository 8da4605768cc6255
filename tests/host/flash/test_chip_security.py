"""What a chip in its loader says of its security, read through the port."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from plugged_in import PluggedIn
from sealing import enrolled
from sqlalchemy import update
from typer.testing import CliRunner

from envelope import cbor
from hadeda.board import Board, load
from hadeda.board.partitions import KEYS, find, hadeda
from hadeda.city import City
from hadeda.cli.main import app
from hadeda.registry import Node, find_node
from hadeda.security import espressif, fuses, hardening
from hadeda.security.fuses import Place
from hadeda.security.whose import is_node
from node.keystore import Secrets, _pack, _to_row

BOARD = "esp32-c3-devkitm-1"
FIRST_WORD = 0x6000882C  # EFUSE_RD_WR_DIS_REG of the C3; words and bits as espefuse's tables have them
IDENTITY = b"\x04" + bytes(range(64))
Harden = Callable[[PluggedIn, str], Result]


def put_keys(
    plugged: PluggedIn, board: Board, sector: int, public: bytes = IDENTITY, private: bytes = bytes(32)
) -> None:
    """Leave a node's record in one of its two sectors, as the node itself packs it."""
    row = _to_row(Secrets(private, public, {1: bytes(65)}, 70000, bytes(32), 1, 70000))
    at = find(hadeda(board.flash_mb), KEYS).address + sector * 4096
    plugged.flash.erase(at, 4096)
    plugged.flash.program(at, _pack(3, cbor.encode([row, None])))


@pytest.fixture
def harden(city: City) -> Harden:
    """`hadeda node harden corner --run` on what is plugged in, and what is typed there."""
    enrolled(city, "corner")
    with city.database.write() as session:
        session.execute(update(Node).values(board=BOARD))
    command = ["node", "harden", "corner", "--run", "--city", str(city.directory), "--port"]
    return lambda plugged, typed: CliRunner().invoke(app, [*command, plugged.port], input=f"{typed}\n")


def test_a_board_is_known_by_the_public_key_in_either_sector_and_by_no_other() -> None:
    board = load(BOARD)
    for sector in (0, 1):
        with PluggedIn(board) as plugged:
            put_keys(plugged, board, sector)
            before = plugged.flash.erases, plugged.flash.programs
            assert is_node(plugged.port, board, IDENTITY)
            assert not is_node(plugged.port, board, IDENTITY[:-1] + b"x")
            assert (plugged.flash.erases, plugged.flash.programs) == before


def test_a_board_whose_identity_is_in_a_chip_is_known_by_its_public_key() -> None:
    board = load("esp32-c6-devkitc-1-element")
    with PluggedIn(board) as plugged:
        put_keys(plugged, board, 1, private=b"\x02\x00\x07\x06")
        assert is_node(plugged.port, board, IDENTITY)
        assert not is_node(plugged.port, board, IDENTITY[:-1] + b"x")


def test_another_board_than_the_nodes_is_not_hardened_whatever_is_typed(city: City, harden: Harden) -> None:
    board = load(BOARD)
    with PluggedIn(board) as plugged:
        put_keys(plugged, board, 0)
        done = harden(plugged, "corner")
        assert (done.exit_code, "is not corner: nothing was burned" in done.stderr) == (1, True), done.output
        put_keys(plugged, board, 1, find_node(city.database, "corner").identity)
        asked = harden(plugged, "another")
        assert (asked.exit_code, "'another' is not the node's name" in asked.stderr) == (1, True), asked.output


def test_another_board_is_not_closed_either_if_something_of_it_was_burned(harden: Harden) -> None:
    board = load(BOARD)
    with PluggedIn(board) as plugged:
        put_keys(plugged, board, 0)
        plugged.loader.burn({FIRST_WORD + 4: 1 << 9 | 1 << 19})  # DIS_USB_JTAG, DIS_PAD_JTAG
        done = harden(plugged, "corner")
    assert "[done] switch JTAG off" in done.stdout
    assert (done.exit_code, "is not corner: nothing was burned" in done.stderr) == (1, True), done.output


@pytest.mark.parametrize(("name", "at"), [(BOARD, 0x60008844), ("esp32-devkitc-v4", 0x3FF5A004)])
def test_the_mac_is_read_as_it_is_printed_on_boards(name: str, at: int) -> None:
    board = load(name)
    with PluggedIn(board) as plugged:
        plugged.loader.burn({at: 0x33445566, at + 4: 0x1122})
        assert fuses.read(Place(plugged.port, None, board.chip)).mac() == "11:22:33:44:55:66"


def test_a_node_that_is_sealed_has_nothing_in_its_flash_but_what_was_encrypted(tmp_path: Path) -> None:
    board = load(BOARD)
    names = ("bootloader.bin", "partition-table.bin", "micropython.bin")
    for number, image in enumerate(names):
        (tmp_path / f"corner-{image}").write_bytes(bytes([number]) * 4096)
    new = fuses.read(Place(None, tmp_path / "efuses.bin", board.chip))
    writing = [step for step in hardening.steps(new, "sealed", "corner", tmp_path) if step.images]
    with PluggedIn(board) as plugged:
        put_keys(plugged, board, 0)
        hardening.run(Place(plugged.port, None, board.chip), board, writing, lambda _line: None)
        flash = plugged.flash.image()
    written = {0: b"\0", 0x8000: b"\1", 0x10000: b"\2"}
    for at, byte in written.items():
        assert flash[at : at + 4096] == byte * 4096
    assert flash.count(b"\xff") == len(flash) - 3 * 4096


def test_a_chip_on_a_port_is_read() -> None:
    board = load("esp32-c3-devkitm-1")
    with PluggedIn(board) as plugged:
        plugged.loader.burn({FIRST_WORD + 4 * 2: 7 << 18, FIRST_WORD + 4 * 3: 1 << 20, FIRST_WORD + 4 * 4: 1 << 5})
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


def test_one_module_drives_esptool_and_one_runs_espressifs_other_tools() -> None:
    """As flash/device.py says of itself: a third way to a chip would have its own errors, or none."""
    host_tools = Path(espressif.__file__).parents[1]
    sources = {
        file.relative_to(host_tools).as_posix(): file.read_text(encoding="utf-8") for file in host_tools.rglob("*.py")
    }
    drives = re.compile(r"^\s*(from esptool import|import esptool|import espefuse|from espefuse|from espsecure)", re.M)
    assert {name for name, text in sources.items() if drives.search(text)} == {"flash/device.py"}
    runs = re.compile(r'"-m", (tool|"esp)')
    assert {name for name, text in sources.items() if runs.search(text)} == {"security/espressif.py"}
