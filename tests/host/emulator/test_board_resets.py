"""Why a board starts again, and what it then remembers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from emulator_bench import execute, on_bench, power_up, run_until, run_until_printed, start_main

from hadeda.emulator.board import DEEPSLEEP_RESET, HARD_RESET, POWER_ON, SOFT_RESET, WDT_RESET, EmulatedBoard
from hadeda.emulator.clock import RealTime
from hadeda.emulator.flash import PowerCut

# Prints its cause, and at the first start leaves something in RTC memory and does `first`.
MAIN = """\
import machine, time
rtc = machine.RTC()
print('cause', machine.reset_cause(), 'wake', machine.wake_reason(), 'memory', bytes(rtc.memory()))
if machine.reset_cause() == {cause}:
    rtc.memory(b'ibis')
    rtc.datetime((2026, 1, 1, 3, 0, 0, 0, 0))
    {first}
print('year', time.gmtime()[0])
"""


def starts(board: EmulatedBoard, main: str, count: int) -> list[bytes]:
    """The `cause` lines of so many starts of main.py."""
    start_main(board, main)
    run_until(board, lambda: board.output.count(b"cause") == count and board.output.endswith(b">>> "))
    return [line for line in bytes(board.output).splitlines() if line.startswith(b"cause")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("machine.reset()", b"cause 2 wake 0 memory b'ibis'"),
        ("machine.soft_reset()", b"cause 5 wake 0 memory b'ibis'"),
        ("import sys; sys.exit()", b"cause 5 wake 0 memory b'ibis'"),
        ("machine.deepsleep(60000)", b"cause 4 wake 4 memory b'ibis'"),
        ("machine.WDT(timeout=2000); time.sleep(10)", b"cause 3 wake 0 memory b'ibis'"),
    ],
)
def test_cause_of_the_next_start(first: str, second: bytes) -> None:
    with on_bench() as board:
        lines = starts(board, MAIN.format(cause=POWER_ON, first=first), 2)
        assert lines == [b"cause 1 wake 0 memory b''", second]
        assert board.resets == [POWER_ON, int(second.split()[1])]
        assert b"year 2026" in board.output, "the RTC goes on"


def test_deep_sleep_takes_its_time() -> None:
    with on_bench() as board:
        start_main(board, MAIN.format(cause=POWER_ON, first="machine.deepsleep(3600000)"))
        run_until_printed(board, b"wake 4")
        assert board.now() - board.start_s == pytest.approx(3600, abs=5)


def test_power_cycle_forgets_rtc_memory_and_time() -> None:
    left = "import machine\nmachine.RTC().memory(b'ibis'); machine.RTC().datetime((2026, 1, 1, 3, 0, 0, 0, 0))"
    found = "import machine, time\nprint(machine.RTC().memory(), time.gmtime()[0])"
    with on_bench() as board:
        power_up(board)
        execute(board, left)
        assert execute(board, found) == "b'ibis' 2026\n"
        board.power_off()
        assert not board.powered
        board.output.clear()
        power_up(board)
        assert execute(board, found) == "b'' 2000\n"


def test_fed_watchdog_lets_live() -> None:
    with on_bench() as board:
        feeding = "wdt = machine.WDT(timeout=2000)\n    for _ in range(20): time.sleep(1.5); wdt.feed()"
        start_main(board, MAIN.format(cause=POWER_ON, first=feeding))
        run_until_printed(board, b"year")
        assert board.resets == [POWER_ON]


def test_watchdog_survives_a_soft_reset() -> None:
    with on_bench() as board:
        main = MAIN.format(cause=POWER_ON, first="machine.WDT(timeout=2000); machine.soft_reset()") + "time.sleep(10)"
        start_main(board, main)
        run_until(board, lambda: len(board.resets) == 3)
        assert board.resets == [POWER_ON, SOFT_RESET, WDT_RESET]


def test_starved_in_real_time_too() -> None:
    with on_bench(clock=RealTime()) as board:
        start_main(board, MAIN.format(cause=POWER_ON, first="machine.WDT(timeout=600)\n    while True: pass"))
        run_until(board, lambda: len(board.resets) == 2)
        assert board.resets == [POWER_ON, WDT_RESET]


def test_a_processor_that_crashes_comes_up_again() -> None:
    with on_bench() as board:
        power_up(board)
        board.type(b"import uctypes; uctypes.bytearray_at(0, 4)[0]\r")
        run_until(board, lambda: len(board.resets) == 2)
        run_until(board, lambda: board.output.endswith(b">>> "))
        assert board.resets == [POWER_ON, HARD_RESET]
        assert execute(board, "print('alive')") == "alive\n"


def cut_at(number: int) -> Callable[[int, bytes | None], None]:
    count = itertools.count()

    def before_change(_address: int, data: bytes | None) -> None:
        if next(count) == number:
            raise PowerCut(done=len(data or b"") // 2)

    return before_change


def test_files_survive_a_power_cut_at_any_flash_change(tmp_path: Path) -> None:
    image = tmp_path / "flash.bin"
    with on_bench(flash_file=image) as board:
        power_up(board)
        execute(board, "with open('counter', 'w') as file: file.write('before')")
    origin = image.read_bytes()
    write = "with open('new', 'w') as file: file.write('after!' * 1500)\nimport os; os.rename('new', 'counter')"
    seen = set()
    for number in range(100):
        image.write_bytes(origin)
        with on_bench(flash_file=image) as board:
            power_up(board)
            board.flash.before_change = cut_at(number)
            board.type(b"\r\x01" + write.encode() + b"\x04")
            run_until(board, lambda board=board: not board.powered or board.output.count(b"\x04") == 2)
            finished = board.powered
            board.power_off()
            board.flash.before_change = None
            board.output.clear()
            power_up(board)
            seen.add(execute(board, "print(open('counter').read()[:6])"))
        if finished:
            break
    assert finished
    assert number > 5
    assert seen == {"before\n", "after!\n"}


def test_deepsleep_reset_constants_are_the_ports() -> None:
    names = ["PWRON_RESET", "HARD_RESET", "WDT_RESET", "DEEPSLEEP_RESET", "SOFT_RESET"]
    with on_bench() as board:
        power_up(board)
        values = execute(board, f"import machine; print([getattr(machine, n) for n in {names}])")
    assert values == f"{[POWER_ON, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET]}\n"
