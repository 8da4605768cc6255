"""A locked node's serial port is no way in, whatever is typed and whenever; the city's command key opens it."""

import json
import os
import re
import shutil
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import cbor2
import flash_image
import pytest
from lamp_post import LampPost, PluggedIn, Template, make_template
from mosquitto_process import free_port
from typer.testing import CliRunner

from hadeda import randomness
from hadeda.board import load, partitions
from hadeda.city import City
from hadeda.cli.main import app
from hadeda.collect.collector import Status
from hadeda.collect.explain import RESET_CAUSES
from hadeda.emulator.surface import opcodes
from hadeda.envelope import Command, cose, labels, sealing, sign_command
from hadeda.errors import PortError, ProvisionError
from hadeda.provision import lock, steps
from hadeda.provision.port import NodePort
from hadeda.registry import Node, find_node

RaisePost = Callable[..., LampPost]
LOCKED = {lock.LOCK_PATH: b""}
OPEN_S = 600
# What a REPL says when somebody has got to it
PROMPTS = (b">>> ", b"raw REPL", b"Traceback", b"MicroPython v")
RAW_REPL = b"\r\x03\x03\r\x01print(open('/config.cbor','rb').read())\r\n\x04\x05A\x01import os\x04\x02\x04"


class Cable:
    """Somebody at the serial port who types bytes and hears what comes back."""

    def __init__(self, port: str) -> None:
        self._fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._fd)
        termios.tcflush(self._fd, termios.TCIFLUSH)
        os.set_blocking(self._fd, False)
        self.heard = b""

    def type(self, data: bytes) -> None:
        os.write(self._fd, data)

    def hear(self, pattern: bytes, limit_s: float = 20.0) -> "re.Match[bytes]":
        """Wait for something that matches, and forget what came up to there."""
        end = time.monotonic() + limit_s
        while not (found := re.search(pattern, self.heard)):
            assert time.monotonic() < end, f"{pattern!r} is not in {self.heard!r}"
            self.listen(0.02)
        self.heard = self.heard[found.end() :]
        return found

    def listen(self, seconds: float) -> bytes:
        """All that was heard until then."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.heard += os.read(self._fd, 4096)
            except BlockingIOError:
                time.sleep(0.01)
        return self.heard

    def challenge(self) -> bytes:
        """Ask for one."""
        self.type(b"\rhadeda?\r")
        return bytes.fromhex(self.hear(rb"hadeda: challenge [0-9a-f]{64} ([0-9a-f]{32})")[1].decode())

    def answer(self, signed: bytes) -> bool:
        """Whether that opened the port."""
        self.type(b"open " + signed.hex().encode() + b"\r")
        return self.hear(rb"hadeda: (not )?opened")[1] is None

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def locked(raise_post: RaisePost) -> LampPost:
    """A locked node in a city, powered off."""
    post = raise_post()
    flash_image.change(post.flash, post.board, LOCKED)
    post.open_city()
    return post


@pytest.fixture
def cable(locked: LampPost) -> Iterator[Cable]:
    """A cable in its port."""
    plugged = Cable(locked.port)
    yield plugged
    plugged.close()


def started(post: LampPost) -> None:
    """Switch it on and wait until it works."""
    post.power_on()
    post.run_until(lambda: b"hadeda: running" in post.emulated.output)


def node_id(post: LampPost) -> bytes:
    return bytes.fromhex(find_node(post.city.database, post.name).node_id)


def sign(post: LampPost, challenge: bytes, role: int = labels.ROLE_COMMAND, whose: bytes | None = None) -> bytes:
    return sealing.sign_opening(post.city.keyring.private(role), whose or node_id(post), challenge)


def mpremote(post: LampPost, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """How it went; it waits for ever for a board that says something now and then, and nothing of what it waits for."""
    command = [sys.executable, "-m", "mpremote", "connect", post.port, *map(str, arguments)]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=9, check=False)
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(command, 124, (error.stdout or b"").decode(), "")


def is_shut(post: LampPost) -> bool:
    """Nothing of a REPL was ever on its line."""
    assert post.serial.transcript, "nothing was on the line"
    return not any(prompt in post.serial.transcript for prompt in PROMPTS)


def test_mpremote_gets_nothing_out_of_a_locked_node(locked: LampPost, tmp_path: Path) -> None:
    started(locked)
    got: list[subprocess.CompletedProcess[str]] = []

    def try_everything() -> None:
        got.append(mpremote(locked, "exec", "print(6 * 7)"))
        got.append(mpremote(locked, "fs", "cp", ":/config.cbor", tmp_path / "stolen"))

    locked.run_beside(try_everything)
    assert [done.returncode != 0 for done in got] == [True, True], got
    assert "42" not in got[0].stdout
    assert not (tmp_path / "stolen").exists()
    assert is_shut(locked), locked.explain("the REPL was there")
    before = locked.count(Status.STORED)
    locked.run_until_stored(before + 2)
    assert locked.emulated.resets == [1], locked.explain("it started again")


def test_the_command_key_opens_it_for_mpremote_and_the_next_report_says_so(locked: LampPost, tmp_path: Path) -> None:
    started(locked)
    done: dict[str, subprocess.CompletedProcess[str]] = {}

    def maintain() -> None:
        command = ["node", "open", locked.name, "--port", locked.port, "--city", str(locked.city.directory), "--json"]
        opened = json.loads(CliRunner().invoke(app, command).stdout)
        assert (opened["node"], opened["open_s"]) == (locked.name, OPEN_S)
        done["exec"] = mpremote(locked, "exec", "print(6 * 7)")
        done["cp"] = mpremote(locked, "fs", "cp", ":/config.cbor", tmp_path / "config.cbor")
        with NodePort(locked.port) as port:
            port.reset()

    locked.run_beside(maintain)
    assert done["exec"].stdout.strip() == "42", done
    assert (tmp_path / "config.cbor").read_bytes() == locked.files()["/config.cbor"], done
    locked.serial.transcript.clear()
    locked.run_until_stored(locked.count(Status.STORED) + 1)
    newest = max(locked.stored, key=lambda report: report.window_start)
    assert RESET_CAUSES[newest.health.reset_cause] == "its serial port was opened"
    assert newest.health.safe_mode is None
    assert is_shut(locked), locked.explain("it is not locked again")
    # It is told until a window is complete, and not for ever
    locked.power_off()
    locked.power_on()
    locked.run_until_stored(locked.count(Status.STORED) + 1)
    assert max(locked.stored, key=lambda report: report.window_start).health.reset_cause == 1


def test_it_is_open_for_ten_minutes_however_often_it_is_soft_reset(locked: LampPost, cable: Cable) -> None:
    started(locked)
    soft_reset = rb"OK\r\nMPY: soft reboot\r\nraw REPL; CTRL-B to exit\r\n>"

    def open_it() -> None:
        assert cable.answer(sign(locked, cable.challenge()))
        cable.hear(rb"hadeda: open for 600 s(.|\s)*>>> ")
        cable.type(b"\x01\x04")
        cable.hear(soft_reset)
        cable.type(b"import time\ntime.sleep(250)\x04")
        cable.hear(b"OK")

    def again() -> None:
        cable.type(b"\x04")
        cable.hear(soft_reset)
        cable.type(b"import time\ntime.sleep(300)\nprint(6 * 7)\ntime.sleep(1000)\x04")
        cable.hear(b"OK")

    locked.run_beside(open_it)
    opened_s = locked.clock_s
    locked.run_until(lambda: locked.emulated.waits_for_typing)
    locked.run_beside(again)
    locked.run_until(lambda: b"42" in locked.emulated.output)
    locked.serial.transcript.clear()
    locked.run_until(lambda: locked.emulated.resets[-1] == 2)
    assert OPEN_S - 15 < locked.clock_s - opened_s < OPEN_S + 15
    locked.run_until_stored(locked.count(Status.STORED) + 1)
    locked.run_beside(lambda: cable.type(RAW_REPL) or cable.listen(1))
    assert is_shut(locked), locked.explain("it is not locked again")


def test_a_power_cut_while_it_is_open_locks_it(locked: LampPost, cable: Cable) -> None:
    started(locked)

    def open_it() -> None:
        assert cable.answer(sign(locked, cable.challenge()))
        cable.hear(rb">>> ")

    for cut in (locked.power_off, locked.emulated.brown_out):
        locked.run_beside(open_it)
        cut()
        locked.serial.transcript.clear()
        if not locked.emulated.powered:
            locked.power_on()
        locked.run_until_stored(locked.count(Status.STORED) + 1)
        locked.run_beside(lambda: cable.type(RAW_REPL) or cable.listen(1))
        assert is_shut(locked), locked.explain("it is not locked again")


def test_only_the_command_key_opens_it_with_this_challenge_on_this_node(locked: LampPost, cable: Cable) -> None:
    started(locked)
    this = node_id(locked)
    command_key = locked.city.keyring.private(labels.ROLE_COMMAND)
    as_command = sign_command(command_key, this, Command(1, labels.OPERATION_REBOOT, 1 << 20))
    attempts: dict[str, Callable[[bytes], bytes]] = {
        "the receipt key": lambda drawn: sign(locked, drawn, labels.ROLE_RECEIPT),
        "the release key": lambda drawn: sign(locked, drawn, labels.ROLE_RELEASE),
        "for another node": lambda drawn: sign(locked, drawn, whose=bytes(32)),
        "a command": lambda _drawn: as_command,
        "as a command": lambda drawn: cose.sign(command_key, drawn, cbor2.dumps([labels.PROFILE, "command", this])),
        "another challenge": lambda drawn: sign(locked, bytes(len(drawn))),
        "cut short": lambda drawn: sign(locked, drawn)[:-1],
        "garbage": lambda _drawn: b"\xd2" * 90,
    }
    drawn: list[bytes] = []

    def attempt() -> None:
        for name, answer in attempts.items():
            drawn.append(cable.challenge())
            assert not cable.answer(answer(drawn[-1])), name

    locked.run_beside(attempt)
    assert len(set(drawn)) == len(attempts), "a challenge came twice"
    assert is_shut(locked), locked.explain("the REPL was there")

    def then_open() -> None:
        assert cable.answer(sign(locked, cable.challenge()))

    locked.run_beside(then_open)


def test_an_answer_opens_once_and_only_in_time(locked: LampPost, cable: Cable) -> None:
    started(locked)
    answers: list[bytes] = []

    def open_it() -> None:
        answers.append(sign(locked, cable.challenge()))
        assert cable.answer(answers[0])
        cable.hear(rb">>> ")

    locked.run_beside(open_it)
    locked.power_off()
    started(locked)
    locked.serial.transcript.clear()

    def replay() -> None:
        cable.type(b"open " + answers[0].hex().encode() + b"\r")  # nobody asked
        cable.listen(1)
        cable.challenge()
        assert not cable.answer(answers[0])
        answers.append(sign(locked, cable.challenge()))

    locked.run_beside(replay)
    locked.run_until(locked.clock_s + 130)

    def too_late() -> None:
        cable.heard = b""
        cable.type(b"open " + answers[1].hex().encode() + b"\r")
        assert b"opened" not in cable.listen(1)

    locked.run_beside(too_late)
    assert is_shut(locked), locked.explain("the REPL was there")


def test_garbage_on_the_line_does_no_harm(locked: LampPost, cable: Cable) -> None:
    started(locked)
    with randomness.seeded("garbage"):
        noise = randomness.token_bytes(3000)

    def babble() -> None:
        for at in range(0, len(noise), 100):
            cable.type(noise[at : at + 100])
            cable.listen(0.02)
        cable.type(b"open " + b"f" * 5000 + b"\r" + b"hadeda?" * 100 + b"\ropen \ropen 00\r\xf0\x9f\r")
        cable.listen(1)
        assert cable.challenge()

    locked.run_beside(babble)
    before = locked.count(Status.STORED)
    locked.run_until_stored(before + 2)
    assert is_shut(locked), locked.explain("the REPL was there")
    assert locked.emulated.resets == [1], locked.explain("it started again")


def storms(post: LampPost) -> list[int]:
    """Three Ctrl-C at the worst instant from now on: as soon as one counts. Returns how many requests that lasted."""
    console = post.emulated.console
    on_state = post.emulated._handlers[opcodes.CONSOLE]
    spans: list[int] = []
    since = 0

    def at_once(payload: bytes) -> bytes:
        nonlocal since
        answer = on_state(payload)
        asked = sum(post.emulated.asked().values())
        if payload[0] == opcodes.CONSOLE_PROGRAM:
            since = asked
            console.type(b"\x03\x03\x03")
        elif payload[0] == opcodes.CONSOLE_BINARY:
            spans.append(asked - since)
        return answer

    post.emulated._handlers[opcodes.CONSOLE] = at_once
    return spans


def test_ctrl_c_at_the_worst_instant_of_booting_does_not_stop_it(locked: LampPost) -> None:
    spans = storms(locked)
    locked.power_on()
    locked.run_until_stored(1)
    assert locked.emulated.resets == [1], locked.explain("it started again")
    assert spans == [1, 1], "boot.py and main.py ask for nothing before they switch Ctrl-C off"
    assert is_shut(locked), locked.explain("the REPL was there")


def test_the_same_storm_stops_a_node_that_is_not_locked(raise_post: RaisePost) -> None:
    """Or the test above would show nothing."""
    post = raise_post()
    storms(post)
    post.power_on()
    post.run_until(lambda: b">>> " in post.emulated.output)


def test_bytes_typed_while_it_boots_do_not_stop_it(locked: LampPost, cable: Cable) -> None:
    stop = threading.Event()

    def storm() -> None:
        while not stop.wait(0.001):
            try:
                cable.type(RAW_REPL)
            except BlockingIOError:
                cable.listen(0.01)

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for _ in range(3):
            locked.power_on()
            locked.run_until(lambda: b"hadeda: running" in locked.emulated.output)
            locked.run_until(locked.clock_s + 2)
            locked.power_off()
            locked.emulated.output.clear()
    finally:
        stop.set()
        thread.join()
    started(locked)
    assert is_shut(locked), locked.explain("the REPL was there")


def test_a_locked_node_without_keys_starts_again_and_stays_locked(locked: LampPost) -> None:
    row = partitions.find(partitions.hadeda(locked.board.flash_mb), partitions.KEYS)
    locked.emulated.flash.erase(row.address, row.size)
    locked.power_on()
    locked.run_until(lambda: len(locked.emulated.resets) > 3)
    assert b"starting again after: Unprovisioned" in locked.emulated.output
    assert is_shut(locked), locked.explain("the REPL was there")


def test_a_locked_node_whose_heap_fails_anywhere_at_boot_does_not_fall_to_the_repl(locked: LampPost) -> None:
    def over() -> bool:
        return len(locked.emulated.resets) > 1 or b"hadeda: running" in locked.emulated.output

    # The first three allocations are the start of main.py itself, on a heap that is empty
    for after in (4, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240):
        locked.emulated.starve_after = after
        locked.emulated.resets.clear()
        locked.emulated.output.clear()
        locked.power_on()
        locked.run_until(over)
        locked.power_off()
        assert b">>> " not in locked.serial.transcript, locked.explain(f"the REPL was there: allocation {after} failed")
    assert is_shut(locked)


def test_a_node_that_sleeps_deeply_is_as_locked_and_opens_after_a_reset(tmp_path: Path) -> None:
    folder, post_folder = tmp_path / "template", tmp_path / "post"
    folder.mkdir()
    post_folder.mkdir()
    sleeper = make_template(load("esp32-c3-devkitm-1-solar"), folder, free_port())
    with LampPost(sleeper, post_folder) as post:
        flash_image.change(post.flash, post.board, LOCKED)
        post.open_city()
        storms(post)
        post.power_on()
        post.run_until(lambda: post.emulated.resets.count(4) > 3)
        assert set(post.emulated.resets[1:]) == {4}, post.explain("it woke for something else")
        assert is_shut(post), post.explain("the REPL was there")
        post.power_off()
        post.emulated.output.clear()
        post.power_on()
        post.run_beside(lambda: lock.open_port(post.port, post.city))
        assert b"hadeda: open for 600 s" in post.emulated.output
        post.power_off()
        post.power_on()
        told = post.run_until_known(lambda: opened_in(post), 12)
        assert told, post.explain("the city does not hear of it")


def opened_in(post: LampPost) -> bool | None:
    """True when a report says that the port was opened."""
    return any(report.health.reset_cause == labels.RESET_OPENED for report in post.stored) or None


def test_a_board_is_locked_by_provisioning_if_that_is_wanted_and_by_a_command(
    template: Template, tmp_path: Path
) -> None:
    city_dir = shutil.copytree(template.city, tmp_path / "city")
    flash = Path(shutil.copyfile(template.flash, tmp_path / "flash.bin"))
    with City.open(city_dir) as city:
        with PluggedIn(template.board, flash) as plugged:
            assert lock.lock(plugged.port, city).name == "corner"
        assert lock.LOCK_PATH in flash_image.files(flash, template.board)
        with PluggedIn(template.board, flash) as plugged:
            with pytest.raises(PortError, match="or a locked node"):
                NodePort(plugged.port)
            with pytest.raises(ProvisionError, match="is corner"):
                lock.open_port(plugged.port, city, Node(id=-1))
            lock.open_port(plugged.port, city)
            # The firmware is brought up to date, and the node is as locked as before
            steps.provision(plugged.port, template.board, city, now=plugged.now)
        assert lock.LOCK_PATH in flash_image.files(flash, template.board)

        def locking(port: NodePort, node: Node) -> None:
            lock.lock_at(port, node, city)

        other = Path(shutil.copyfile(template.unenrolled, tmp_path / "other.bin"))
        with PluggedIn(template.board, other) as plugged:
            with pytest.raises(ProvisionError, match="no node of this city"):
                lock.lock(plugged.port, city)
            steps.provision(plugged.port, template.board, city, name="other", visit=locking, now=plugged.now)
        assert lock.LOCK_PATH in flash_image.files(other, template.board)
