"""How many windows a node opened, by time and power alone: what the street had to say, whatever the node says of it.

From the moment a node says on its console that it runs until the supply fails or the board resets (waking from deep
sleep is no reset), its windows lie back to back, and one ends at every multiple of the window's length in the calendar
that its clock chip shows, and where that calendar is set by more than a window bears (firmware/node/window.py). The
last one was open when the power was cut.
"""

from typing import Final

from hadeda.emulator.board import EmulatedBoard
from hadeda.simulate.sealed_in_flash import SealedInFlash

RUNNING: Final = b"hadeda: running"
JUMP_US: Final = 2_000_000
CLOSING_US: Final = 10_000_000  # a node that closes a window is still at it
SLOT_US: Final = 60_000_000  # one that slept through the end wakes up so much later at the most
BACK_US: Final = 300_000_000  # a calendar that is set back no further reports nothing twice
LOOKS_US: Final = 6_000_000  # a node looks at its calendar every five seconds


class Windows:
    """Watches one board. `opened` windows so far; `cuts` of them were interrupted by a cut or a reset.

    `unsure` counts calendars that were set and set back before the node need have looked. `sealed` is
    what was sealed and stored.
    """

    def __init__(self, emulated: EmulatedBoard, window_s: int, sealed: SealedInFlash) -> None:
        self.opened = 0
        self.cuts = 0
        self.unsure = 0
        self._board = emulated
        self._sealed = sealed
        self._lost = 0
        self._first = self._sealed_before = 0
        self._ended_us = 0
        self._window_us = window_s * 1_000_000
        self.running = False
        self._resets = 0
        self._offset_us = 0
        self._now_us = self._calendar_us = 0
        self._jumped_us, self._offset_before_us = -LOOKS_US, 0
        self._reported_us = self._reports = 0

    def heard(self, line: bytes) -> None:
        """The board has printed this."""
        if RUNNING in line:
            if self.running:
                self._end()  # it was reset, and came back before it rested
            self.running = True
            self.opened += 1
            self._first, self._sealed_before = self.opened, self._certain
            self._resets = self._lives()
            self._now_us, calendar_us = self._read_clock()
            self._offset_us = calendar_us - self._now_us
            # What was reported already, by a calendar that was ahead, is not reported again
            behind = calendar_us < self._reported_us <= calendar_us + BACK_US
            self._calendar_us = self._reported_us if behind else calendar_us

    @property
    def since_boot(self) -> tuple[int, int]:
        """How many windows are over since the node began to run, and how many were sealed."""
        return self.opened - self._first, self._certain - self._sealed_before

    @property
    def ends_us(self) -> int:
        """When the window that is open now ends by the calendar; 0 where none is."""
        now_us, calendar_us = self._read_clock()
        return now_us + self._window_us - calendar_us % self._window_us if self.running else 0

    @property
    def _certain(self) -> int:
        """Sealed in the life of the node in which it was found."""
        return len(self._sealed.numbers) - self._sealed.late

    def _lives(self) -> int:
        return len(self._board.resets) - self._board.wakes

    def _read_clock(self) -> tuple[int, int]:
        return self._board.clock.now_us(), self._board.rtc.time_us()

    def look(self) -> None:
        """The board has come to rest, or lost its power."""
        if not self.running:
            return
        if self._resets != self._lives() or not self._board.powered:
            self._end()
            return
        now_us, calendar_us = self._read_clock()
        if abs(calendar_us - now_us - self._offset_us) > JUMP_US:
            self._jump(now_us, calendar_us)
            if self._calendar_us - BACK_US <= calendar_us:
                calendar_us = max(calendar_us, self._calendar_us)
        elif calendar_us // self._window_us > self._calendar_us // self._window_us:
            self.opened += calendar_us // self._window_us - self._calendar_us // self._window_us
            self._ended_us = now_us
        else:
            calendar_us = max(calendar_us, self._calendar_us)  # set back a little: no window ends twice
        self._now_us, self._calendar_us = now_us, calendar_us
        if len(self._sealed.numbers) > self._reports:
            self._reports = len(self._sealed.numbers)
            self._reported_us = calendar_us - calendar_us % self._window_us

    def _jump(self, now_us: int, calendar_us: int) -> None:
        """The calendar was set: the window ends there, if the node has looked.

        A node that sleeps deeply is told the time between two windows.
        """
        offset_us = calendar_us - now_us
        if self._board.board.sleep:
            self._ended_us, self._offset_us = now_us, offset_us
            return
        if now_us - self._jumped_us < LOOKS_US and abs(offset_us - self._offset_before_us) <= JUMP_US:
            self.unsure += 1
        self.opened += 1
        self._ended_us = self._jumped_us = now_us
        self._offset_before_us, self._offset_us = self._offset_us, offset_us

    def _end(self) -> None:
        self.running = False
        self.cuts += 1
        longest_us = CLOSING_US + (SLOT_US if self._board.board.sleep else 0)
        closing = self._board.clock.now_us() - self._ended_us < longest_us
        if closing and self.opened - len(self._sealed.numbers) - self._lost > 1:
            self.opened -= 1  # it had not come to opening the next one
        self._lost = self.opened - len(self._sealed.numbers)
