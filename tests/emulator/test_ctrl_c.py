"""Ctrl-C at any moment: a clean stop, nobody left running, nothing half-made, temporary folders gone."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lamp_post import LampPost, PluggedIn, Template, make_city
from mosquitto_process import Mosquitto, free_port

from hadeda.registry import nodes

# A shell calls both 130. Python ends by the signal itself where the Ctrl-C came while it compiled a dataclass from text
# (exec of a string), whatever is made of the exception afterwards
INTERRUPTED = (130, -signal.SIGINT)
STOP_S = 20.0
BOARD = "esp32-s3-devkitc-1"


class Command:
    """A `hadeda` command in a session of its own, as at a terminal; what it says is in `said`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self._file = folder / "said"
        self._children: set[int] = set()
        with self._file.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hadeda.cli.main", *arguments],
                stdout=said,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(self.temporary)},
            )

    @property
    def said(self) -> str:
        return self._file.read_text(errors="replace")

    def wait_said(self, text: str, limit_s: float = 40.0) -> None:
        """Until it has printed `text`."""
        deadline = time.monotonic() + limit_s
        while text not in self.said:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.said}"
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.said}"
            time.sleep(0.02)

    def interrupt(self) -> int:
        """Ctrl-C to the whole process group; returns the exit status."""
        self._children = descendants(self.process.pid)
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"Ctrl-C did not stop it within {STOP_S} s:\n{self.said}") from None

    def check_clean(self) -> None:
        """Nobody left, no temporary folder, no traceback."""
        left = [pid for pid in self._children if alive(pid)]
        assert not left, f"still running: {[command_line(pid) for pid in left]}"
        assert not list(self.temporary.iterdir()), list(self.temporary.iterdir())
        assert "Traceback" not in self.said, self.said

    def close(self) -> None:
        """Whatever happened, leave nobody behind."""
        for pid in {*descendants(self.process.pid), *self._children, self.process.pid}:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Command]:
    """A command, killed at the end if it still runs."""
    command = Command(folder, *arguments)
    try:
        yield command
    finally:
        command.close()


def descendants(pid: int) -> set[int]:
    """Children of a process, and theirs."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = {int(child) for child in task.read_text().split()}
        except OSError:
            continue
        for child in children:
            found |= {child} | descendants(child)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return str(pid)


@pytest.mark.parametrize(
    "moment", ["compiling the firmware", "sending the firmware", "enrolling", "starting the node", "window "]
)
def test_ctrl_c_stops_the_demo(tmp_path: Path, moment: str) -> None:
    with running(tmp_path, "demo", "--windows", "50", "--speed", "600") as demo:
        demo.wait_said(moment)
        assert demo.interrupt() in INTERRUPTED, demo.said
        demo.check_clean()


def test_ctrl_c_stops_a_demo_that_has_hardly_begun(tmp_path: Path) -> None:
    with running(tmp_path, "demo") as demo:
        time.sleep(0.7)
        assert demo.interrupt() in INTERRUPTED, demo.said
        assert not list(demo.temporary.iterdir()), demo.said


STRUCK = """\
import signal, time
from hadeda.cli import interrupts
{place}
interrupts.lose_none()
try:
    Struck()
    time.sleep(20)
except KeyboardInterrupt:
    interrupts.over()
    print("stopped")
"""
IN_A_DESTRUCTOR = """\
class Struck:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
"""
IN_A_LIBRARY_THAT_CATCHES_EVERYTHING = """\
def Struck():
    try:
        signal.raise_signal(signal.SIGINT)
    except:
        pass
"""


@pytest.mark.parametrize("place", [IN_A_DESTRUCTOR, IN_A_LIBRARY_THAT_CATCHES_EVERYTHING])
def test_a_ctrl_c_that_is_dropped_stops_it_all_the_same(place: str) -> None:
    assert outcome(STRUCK.format(place=place)) == (0, "stopped\n", "")


TIDYING = """\
import contextlib, signal, time
from hadeda.cli import interrupts
@contextlib.contextmanager
def folder():
    try:
        yield
    finally:
        time.sleep(5 * interrupts.AGAIN_S)
        print("tidied up")
interrupts.lose_none()
try:
    with folder(), contextlib.ExitStack() as stack:
        stack.enter_context(folder())
        stack.callback(time.sleep, 5 * interrupts.AGAIN_S)
        signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    time.sleep(5 * interrupts.AGAIN_S)
    print("stopped")
finally:
    interrupts.over()
