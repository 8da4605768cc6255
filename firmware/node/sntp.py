"""SNTP (RFC 4330) with the checks that a lamp post can make. Imported only while a time server is asked.

The transmit timestamp of our question is random: an answer must repeat it, so that only who saw the question can
answer, and the question says nothing about our clock. Nobody signs the answer.
"""

import asyncio

from micropython import const

from node.errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.randomness import Randomness
    from ports.clock import Clock
    from ports.radio import Radio

PORT = 123
PACKET = 48
# A time before 2021 is none
EARLIEST_S = 1609459200
_NTP_TO_UNIX_S = const(2208988800)
_ERA_S = const(1 << 32)
_TIMEOUT_MS = const(5000)
_ROUND_TRIP_MAX_MS = const(2000)

_CLIENT = const(0x23)  # no leap warning, version 4, mode 3 (client)
_MODE_SERVER = const(4)


async def ask(clock: "Clock", radio: "Radio", host: str, randomness: "Randomness") -> "int | None":
    """Ask once, with the radio up: the time now in Unix milliseconds; None when there was no answer to trust."""
    cookie = randomness.drbg.generate(8)
    asked = clock.ticks_ms()
    try:
        packet = await clock.within_ms(radio.ask(host, PORT, question(cookie), PACKET), _TIMEOUT_MS)
        unix_ms = answer_ms(packet, cookie)
    except (OSError, EOFError, asyncio.TimeoutError, ProtocolError):
        return None
    round_trip_ms = clock.ticks_diff(clock.ticks_ms(), asked)
    return unix_ms + round_trip_ms // 2 if 0 <= round_trip_ms <= _ROUND_TRIP_MAX_MS else None


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
