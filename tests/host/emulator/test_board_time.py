"""Clocks, and a board that lives in virtual time: fast, and the same bytes for the same seed."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from emulator_bench import execute, on_bench, power_up, run_until, run_until_printed, start_main

from hadeda.emulator.board import WDT_RESET
from hadeda.emulator.clock import RealTime, VirtualTime

QUARTER_HOURS = """\
import asyncio, time
async def tick(period_s, count):
    for _ in range(count):
        await asyncio.sleep(period_s)
async def main():
    print('start', time.time())
    await asyncio.gather(tick(3, 500), tick(10, 150), tick(0.7, 100), tick(1500, 1))
    print('end', time.time())
asyncio.run(main())
"""

RANDOM_WORK = """\
import asyncio, os, random, time
from esp32 import NVS
async def work():
    nvs = NVS('test')
    for number in range(20):
        await asyncio.sleep_ms(os.urandom(1)[0] * 10)
        with open('log%d' % (number % 3), 'a') as file:
            file.write('%d %d %s %r\\n' % (time.time(), time.ticks_us(), os.urandom(4), random.random()))
        nvs.set_i32('n', number)
        nvs.commit()
asyncio.run(work())
print('done', time.ticks_ms())
"""


def test_virtual_time_moves_only_when_told() -> None:
    clock = VirtualTime()
    clock.spend(1500)
    assert clock.now_us() == 1500
    assert clock.wait_s(10_000_000, math.inf) == 0
    clock.advance(10_000_000, math.inf)
    assert clock.now_us() == 10_000_000
    clock.advance(5, math.inf)
    assert clock.now_us() == 10_000_000, "it never goes back"


def test_paced_virtual_time_waits_in_proportion() -> None:
    clock = VirtualTime(pace=60)
    assert clock.wait_s(60_000_000, 60) == pytest.approx(1.0, abs=0.01)
    assert clock.wait_s(60_000_000, 20) == pytest.approx(3.0, abs=0.01)
    assert VirtualTime(pace=5).online_pace == 5, "online is never faster than otherwise"


def test_what_was_won_at_another_pace_is_not_waited_for() -> None:
    clock = VirtualTime(online_pace=20)
    clock.wait_s(1_000_000, 20)
    clock.advance(math.ceil(3600e6), math.inf)
    assert clock.now_us() == 3600e6
    assert clock.wait_s(clock.now_us() + 1_000_000, 20) == pytest.approx(0.05, abs=0.01)


def test_real_time_is_the_computers() -> None:
    clock = RealTime()
    clock.spend(10_000_000)
    started = clock.now_us()
    assert clock.wait_s(started + 2_000_000, 1.0) == pytest.approx(2.0, abs=0.1)
    time.sleep(0.05)
    assert 50_000 <= clock.now_us() - started < 1_000_000


def test_25_minutes_of_sleeping_tasks_take_under_a_second() -> None:
    with on_bench() as board:
        start_main(board, QUARTER_HOURS)
        run_until_printed(board, b"start")
        began = time.monotonic()
        run_until_printed(board, b"end")
        took_s = time.monotonic() - began
        assert took_s < 1.0
        stamps = [int(line.split()[1]) for line in board.output.splitlines() if line.startswith((b"start", b"end"))]
        assert stamps[1] - stamps[0] == 1500


STAMPS = """\
import time
stamps = []
for ms in (1, 333, 2500, 400_001):
    for _ in range(5):
        time.sleep_ms(ms)
        time.sleep_us(ms)
        stamps.append((time.ticks_ms(), time.ticks_us(), time.time_ns()))
print('end', stamps)
"""
TRACES = """\
import time
for second in range(3):
    print('trace', second)
    time.sleep(1)
    with open('trace', 'w') as file:
        file.write('x')
    time.sleep(1)
print('end')
"""


FED_FOR_A_WHILE = """\
import machine, time
dog = machine.WDT(timeout=5000)
for _ in range(10):
    time.sleep_ms(2999)
    dog.feed()
    time.sleep_ms(1)