"""


def test_a_ctrl_c_on_its_way_out_is_not_repeated() -> None:
    assert outcome(TIDYING) == (0, "tidied up\ntidied up\nstopped\n", "")


FAILING_ON_THE_WAY_OUT = """\
import contextlib, signal, sys, types
from hadeda.cli import main
def command():
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: 1 / 0)
        signal.raise_signal(signal.SIGINT)
sys.modules["hadeda.cli.broken"] = types.SimpleNamespace(command=command)
main.COMMANDS = (main.Row("demo", "broken", ""),)
sys.argv = ["hadeda", "demo"]
main.main()
"""


def test_what_goes_wrong_in_the_tidying_after_a_ctrl_c_is_not_what_is_said() -> None:
    assert outcome(FAILING_ON_THE_WAY_OUT) == (130, "", "")


def outcome(program: str) -> tuple[int, str, str]:
    """A Python program's exit status, and what it printed on stdout and on stderr."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=STOP_S, check=False)
    return done.returncode, done.stdout, done.stderr


def test_ctrl_c_ends_an_emulated_board_well(tmp_path: Path) -> None:
    link, flash = tmp_path / "port", tmp_path / "flash.bin"
    with running(tmp_path, "emulate", BOARD, "--serial-link", str(link), "--flash", str(flash)) as emulated:
        emulated.wait_said(str(link))
        assert emulated.interrupt() == 0, emulated.said
        emulated.check_clean()
    assert not link.is_symlink(), "the link to a port that is gone stays behind"


@pytest.mark.parametrize("moment", ["looking at the board", "sending the firmware", "enrolling", "starting the node"])
def test_ctrl_c_while_provisioning_leaves_a_board_that_can_be_provisioned(
    template: Template, tmp_path: Path, moment: str
) -> None:
    arguments = ["node", "provision", "--board", BOARD, "--name", "corner", "--city", str(tmp_path / "city")]
    arguments.append("--no-selftest")
    with make_city(tmp_path / "city", 8883) as city, PluggedIn(template.board, tmp_path / "flash.bin") as plugged:
        with running(tmp_path, *arguments, "--port", plugged.port) as provision:
            provision.wait_said(moment)
            assert provision.interrupt() in (*INTERRUPTED, 0), provision.said
            provision.check_clean()
        assert len(nodes(city.database)) <= 1
        again = subprocess.run(
            [sys.executable, "-m", "hadeda.cli.main", *arguments, "--port", plugged.port],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert again.returncode == 0, again.stderr
        assert [node.name for node in nodes(city.database)] == ["corner"]


@pytest.mark.parametrize("line", ["testing the node", "pass      configuration"])
def test_ctrl_c_in_a_self_test_leaves_a_node_that_runs(template: Template, tmp_path: Path, line: str) -> None:
    """Before its first program is sent, and while the sensors are listened to."""
    shutil.copyfile(template.flash, tmp_path / "flash.bin")
    shutil.copytree(template.city, tmp_path / "city")
    arguments = ["node", "provision", "--board", BOARD, "--city", str(tmp_path / "city")]
    with PluggedIn(template.board, tmp_path / "flash.bin") as plugged:
        with running(tmp_path, *arguments, "--port", plugged.port) as provision:
            provision.wait_said(line)
            time.sleep(2)
            before = len(plugged.emulated.output)
            assert provision.interrupt() in INTERRUPTED, provision.said
            provision.check_clean()
        deadline = time.monotonic() + 40
        while b"hadeda: running" not in plugged.emulated.output[before:]:
            assert time.monotonic() < deadline, bytes(plugged.emulated.output[before:])
            time.sleep(0.1)


@pytest.mark.parametrize("delay_s", [0.0, 0.3])
def test_ctrl_c_ends_the_collector_well(raise_post: Callable[..., LampPost], tmp_path: Path, delay_s: float) -> None:
    post = raise_post()
    with (
        Mosquitto(post.city, tmp_path / "mosquitto"),
        running(tmp_path, "collect", "--city", str(post.city.directory)) as collect,
    ):
        collect.wait_said("Ctrl-C stops")
        post.power_on()
        post.run_windows(2)
        time.sleep(delay_s)
        assert collect.interrupt() == 0, collect.said
        collect.check_clean()
    assert [report.sequence for report in post.stored] == list(range(len(post.stored)))


def test_ctrl_c_while_the_collector_connects(tmp_path: Path) -> None:
    port = free_port()
    with (
        make_city(tmp_path / "city", port),
        socket.create_server(("127.0.0.1", port)),  # listens, and never answers
        running(tmp_path, "collect", "--city", str(tmp_path / "city")) as collect,
    ):
        time.sleep(1.5)
        assert collect.interrupt() in (*INTERRUPTED, 0), collect.said
        assert "Traceback" not in collect.said, collect.said
