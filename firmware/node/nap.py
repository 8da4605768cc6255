"""A node that sleeps deeply between samples: it wakes, samples, and sleeps on. Nothing else of it is loaded meanwhile.

When the window is over, the whole node is due (node/duty.py).
"""

import asyncio

from micropython import const

from node import kept, sample
from node.seldom import seldom
from node.sensing import open_sampler
from ports import power, sleep
from ports.clock import Clock
from ports.flash import Files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.kept import Kept
    from node.sample import Sampler

_LOOK_MS = const(20)
# What a sample takes at most: the slowest part's warming up, and its answer
_PATIENCE_MS = const(60000)


def between_samples() -> None:
    """Where the board has just woken: sample and sleep on. Returns where it is not in the midst of a window."""
    try:
        asyncio.run(_between_samples())
    except KeyboardInterrupt as interrupt:
        from node.main import leave

        leave(interrupt)
        raise


async def _between_samples() -> None:
    clock = Clock()
    window = kept.decode(sleep.take_back())
    if window is None:
        return
    if not window.takes(clock.unix_s()):
        sleep.set_aside(window.encode())
        return
    power.Watchdog()
    with seldom("node.config") as reader:
        config = reader.load(Files())
    await sample_into(window, open_sampler(config, clock), len(config["sensors"]), clock)
    sleep_on(window, config, clock)


async def sample_into(window: "Kept", sampler: "Sampler", sensors: int, clock: Clock) -> None:
    """Let each of so many sensors say something once, be it that it cannot."""
    waiting = set(range(sensors))
    event = sample.empty_event()
    started_ms = clock.ticks_ms()
    sampler.start()
    while waiting and clock.ticks_diff(clock.ticks_ms(), started_ms) < _PATIENCE_MS:
        await clock.sleep_ms(_LOOK_MS)
        while sampler.take(event):
            window.add(event)
            waiting.discard(event[1])
    sampler.stop()


def sleep_on(window: "Kept", config: "Any", clock: Clock) -> None:
    """Until the next sample, or until the window is over. It is RTC memory that keeps it meanwhile."""
    now_s = clock.unix_s()
    next_s = now_s + min([entry["period_s"] for entry in config["sensors"]])
    if not window.takes(next_s):
        next_s = window.wake_s
    sleep.set_aside(window.encode())
    sleep.deep_sleep(max(1, next_s - now_s) * 1000)
