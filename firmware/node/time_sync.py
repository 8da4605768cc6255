"""What time it is, and how well the node knows: SNTP (RFC 4330) with the checks that a lamp post can make.

The transmit timestamp of our question is random: an answer must repeat it, so that only who saw the question can
answer, and the question says nothing about our clock.
"""

import asyncio

from micropython import const

from envelope.labels import CLOCK_FREE_RUNNING, CLOCK_NEVER, CLOCK_SYNCHRONISED
from node.errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.randomness import Randomness
    from ports.clock import Clock
    from ports.radio import Radio

PORT = 123
PACKET = 48
# A calendar before 2021 has never been set
EARLIEST_S = 1609459200
_NTP_TO_UNIX_S = const(2208988800)
_ERA_S = const(1 << 32)
_TIMEOUT_MS = const(5000)
_ROUND_TRIP_MAX_MS = const(2000)
_EVERY_S = const(6 * 3600)
# Longer ago than this, a crystal of 20 ppm is off by about two seconds
_GOOD_FOR_S = const(24 * 3600)

_CLIENT = const(0x23)  # no leap warning, version 4, mode 3 (client)
_MODE_SERVER = const(4)


def question(cookie: bytes) -> bytes:
    """The request: 48 bytes, all zero but mode and the 8 random bytes in the place of our time."""
    return bytes((_CLIENT,)) + bytes(39) + cookie


def answer_ms(packet: bytes, cookie: bytes) -> int:
    """The server's time in Unix milliseconds; ProtocolError for an answer that cannot be trusted."""
    if len(packet) < PACKET:
        raise ProtocolError("time: short answer")
    if packet[0] & 7 != _MODE_SERVER or packet[0] >> 3 & 7 not in (3, 4):
        raise ProtocolError("time: not a server's answer")
    if packet[0] >> 6 == 3 or not 1 <= packet[1] <= 15:
        raise ProtocolError("time: the server is not synchronised itself")
    if packet[24:32] != cookie:
        raise ProtocolError("time: not an answer to our question")
    seconds = int.from_bytes(packet[40:44], "big")
    fraction = int.from_bytes(packet[44:48], "big")
    if not seconds & 0x80000000:
        seconds += _ERA_S  # after 2036-02-07 (RFC 4330 section 3)
    unix_s = seconds - _NTP_TO_UNIX_S
    if unix_s < EARLIEST_S:
        raise ProtocolError("time: before 2021")
    return unix_s * 1000 + (fraction * 1000 >> 32)


class TimeSync:
    """Sets the clock from `host` ("" for never) and knows how good it is."""

    def __init__(self, clock: "Clock", radio: "Radio", host: str, randomness: "Randomness") -> None:
        self._clock = clock
        self._radio = radio
        self._host = host
        self._randomness = randomness
        self._set_at_s: int | None = None

    def quality(self) -> int:
        """labels.CLOCK_*: never set, free-running, or synchronised within the last day."""
        now_s = self._clock.unix_s()
        if now_s < EARLIEST_S:
            return CLOCK_NEVER
        if self._set_at_s is not None and abs(now_s - self._set_at_s) < _GOOD_FOR_S:
            return CLOCK_SYNCHRONISED
        return CLOCK_FREE_RUNNING

    def due(self) -> bool:
        if not self._host:
            return False
        return self._set_at_s is None or abs(self._clock.unix_s() - self._set_at_s) >= _EVERY_S

    async def sync(self) -> bool:
        """Ask once, with the radio up. False when there was no answer to trust; the clock is then left alone."""
        cookie = self._randomness.drbg.generate(8)
        asked = self._clock.ticks_ms()
        try:
            packet = await self._clock.within_ms(
                self._radio.ask(self._host, PORT, question(cookie), PACKET), _TIMEOUT_MS
            )
            unix_ms = answer_ms(packet, cookie)
        except (OSError, EOFError, asyncio.TimeoutError, ProtocolError):
            return False
        round_trip_ms = self._clock.ticks_diff(self._clock.ticks_ms(), asked)
        if not 0 <= round_trip_ms <= _ROUND_TRIP_MAX_MS:
            return False
        self._clock.set_unix_ms(unix_ms + round_trip_ms // 2)
        self._set_at_s = self._clock.unix_s()
        return True
