"""`select` whose waiting is done by the host, so that asyncio runs in the board's time."""

import uselect
import _wire
import opcodes
from time import ticks_add, ticks_diff, ticks_ms
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT

_FOREVER_US = 1 << 50
_CONSOLE_BIT = 1 << opcodes.READY_CONSOLE
_UART_BITS = _CONSOLE_BIT - (1 << opcodes.READY_UART)


class _Poll:
    def __init__(self):
        self._poller = uselect.poll()
        self._streams = 0
        self._uarts = 0

    def register(self, stream, events=POLLIN | POLLOUT):
        self._poller.register(stream, events)
        self._streams += 1
        self._uarts += hasattr(stream, "sendbreak")

    def unregister(self, stream):
        self._poller.unregister(stream)
        self._streams -= 1
        self._uarts -= hasattr(stream, "sendbreak")

    def modify(self, stream, events):
        self._poller.modify(stream, events)

    def _seen(self):
        """What is ready before we look, or need not wake us.

        Typed bytes are read without the host: it is asked whether any are left.
        """
        if _wire.ready() & _CONSOLE_BIT:
            _wire.request_time()
        return _wire.ready() if self._uarts else _wire.ready() | _UART_BITS

    def _wait(self, timeout_ms):
        """Native poll with no timeout of its own; between two of them the host lets the board sleep."""
        if not self._streams and timeout_ms >= 0:  # asyncio, with nothing to wait for but time
            if timeout_ms:
                _wire.sleep_us(timeout_ms * 1000)
            return ()
        deadline = ticks_add(ticks_ms(), timeout_ms) if timeout_ms > 0 else 0
        while True:
            seen = self._seen()
            found = self._poller.poll(0)
            if found or timeout_ms == 0:
                return found
            if timeout_ms < 0:
                us = _FOREVER_US
            else:
                left = ticks_diff(deadline, ticks_ms())
                if left <= 0:
                    return ()
                us = left * 1000
            _wire.sleep_us(us, seen)

    def poll(self, timeout_ms=-1, flags=0):
        return list(self._wait(timeout_ms))

    def ipoll(self, timeout_ms=-1, flags=0):
        return iter(self._wait(timeout_ms))


def poll():
    return _Poll()


def select(readers, writers, exceptional, timeout=None):
    poller = _Poll()
    for stream in readers:
        poller.register(stream, POLLIN)
    for stream in writers:
        poller.register(stream, POLLOUT)
    found = poller.poll(-1 if timeout is None else int(timeout * 1000))
    return (
        [s for s, events in found if events & ~POLLOUT and s in readers],
        [s for s, events in found if events & ~POLLIN and s in writers],
        [],
    )
