"""The packets between a board's process and the host, as surface/opcodes.py lays them down."""

import struct

from hadeda.emulator.surface import opcodes

# The requests among the constants there, which are arguments and layout, too: the others begin with one of these
_NOT = (
    *("REPLY_", "TICKS_", "PAYLOAD_", "STATUS_", "READY_", "SOCKETS", "EXIT_", "CONSOLE_", "NVS_I32", "NVS_BLOB"),
    "NEVER",
)
REQUESTS = {
    opcode: name.lower() for name, opcode in vars(opcodes).items() if name.isupper() and not name.startswith(_NOT)
}
TICKS_MASK = 0x3FFFFFFF
_REQUEST = struct.Struct("<BIHI")
_REPLY = struct.Struct("<BIIIIIHI")


def unpack(packet: bytes) -> tuple[int, int, int, int | None, bytes]:
    """(opcode, microseconds since the last reply, sleeps meanwhile, how long ago it fed its watchdog, payload)."""
    opcode, spent_us, sleeps, fed_us = _REQUEST.unpack_from(packet)
    return opcode, spent_us, sleeps, None if fed_us == opcodes.NEVER else fed_us, packet[_REQUEST.size :]


def pack(status: int, ready: int, uptime_us: int, rtc_us: int, free_us: int, answer: bytes) -> bytes:
    """A reply: ready mask, time since boot, time since 2000-01-01 by the board's RTC, time of its own, answer."""
    seconds, micros = divmod(rtc_us, 1_000_000)
    whole_ms, below_ms = divmod(uptime_us, 1000)
    ticks = whole_ms & TICKS_MASK, uptime_us & TICKS_MASK
    head = _REPLY.pack(status, ready, *ticks, seconds & 0xFFFFFFFF, micros, below_ms, free_us)
    return head + answer
