"""What time it is, and how well the node knows: from a time server (node/sntp.py) and from the city's letters.

The city's letter says what time it was when the city heard message n. We know how long ago, by our own ticks, we first
sent n in this boot: the time is at least what the letter says, and at most that much later. Who delays messages moves a
clock that is set from it forward by as long as he delays, at most by a window and ten minutes, and never back.

Who is believed:

    the time a power cut took     it goes on where the last report ended, and "was never set" until somebody sets it
    NTP                           sets a clock that nobody set in this boot. One that was set within a week is only
                                  moved by less than an hour, and none is moved back before the end of what was reported
    the city's letter             sets a clock that nobody has set within a day, and any that it proves wrong: this one
                                  may go back, and the report says who set it
"""

from micropython import const

from envelope.labels import CLOCK_FREE_RUNNING, CLOCK_NEVER, CLOCK_SIGNED, CLOCK_SYNCHRONISED
from node.seldom import seldom
from node.window import BACK_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.ledger import Ledger
    from node.randomness import Randomness
    from ports.clock import Clock
    from ports.radio import Radio

# A calendar before 2021 has never been set
_EARLIEST_S = const(1609459200)
_LATEST_S = const(4294000000)  # reports have 32 bits for it
_EVERY_S = const(6 * 3600)
# Longer ago than this, a crystal of 20 ppm is off by about two seconds
_GOOD_FOR_S = const(24 * 3600)
# For so long a clock that was set is worth more than an answer that nobody signed
_TRUSTED_FOR_S = const(7 * 24 * 3600)
_MOVED_MAX_MS = const(3600000)
# A letter that is read later than a window and this after its message was sent says too little
_LETTER_LATE_S = const(600)
_SLACK_S = const(300)


class TimeSync:
    """Sets the clock from `host` ("" for never) and from letters, and knows how good it is.

    `ledger` remembers until when there are reports: `end_s`, and whether the clock was set: `clock_set`. `window_s` is
    how long windows are: who sends bounds with it how long a letter may have been on its way.
    """

    def __init__(self, clock: "Clock", radio: "Radio", host: str, randomness: "Randomness", ledger: "Ledger") -> None:
        self._clock = clock
        self._radio = radio
        self._host = host
        self._randomness = randomness
        self._ledger = ledger
        self._ticks = clock.ticks_ms()
        self._up_ms = 0
        self.set_at_s: int | None = None  # uptime
        self.set_by = CLOCK_NEVER
        self.window_s = 0
        if clock.unix_ms() + BACK_MS < ledger.end_s * 1000:
            clock.set_unix_ms(ledger.end_s * 1000)  # the power was gone, and the calendar with it
            if ledger.clock_set:
                ledger.clock_set = False
                ledger.keep_time()

    def uptime_s(self) -> int:
        """Seconds since boot, by the clock that only rises; asked at least once in six days."""
        now = self._clock.ticks_ms()
        self._up_ms += self._clock.ticks_diff(now, self._ticks)
        self._ticks = now
        return self._up_ms // 1000

    def _age_s(self) -> int:
        """How long ago the clock was set in this boot."""
        return _TRUSTED_FOR_S if self.set_at_s is None else self.uptime_s() - self.set_at_s

    def quality(self) -> int:
        """labels.CLOCK_*: never set, free-running, or set within the last day, by whom."""
        if self._age_s() < _GOOD_FOR_S:
            return self.set_by
        return CLOCK_FREE_RUNNING if self._ledger.clock_set and self._clock.unix_s() >= _EARLIEST_S else CLOCK_NEVER

    def due(self) -> bool:
        return bool(self._host) and (self.set_by != CLOCK_SYNCHRONISED or self._age_s() >= _EVERY_S)

    async def sync(self) -> bool:
        """Ask once, with the radio up. False when there was no answer to believe; the clock is then left alone."""
        with seldom("node.sntp") as sntp:
            unix_ms = await sntp.ask(self._clock, self._radio, self._host, self._randomness)
        if unix_ms is None:
            return False
        moved_ms = unix_ms - self._clock.unix_ms()
        again = unix_ms + BACK_MS < self._ledger.end_s * 1000
        if again or (self._age_s() < _TRUSTED_FOR_S and abs(moved_ms) > _MOVED_MAX_MS):
            print("hadeda: time server not believed")
            return False
        self._set(unix_ms, CLOCK_SYNCHRONISED)
        return True

    def correct(self, city_s: int, age_s: int) -> None:
        """Take the time of a letter: `city_s` when the city heard a message, `age_s` after we had first sent it."""
        if not _EARLIEST_S <= city_s <= _LATEST_S or not 0 <= age_s <= self.window_s + _LETTER_LATE_S:
            return
        ahead_s = self._clock.unix_s() - city_s
        if -_SLACK_S <= ahead_s <= age_s + _SLACK_S and self.quality() >= CLOCK_SYNCHRONISED:
            return
        self._set((city_s + age_s) * 1000, CLOCK_SIGNED)
        print("hadeda: the city set the clock")
        if self._ledger.end_s > self._clock.unix_s() + BACK_MS // 1000:
            # What a lie brought must not come back with the next boot
            self._ledger.end_s = self._clock.unix_s()
            self._ledger.keep_time()

    def _set(self, unix_ms: int, by: int) -> None:
        self._clock.set_unix_ms(unix_ms)
        self.set_at_s = self.uptime_s()
        self.set_by = by
        self._ledger.clock_set = True
