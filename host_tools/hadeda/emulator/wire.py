"""The packets between a board's process and the host, as surface/opcodes.py lays them down."""

import struct
from dataclasses import dataclass

TICKS_MASK = 0x3FFFFFFF


@dataclass(frozen=True)
class Request:
    """`spent_us`: board time the program has used up by looking at its clock."""

    opcode: int
    spent_us: int
    payload: bytes


@dataclass(frozen=True)
class Moment:
    """What every reply tells: the ready mask, time since boot, time since 2000-01-01 by the board's RTC."""

    ready: int
    uptime_us: int
    rtc_us: int


def unpack(packet: bytes) -> Request:
    opcode, spent_us = struct.unpack_from("<BH", packet)
    return Request(opcode, spent_us, packet[3:])


def pack(status: int, moment: Moment, answer: bytes) -> bytes:
    return (
        struct.pack(
            "<BIIIII",
            status,
            moment.ready,
            moment.uptime_us // 1000 & TICKS_MASK,
            moment.uptime_us & TICKS_MASK,
            moment.rtc_us // 1_000_000 & 0xFFFFFFFF,
            moment.rtc_us % 1_000_000,
        )
        + answer
    )
