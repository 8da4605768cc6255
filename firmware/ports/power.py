"""Resets, the watchdog, what outlives deep sleep, and how much memory is taken."""

import gc

import machine
from micropython import const

# Long enough for a technician at the REPL, short enough for a lamp post; see ports/maintenance.py
_WATCHDOG_MS = const(120000)
_SLOT = const(16)
SLOTS_SIZE = 32  # two slots, at the beginning of RTC memory


def reset_cause() -> int:
    """machine.reset_cause(): 1 power on or brown-out, 2 hard (reset() or panic), 3 watchdog, 4 deep sleep, 5 soft."""
    return machine.reset_cause()


def reset() -> None:
    machine.reset()


def serial() -> bytes:
    """The chip's serial number. Never leaves the node: it only makes two nodes' generators differ."""
    return machine.unique_id()


def heap_used() -> int:
    """Bytes of heap taken now, garbage included."""
    return gc.mem_alloc()


def collect_every(allocated: int) -> None:
    """Collect garbage whenever so many bytes were allocated, so that it cannot fill the heap in between."""
    gc.threshold(allocated)


class Watchdog:
    """Resets the board when it is not fed for two minutes. Once started it cannot be stopped."""

    started = False

    def __init__(self) -> None:
        Watchdog.started = True
        self._wdt = machine.WDT(timeout=_WATCHDOG_MS)

    def feed(self) -> None:
        self._wdt.feed()


class Retained:
    """A slot of RTC memory, of at most 15 bytes: survives deep sleep and resets, not a power cut."""

    def __init__(self, slot: int = 0) -> None:
        self._at = slot * _SLOT

    def read(self) -> bytes:
        """What was written last, b"" when that is gone."""
        slot = machine.RTC().memory()[self._at : self._at + _SLOT]
        return slot[1 : 1 + slot[0]] if slot else b""

    def write(self, data: bytes) -> None:
        memory = rtc_memory()
        memory[self._at] = len(data)
        memory[self._at + 1 : self._at + 1 + len(data)] = data
        machine.RTC().memory(memory)


def rtc_memory() -> bytearray:
    """All of it, the slots at least."""
    memory = bytearray(machine.RTC().memory())
    if len(memory) < SLOTS_SIZE:
        memory.extend(bytes(SLOTS_SIZE - len(memory)))
    return memory
