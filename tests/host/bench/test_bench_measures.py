"""What the slower rows are made of: the energy model's sums, the collector's run, memory, a clone's first result."""

import os
from pathlib import Path

import pytest

from hadeda.bench.collecting import rates
from hadeda.bench.energy import CHIP, CLOCK_HZ, INSTRUCTIONS_A_CYCLE, SAMPLES, Work, always_on_j, deep_sleep_j
from hadeda.bench.memory import pss
from hadeda.bench.set_up import first_result_s
from hadeda.bench.sharing import DOING, shared
from hadeda.board.energy import CHIPS
from hadeda.errors import BenchError

SECOND = int(CLOCK_HZ * INSTRUCTIONS_A_CYCLE)  # instructions
IDLE = Work(dict.fromkeys(SAMPLES, 0), 0, 0, 0)


def test_energy_is_currents_times_seconds() -> None:
    busy = Work(dict.fromkeys(SAMPLES, 0), SECOND, 9 * SECOND, SECOND)
    assert busy.awake() == 10
    draw = CHIPS[CHIP]
    assert always_on_j(busy) - always_on_j(IDLE) == pytest.approx(10 * (draw.computing_ma - draw.idle_ma) / 1000 * 3.3)
    saved_ma = draw.computing_ma - draw.deep_sleep_ma
    assert deep_sleep_j(busy) - deep_sleep_j(IDLE) == pytest.approx(11 * saved_ma / 1000 * 3.3)
    assert deep_sleep_j(IDLE) < always_on_j(IDLE) / 10


def test_every_sample_of_a_window_counts() -> None:
    assert sum(SAMPLES.values()) == 90 + 90 + 450, "two sensors every ten seconds, the radar every two"
    assert Work(dict.fromkeys(SAMPLES, SECOND), 0, 0, 0).awake() == sum(SAMPLES.values())


def test_a_run_of_the_collector_stores_everything_and_is_timed() -> None:
    done: list[int] = []
    (rate,) = rates(nodes=2, reports=5, runs=1, done=lambda: done.append(1))
    assert done == [1]
    assert 0 < rate.messages < rate.checks
    assert rate.messages_on_the_clock > 0


def test_a_run_of_two_collectors_that_share_says_where_the_time_goes() -> None:
    run = shared(nodes=3, reports=6)
    assert (run.messages, set(run.cpu_s)) == (18, {"collectors", "PostgreSQL", "Mosquitto"})
    assert run.cpu_s["collectors"] > 0
    assert set(run.doing) <= set(DOING.values())
    assert sum(run.doing.values()) == pytest.approx(1)


def test_memory_is_what_the_kernel_says() -> None:
    held = bytearray(8 << 20)
    held[::4096] = bytes(len(held[::4096])).replace(b"\0", b"\1")
    assert pss(os.getpid()) > len(held)


def clone_that_says(folder: Path, *lines: str) -> Path:
    """A checkout whose ./run demo says these lines."""
    checkout = folder / "hadeda"
    checkout.mkdir()
    said = "\n".join(f"echo {line!r} >&2" for line in lines)
    (checkout / "run").write_text(f"#!/bin/sh\n[ $1 = demo ] && [ $HOME = {folder}/home ] || exit 9\n{said}\n")
    (checkout / "run").chmod(0o755)
    return checkout


def test_the_first_result_is_a_report_that_is_stored(tmp_path: Path) -> None:
    checkout = clone_that_says(tmp_path, "setting up", "  window 00:00: 241 bytes, number 0, stored", "more")
    assert 0 < first_result_s(checkout) < 30


def test_a_demo_without_a_result_is_an_error_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no network today"):
        first_result_s(clone_that_says(tmp_path, "setting up", "no network today"))
