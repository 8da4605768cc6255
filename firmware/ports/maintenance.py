"""Somebody is at the REPL: the watchdog is fed for him. A locked node's is open for ten minutes; then it starts again.

Since when it is open stands in RTC memory, in ticks, which go on through a soft reset. After any other reset the node
is locked. Imported only while somebody is there.
"""

import time

import machine
from micropython import const

from ports import power

_OPEN_MS = const(600000)
_HOLD_PERIOD_MS = const(10000)
_MARK_SLOT = const(1)  # where node/crashes.py leaves what the node does: this is something else
_MARK = b"open"

_held: "list[object]" = []


def open_up() -> None:
    """Start again softly, with the REPL in the place of the node, for ten minutes."""
    _mark()
    machine.soft_reset()


def stay() -> None:
    """Whoever is at work has ten minutes from now: they are against forgetting, not against him."""
    if left_ms():
        _mark()
    hold()


def _mark() -> None:
    now: int = time.ticks_ms()  # type: ignore[assignment]  # an int, whatever the stubs call it
    power.Retained(_MARK_SLOT).write(_MARK + now.to_bytes(4, "big"))


def left_ms() -> int:
    """How long the port is still open in milliseconds, 0: it is not."""
    mark = power.Retained(_MARK_SLOT).read()
    if machine.reset_cause() != machine.SOFT_RESET or mark[:4] != _MARK:
        return 0
    gone = time.ticks_diff(time.ticks_ms(), int.from_bytes(mark[4:], "big"))
    return max(0, _OPEN_MS - gone) if gone >= 0 else 0


def hold() -> None:
    """Keep a running watchdog quiet until the next soft reset, or until an opened node's time is over."""
    watchdog = power.Watchdog()
    opened = left_ms() > 0

    def feed(_timer: object) -> None:
        if opened and not left_ms():
            print("hadeda: the time is over")
            power.reset()
        watchdog.feed()

    timer = machine.Timer(0)
    timer.init(period=_HOLD_PERIOD_MS, mode=machine.Timer.PERIODIC, callback=feed)
    _held.append(timer)