print('fed')
time.sleep_ms(60000)
print('never')
"""


def left_alone(main: str, alone_for_us: int) -> tuple[tuple[bytes, int], int, dict[bytes, int]]:
    """(What it prints, how often it sleeps), of how many sleeps it tells, and when each line was heard."""
    heard: dict[bytes, int] = {}
    with on_bench() as board:
        start_main(board, main)
        asked, slept, began_us = board.asked()["sleep"], board.sleeps, board.clock.now_us()

        def hear(data: bytes) -> None:
            heard.update(dict.fromkeys(data.split(), board.clock.now_us() - began_us))

        board.console.on_output = hear
        board.compute()
        while not board.waits_for_typing:
            now_us = board.next_moment_us or 0
            board.live(now_us, now_us + alone_for_us)
        return (bytes(board.output), board.sleeps - slept), board.asked()["sleep"] - asked, heard


def test_a_board_that_is_left_alone_tells_of_fewer_sleeps_and_lives_the_same() -> None:
    told, sleeps, _ = left_alone(STAMPS, 0)
    alone, fewer, _ = left_alone(STAMPS, 3_600_000_000)
    hurried, some, _ = left_alone(STAMPS, 700_000)
    assert b"end" in told[0]
    assert alone == hurried == told
    assert fewer < some < sleeps == told[1]
    assert fewer <= 2


def test_what_leaves_a_trace_is_told_with_the_next_sleep() -> None:
    told, sleeps, when = left_alone(TRACES, 0)
    alone, as_many, still_when = left_alone(TRACES, 3_600_000_000)
    assert b"trace 2" in told[0]
    assert (alone, as_many) == (told, sleeps)
    assert still_when == when


@pytest.mark.parametrize("alone_for_us", [0, 700_000, 3_600_000_000])
def test_a_watchdog_bites_when_it_was_not_fed_whoever_was_told(alone_for_us: int) -> None:
    with on_bench() as board:
        start_main(board, FED_FOR_A_WHILE)
        began_us = board.clock.now_us()
        board.compute()
        while len(board.resets) == 1:
            now_us = board.next_moment_us or 0
            board.live(now_us, now_us + alone_for_us)
        assert board.resets[1:] == [WDT_RESET]
        assert board.clock.now_us() - began_us == pytest.approx(10 * 3_000_000 + 4_999_000, abs=10_000)
        assert b"fed" in board.output
        assert b"never" not in board.output


def life(image: Path, seed: int) -> tuple[bytes, bytes]:
    """Console output and flash of a board that starts from this image."""
    with on_bench(seed=seed, flash_file=image) as board:
        board.power_on()
        run_until_printed(board, b"done")
        run_until(board, lambda: board.output.endswith(b">>> "))
        return bytes(board.output), board.flash.image()


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    origin = tmp_path / "origin.bin"
    with on_bench(flash_file=origin) as board:
        start_main(board, RANDOM_WORK)
        board.power_off()
    lives = []
    for number, seed in enumerate((7, 7, 8)):
        image = tmp_path / f"{number}.bin"
        image.write_bytes(origin.read_bytes())
        lives.append(life(image, seed))
    assert lives[0] == lives[1]
    assert lives[0][0] != lives[2][0]
    assert lives[0][1] != lives[2][1]


def test_a_loop_that_only_watches_the_clock_ends() -> None:
    wait = "import time\nt = time.ticks_ms()\nwhile time.ticks_diff(time.ticks_ms(), t) < 500: pass\nprint('over')"
    with on_bench() as board:
        power_up(board)
        assert execute(board, wait) == "over\n"
    with on_bench(clock=RealTime()) as board:
        power_up(board)
        began = time.monotonic()
        assert execute(board, wait) == "over\n"
        assert 0.498 <= time.monotonic() - began < 3  # half a second, less a tick that had begun


def test_files_carry_the_boards_time() -> None:
    program = "import os, time\nopen('stamped', 'w').close()\nprint(time.time() - os.stat('stamped')[8])"
    with on_bench() as board:
        power_up(board)
        assert execute(board, program) == "0\n"
        execute(board, "import machine; machine.RTC().datetime((2026, 1, 1, 3, 0, 0, 0, 0))")
        assert execute(board, program) == "0\n"


@pytest.mark.parametrize("clock", [VirtualTime, RealTime])
def test_asyncio_and_time_agree(clock: type[VirtualTime] | type[RealTime]) -> None:
    program = (
        "import asyncio, time\n"
        "async def main():\n"
        "    t = time.ticks_ms(); u = time.ticks_us(); n = time.time_ns()\n"
        "    await asyncio.sleep_ms(400)\n"
        "    print(time.ticks_diff(time.ticks_ms(), t), time.ticks_diff(time.ticks_us(), u) // 1000, "
        "(time.time_ns() - n) // 1000000)\n"
        "asyncio.run(main())"
    )
    with on_bench(clock=clock()) as board:
        power_up(board)
        elapsed = [int(word) for word in execute(board, program).split()]
        assert all(400 <= ms < 450 for ms in elapsed), elapsed


TIMERS = (
    "import machine, time\n"
    "rings = []\n"
    "timer = machine.Timer(0, period=50, callback=lambda t: rings.append('each'))\n"
    "once = machine.Timer(1, mode=machine.Timer.ONE_SHOT, period=50, callback=lambda t: rings.append('once'))\n"
)
COUNT = "print(rings.count('each'), rings.count('once'))"


def test_timers_ring_while_the_program_sleeps() -> None:
    with on_bench() as board:
        power_up(board)
        assert execute(board, TIMERS + "time.sleep_ms(275)\n" + COUNT) == "5 1\n"


def test_timers_ring_at_the_prompt() -> None:
    with on_bench(clock=RealTime()) as board:
        power_up(board)
        execute(board, TIMERS)
        began = time.monotonic()
        run_until(board, lambda: time.monotonic() - began > 0.5)
        each, once = execute(board, "timer.deinit(); " + COUNT).split()
        assert int(each) >= 3
        assert once == "1"
