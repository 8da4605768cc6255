"""Boots and crashes, counted in NVS; causes of a reset, refined. Imported at boot, and while there are crashes to mind.

Stock MicroPython says "power on" for a brown-out and "hard reset" for a panic. A mark in RTC memory tells them apart:
where it is still there after a power-on, the supply only dipped (or somebody pressed a reset button); where nobody had
asked for the hard reset, it was a panic. A dip that empties RTC memory looks like a power cut, and is taken for one.

    record = boots (4 bytes), crashes (1), cause of the last one (1)
"""

from micropython import const

from envelope.labels import RESET_BROWN_OUT, RESET_ERROR, RESET_OPENED, RESET_PANIC
from node.boots import DEEP_SLEEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KEY = "boots"
_OPENED_KEY = "opened"
_MARK_SLOT = const(1)
_RUNNING = b"running"
_ASKED = b"asked"
_FAILED = b"failed"

_POWER_ON = const(1)
_HARD = const(2)
_WATCHDOG = const(3)
_CRASHES = (_WATCHDOG, RESET_BROWN_OUT, RESET_PANIC, RESET_ERROR)

# Every fourth crash is a boot with everything: 3 is the first in safe mode, 4 the next try
_ROUND = const(4)
_SAFE_FROM = const(3)
_CRASHES_MAX = const(240)
# A report with more boots than this is refused
_COUNT_MAX = const(0x7FFFFFFF)
_HOUR_S = const(3600)
_DOUBLINGS_MAX = const(5)
_DAY_S = const(86400)


def begin(nvs: "Any", power: "Any") -> "tuple[int, int, int, int]":
    """Count this boot: (boots, its cause, crashes in a row, cause of the last one where safe mode is due, else 0)."""
    count, crashes, last = _read(nvs)
    if power.reset_cause() == DEEP_SLEEP:
        return count, RESET_OPENED if nvs.get(_OPENED_KEY) else DEEP_SLEEP, crashes, 0
    mark = power.Retained(_MARK_SLOT)
    cause = _cause(power.reset_cause(), mark.read())
    mark.write(_RUNNING)
    if cause in _CRASHES:
        crashes = crashes + 1 if crashes < _CRASHES_MAX else _CRASHES_MAX - _ROUND + 1
        last = cause
    elif cause == _POWER_ON:
        crashes = _next_try(crashes)
    _write(nvs, count + 1, crashes, last)
    if nvs.get(_OPENED_KEY):
        cause = RESET_OPENED
    return count + 1, cause, crashes, last if crashes >= _SAFE_FROM and crashes % _ROUND else 0


def forget(nvs: "Any") -> None:
    """The crashes were none that matters: a window is complete."""
    count, _, last = _read(nvs)
    _write(nvs, count, 0, last)


def told(nvs: "Any") -> None:
    """That the serial port was opened is in a sealed report."""
    nvs.erase(_OPENED_KEY)


def patience_s(crashes: int) -> int:
    """How long safe mode lasts after so many crashes, in seconds."""
    return min(_DAY_S, _HOUR_S << min(crashes // _ROUND, _DOUBLINGS_MAX))


def leave(power: "Any") -> None:
    """The board is somebody's who is at the REPL: what resets it then is what the port says."""
    power.Retained(_MARK_SLOT).write(b"")


def opened(nvs: "Any", power: "Any") -> None:
    """The serial port is about to be opened: the city is to know it, come what may. OSError: it would not."""
    nvs.set(_OPENED_KEY, b"\x01")
    leave(power)


def reset(nvs: "Any", power: "Any") -> None:
    """Start again because that is wanted: with everything."""
    count, crashes, last = _read(nvs)
    if crashes != _next_try(crashes):
        _write(nvs, count, _next_try(crashes), last)
    power.Retained(_MARK_SLOT).write(_ASKED)
    power.reset()


def fail(power: "Any") -> None:
    """Start again because something went wrong."""
    power.Retained(_MARK_SLOT).write(_FAILED)
    power.reset()


def _next_try(crashes: int) -> int:
    return -(-crashes // _ROUND) * _ROUND if crashes >= _SAFE_FROM else crashes


def _cause(told: int, mark: bytes) -> int:
    """The cause that the port tells, refined by what the last life left."""
    if told == _POWER_ON and mark in (_RUNNING, _ASKED, _FAILED):
        return RESET_BROWN_OUT
    if told == _HARD and mark == _RUNNING:
        return RESET_PANIC
    if told == _HARD and mark == _FAILED:
        return RESET_ERROR
    return told


def _read(nvs: "Any") -> "tuple[int, int, int]":
    record = nvs.get(_KEY) or b""
    count = int.from_bytes(record[:4], "big") % _COUNT_MAX
    if len(record) != 6 or record[5] not in _CRASHES:
        return count, 0, 0
    return count, min(record[4], _CRASHES_MAX), record[5]


def _write(nvs: "Any", count: int, crashes: int, last: int) -> None:
    try:
        nvs.set(_KEY, count.to_bytes(4, "big") + bytes((crashes, last)))
    except OSError as error:  # without the count the node can live
        print("hadeda: boots not counted:", repr(error))
