"""How a detector on a plain input is read: whole pulses are counted, and all else is a fault; the line rests low.

Who passes makes one pulse. A detector bounds its length by itself, whoever stands before it, so a line that stays high
tells of the line and never of the street: its cable is cut, its contact does not close, its detector has no supply. Of
a line that stays low there is nothing to tell: so does an empty street, and "nobody, all day" would be an exact count.
Nor for how long somebody stood there: what one passage adds to that has no bound, and so there is no noise to hide it.

The line is looked at, and no edge interrupts: MicroPython's interrupts on these chips wait in a short queue until the
interpreter comes to them. A contact that bounces fills it, the last edge is lost, and whoever is at the cable could
keep the node busy with it. Looking costs the same whatever happens there. What comes and goes while the node computes
a signature is not seen.
"""

from micropython import const

from envelope.labels import FAULT_NO_ANSWER
from node.errors import SensorFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.sample import Output
    from ports.clock import Clock
    from ports.gpio import Input

# A contact knows neither direction nor speed
DIRECTION = "either"
_SPEED_KMH = const(0)

LOOK_MS = 50
# While nobody is there it is looked at less often: a pulse lasts far longer
_WATCH_MS = const(200)
# In looks: a change that lasts as long has happened; bounces take some milliseconds
_SETTLED = const(2)
# So often a pulse may be broken by a bounce
_BREAKS_MAX = const(1)
# So many more pulses that were none than pulses: it hangs by a thread
_ODD_MAX = const(5)
# No window is shorter than this and the sampler's longest pause
_STEP_S = const(20)


class Contact:
    """One detector that counts as `cls`. Its pulses are `shortest` to `longest` looks long.

    It is not listened to for the first `warm_up_s`.
    """

    def __init__(
        self, line: "Input", cls: str, clock: "Clock", shortest: int, longest: int, warm_up_s: int = 0
    ) -> None:
        self._line = line
        self._cls = cls
        self._clock = clock
        self._shortest = shortest
        self._longest = longest
        self._warm_up_s = warm_up_s

    async def run(self, out: "Output") -> None:
        """Count for ever. SensorFault for a line that does not come to rest, or has more noise on it than pulses."""
        for _ in range(0, self._warm_up_s, _STEP_S):
            await self._clock.sleep_ms(_STEP_S * 1000)
            out.fault(FAULT_NO_ANSWER)  # who passed meanwhile must not be counted as nobody
        await self._rest()
        odd = 0
        while odd < _ODD_MAX:
            if await self._pulse(out) < self._shortest:
                odd += 1
            else:
                odd = max(0, odd - 1)
                out.passage(self._cls, DIRECTION, _SPEED_KMH)
        raise SensorFault(FAULT_NO_ANSWER)

    async def _rest(self) -> None:
        """A pulse that has begun before anybody looked is none."""
        low = 0
        for _ in range(self._longest + _SETTLED):
            await self._clock.sleep_ms(LOOK_MS)
            low = 0 if self._line.high() else low + 1
            if low == _SETTLED:
                return
        raise SensorFault(FAULT_NO_ANSWER)

    async def _pulse(self, out: "Output") -> int:
        """Wait for a pulse and for its end: how long it was, 0 where it was broken more often than contacts bounce."""
        length = low = breaks = 0
        while low < _SETTLED:
            await self._clock.sleep_ms(LOOK_MS if length else _WATCH_MS)
            out.alive()
            if self._line.high():
                breaks += low
                length += low + 1
                low = 0
                if length > self._longest:
                    raise SensorFault(FAULT_NO_ANSWER)
            elif length:
                low += 1
        return length if breaks <= _BREAKS_MAX else 0
