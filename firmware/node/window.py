"""Windows aligned to the Unix clock, and honest about a clock that jumps.

A window that is cut short (the node starts in its middle, the clock jumps) reports the start and the length it
really had: its length comes from the monotonic clock, its start from the calendar as it was when it opened.
"""

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ports.clock import Clock

# A calendar that runs away from the monotonic clock by more than this within a window has been set
JUMP_MS = 2000
# The calendar may be set back so far that time is reported twice; up to this, the next window makes up for it
BACK_MS = const(300000)
# Who has not closed his window so long after its end is stuck
_OVERDUE_MS = const(60000)
# What a report may say
_LONGEST_MS = const(86400000)


class Window:
    """One window: `start_s` in Unix seconds, `quality` of the clock when it opened."""

    def __init__(self, clock: "Clock", start_ms: int, end_ms: int, quality: int) -> None:
        self._clock = clock
        self._opened_ticks = clock.ticks_ms()
        self._opened_ms = clock.unix_ms()
        self._end_ms = end_ms
        self.start_s = start_ms // 1000
        self._early_ms = self._opened_ms - start_ms
        self._length_ms = end_ms - start_ms
        self.quality = quality

    def elapsed_ms(self) -> int:
        """Milliseconds since the window's start, by the clock that only rises."""
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._opened_ticks) + self._early_ms

    def jumped(self) -> bool:
        """True when the calendar was set while the window was open."""
        return abs(self._clock.unix_ms() - self._opened_ms - self.elapsed_ms() + self._early_ms) > JUMP_MS

    def over(self) -> bool:
        return self._clock.unix_ms() >= self._end_ms or self.jumped()

    def nap_ms(self, longest_ms: int) -> int:
        """How long to sleep: until the window's end, at most `longest_ms`."""
        return max(0, min(longest_ms, self._end_ms - self._clock.unix_ms()))

    def overdue(self) -> bool:
        """True when it should have been closed long ago, by the clock that only rises."""
        return self.elapsed_ms() > self._length_ms + _OVERDUE_MS

    def until_s(self) -> int:
        """When it is meant to end, in Unix seconds."""
        return self._end_ms // 1000

    def end_s(self) -> int:
        """Until when it reports, in Unix seconds by its own calendar."""
        return min(self._end_ms // 1000, self.start_s + self.length_s())

    def length_s(self) -> int:
        """The window's real length, rounded, at least 1."""
        return max(1, (self.elapsed_ms() + 500) // 1000)


class Timetable:
    """Hands out windows one after the other without a gap, of `window_s` seconds until set_window_s() says otherwise.

    A window ends at a multiple of its length, so the first one of a new length may be longer or shorter than that.
    """

    def __init__(self, clock: "Clock", window_s: int) -> None:
        self._clock = clock
        self._window_ms = self._least_ms = window_s * 1000
        self._last: Window | None = None
        self._last_end_ms = 0

    def set_window_s(self, window_s: int, least_s: int) -> None:
        """The windows that are opened from now on have this length; none is meant to be shorter than `least_s`."""
        self._least_ms = least_s * 1000
        self._window_ms = max(window_s * 1000, self._least_ms)

    def follow(self, end_s: int) -> None:
        """The last window, in an earlier life of the node, ended then."""
        self._last_end_ms = end_s * 1000

    def open(self, quality: int, reported_ms: int = 0) -> Window:
        """Open the window that follows the last one, or the one that the clock is in.

        `reported_ms` is until when, in Unix time, there are reports already: what lies a little before it is not
        reported again. A calendar that was set back further is right: only the city does that (node/time_sync.py).
        """
        now_ms = self._clock.unix_ms()
        start_ms = now_ms
        late_ms = now_ms - self._last_end_ms
        jumped = self._last is not None and self._last.jumped()
        follows = self._last_end_ms and -JUMP_MS <= late_ms < self._window_ms and not jumped
        if follows:
            start_ms = self._last_end_ms
        elif now_ms < reported_ms <= now_ms + BACK_MS:
            start_ms = reported_ms
        end_ms = (start_ms // self._window_ms + 1) * self._window_ms
        if follows and end_ms - start_ms < self._least_ms and end_ms - start_ms + self._window_ms <= _LONGEST_MS:
            end_ms += self._window_ms
        self._last_end_ms = end_ms
        self._last = Window(self._clock, start_ms, end_ms, quality)
        return self._last
