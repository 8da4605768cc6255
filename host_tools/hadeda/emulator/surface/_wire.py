"""The wire to the host: one packet there, one packet back."""

import struct
import sys
import _host
import opcodes

_FD = int(sys.argv[1])  # the socket to the host, inherited
_reply = bytearray(opcodes.REPLY_HEADER + opcodes.PAYLOAD_MAX)
_view = memoryview(_reply)
# Microseconds of board time that calls of `time.ticks_*` have used up since the last exchange. In virtual time
# computing is free, so a loop that only watches the clock would never end without this.
_spent_us = 0
# Set by the modules that have such things: what to do before the board sleeps, and the timers that may end a sleep.
on_idle = None
alarms = None


def watch_clock(ticks):
    """The interpreter's own time of day, and in virtual time its ticks, are from now on those of the last exchange."""
    if hasattr(_host, "watch_clock"):
        _host.watch_clock(_reply, opcodes.TICKS_OFFSET, ticks)


def request(op, payload=b""):
    """Ask the host; returns the reply's payload as a memoryview that is valid until the next request."""
    global _spent_us
    spent, _spent_us = min(_spent_us, 0xFFFF), 0
    count = _host.exchange(_FD, struct.pack("<BH", op, spent) + payload, _reply)
    if not count:
        raise SystemExit  # the host is gone
    answer = _view[opcodes.REPLY_HEADER : count]
    if _reply[0] != opcodes.STATUS_OK:
        _raise(answer)
    return answer


def _raise(answer):
    code = struct.unpack_from("<i", answer)[0]
    if len(answer) > 4:
        raise OSError(code, str(bytes(answer[4:]), "ascii"))
    raise OSError(code)


def ready():
    """Bit mask of what had bytes waiting, or room, at the last exchange."""
    return struct.unpack_from("<I", _reply, 1)[0]


def spend_us(us):
    global _spent_us
    _spent_us += us
    return _spent_us


def clock():
    """(ticks_ms, ticks_us, seconds since 2000, micros) at the last exchange."""
    return struct.unpack_from("<IIII", _reply, opcodes.TICKS_OFFSET)


def sleep_us(us, seen=0xFFFFFFFF, at_console=False):
    """Let `us` microseconds pass, or fewer if a bit of ready() outside `seen` comes up. Timers ring meanwhile.

    `at_console`: somebody may be typing, so even virtual time keeps the computer's pace.
    """
    if on_idle:
        on_idle()
    while True:
        step = min(us, alarms.next_us()) if alarms else us
        before = clock()[1]
        request(opcodes.SLEEP, struct.pack("<QIB", step, seen, at_console))
        if not alarms:
            return
        us -= (clock()[1] - before) & 0x3FFFFFFF
        alarms.ring()
        if us <= 0 or ready() & ~seen:
            return


def request_time():
    """Bring clock() up to date."""
    request(opcodes.SLEEP, struct.pack("<QIB", 0, 0, False))


def text(value):
    """A length-prefixed UTF-8 text."""
    data = value.encode() if isinstance(value, str) else bytes(value)
    return bytes((len(data),)) + data
