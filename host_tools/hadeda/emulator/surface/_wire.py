"""The wire to the host: one packet there, one packet back."""

import struct
import sys
import _host
import opcodes

_reply = bytearray(opcodes.REPLY_HEADER + opcodes.PAYLOAD_MAX)
_view = memoryview(_reply)
_host.open(int(sys.argv[1]), _reply)
_host.flash(int(sys.argv[2]))  # its image, inherited like the wire
ready = _host.ready  # bit mask of what had bytes waiting, or room, at the last exchange
_EVERYTHING = -1
# Set by the modules that have such things: what to do before the board sleeps, and the timers that may end a sleep.
on_idle = None
alarms = None


def watch_clock(ticks):
    """The interpreter's own time of day, and in virtual time its ticks, are from now on those of the last exchange."""
    if hasattr(_host, "watch_clock"):
        _host.watch_clock(ticks)


def request(op, payload=b""):
    """Ask the host; returns the reply's payload as a memoryview that is valid until the next request."""
    count = _host.exchange(op, payload)
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


def clock():
    """(ticks_ms, ticks_us, seconds since 2000, micros) at the last exchange."""
    return struct.unpack_from("<IIII", _reply, opcodes.TICKS_OFFSET)


def sleep_us(us, seen=_EVERYTHING, at_console=False):
    """Let `us` microseconds pass, or fewer if a bit of ready() outside `seen` comes up. Timers ring meanwhile.

    `at_console`: somebody may be typing, so even virtual time keeps the computer's pace.
    """
    if on_idle:
        on_idle()
    while True:
        if not alarms:
            _sleep_us(us, seen, at_console)
            return
        before = clock()[1]
        _sleep_us(min(us, alarms.next_us()), seen, at_console)
        us -= (clock()[1] - before) & 0x3FFFFFFF
        alarms.ring()
        if us <= 0 or ready() & ~seen:
            return


def _sleep_us(us, seen, at_console):
    if not _host.sleep(us, seen, at_console):
        raise SystemExit


def request_time():
    """Bring clock() up to date."""
    _sleep_us(0, 0, False)


def text(value):
    """A length-prefixed UTF-8 text."""
    data = value.encode() if isinstance(value, str) else bytes(value)
    return bytes((len(data),)) + data
