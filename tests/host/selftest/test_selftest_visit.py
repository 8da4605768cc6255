"""A visit to a board that tells nonsense, or whose texts would take over a terminal: a fail, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hadeda.city import City
from hadeda.cli import selftesting
from hadeda.errors import ProvisionError
from hadeda.provision.port import NodePort
from hadeda.registry import Node
from hadeda.selftest import Check, Status, programs, self_test_at

STANDING = {
    "board": "esp32-c3-devkitm-1",
    "buses": {"i2c0": {"kind": "i2c", "id": 0, "scl": 5, "sda": 4, "freq": 100000}},
    "sensors": [{"part": "bme280", "bus": "i2c0", "address": 0x76, "period_s": 10}],
    "ssid": "street",
    "host": "broker.example",
    "port": 8883,
    "ntp": "",
    "unix_ms": 0,
}
NONSENSE: list[Any] = [
    {},
    {"sensors": [], "buses": {}},
    {"sensors": "many", "buses": 7, "kept": 1, "nvs": ["xy"], "keys": None, "sealed": 5, "wifi": "x"},
    {"kept": "", "free": "much", "bytes": 0, "records": ["zz"], "sealed": "d0", "unix_ms": "now", "ntp_ms": 1e300},
    {"kept": "", "free": 1 << 40, "bytes": 1, "records": [""], "nvs": ["00"], "keys": 1, "unix_ms": 10**30, "wifi": 0},
]


class Parrot:
    """A board that answers every program with the same, but the first."""

    def __init__(self, answer: object) -> None:
        self._answers: Iterator[object] = iter((STANDING,))
        self._answer = answer

    def start_afresh(self) -> None:
        pass

    def run(self, code: str, timeout_s: float = 60.0) -> str:  # noqa: ARG002
        if "tell()" in code or "observe(" in code or "seal(" in code:
            return f"hadeda: something\n{programs.MARK}{json.dumps(next(self._answers, self._answer))}\n"
        return ""


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("answer", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_a_fail_of_its_line(tmp_path: Path, answer: object, offline: bool) -> None:
    with City.init(tmp_path / "city", "City") as city:
        board = cast(NodePort, Parrot(answer))
        checks = self_test_at(board, city, Node(node_id="ab" * 32, name="corner", revoked_at=None), offline=offline)
    assert checks[0].status == Status.PASS
    by_name = {check.name: check.status for check in checks}
    assert by_name["sealed report"] == Status.FAIL
    assert Status.FAIL in {by_name.get("sensors"), by_name.get("flash")}


@pytest.mark.parametrize("line", ["", "SELFTEST", "SELFTEST [1]", "SELFTEST {", "SELFTEST {}" + " " * 20_000])
def test_what_is_no_answer_is_refused(line: str) -> None:
    class Mute(Parrot):
        def run(self, code: str, timeout_s: float = 60.0) -> str:  # noqa: ARG002
            return line + "\n"

    with pytest.raises(ProvisionError, match="did not answer its keeping test"):
        programs.ask(cast(NodePort, Mute({})), "keeping", "tell()")


def test_what_a_board_says_does_not_reach_the_terminal_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    selftesting.show(Check("flash", Status.FAIL, "\x1b]0;mine\x07[red]\x9b31m\r\n", "erase it"))
    said = capsys.readouterr().out
    assert said.isascii()
    assert not {"\x1b", "\x07", "\r"} & set(said)
    assert "[red]" in said
