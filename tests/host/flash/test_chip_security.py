"""What a chip in its loader says of its security, read through the port."""

import json

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
from hadeda.security.fuses import Place
from hadeda.security.whose import is_node
from node.keystore import Secrets, _pack, _to_row

BOARD = "esp32-c3-devkitm-1"
IDENTITY = b"\x04" + bytes(range(64))


def put_keys(plugged: PluggedIn, board: Board, sector: int, public: bytes = IDENTITY) -> None:
    """Leave a node's record in one of its two sectors, as the node itself packs it."""
    row = _to_row(Secrets(bytes(32), public, {1: bytes(65)}, 70000, bytes(32), 1, 70000))
    at = find(hadeda(board.flash_mb), KEYS).address + sector * 4096
    plugged.flash.erase(at, 4096)
    plugged.flash.program(at, _pack(3, cbor.encode([row, None])))


def test_a_board_is_known_by_the_public_key_in_either_sector_and_by_no_other() -> None:
    board = load(BOARD)
    for sector in (0, 1):
        with PluggedIn(board) as plugged:
            put_keys(plugged, board, sector)
            place = Place(plugged.port, None, board.chip)
            assert is_node(place, board, IDENTITY)
            assert not is_node(place, board, IDENTITY[:-1] + b"x")


def test_another_board_than_the_nodes_is_not_hardened_whatever_is_typed(city: City) -> None:
    enrolled(city, "corner")
    with city.database.write() as session:
        session.execute(update(Node).values(board=BOARD))
    board = load(BOARD)
    command = ["node", "harden", "corner", "--run", "--city", str(city.directory), "--port"]
    with PluggedIn(board) as plugged:
        put_keys(plugged, board, 0)
        done = CliRunner().invoke(app, [*command, plugged.port], input="corner\n")
        assert (done.exit_code, "is not corner: nothing was burned" in done.stderr) == (1, True), done.output
        put_keys(plugged, board, 1, find_node(city.database, "corner").identity)
        asked = CliRunner().invoke(app, [*command, plugged.port], input="another\n")
        assert (asked.exit_code, "'another' is not the node's name" in asked.stderr) == (1, True), asked.output


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
