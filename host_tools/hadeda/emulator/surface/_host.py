"""Stands in for the interpreter's own `_host` (interpreter/variant/host) on a packaged MicroPython, through its FFI.

No `watch_clock`: asyncio's task queue keeps reading the computer's clock there, so only real time serves.
"""

import ffi

_EINTR = 4
_libc = ffi.open(None)
_read = _libc.func("i", "read", "iPi")
_write = _libc.func("i", "write", "iPi")


def exchange(fd, request, reply):
    if _write(fd, request, len(request)) < 0:
        return 0
    while True:
        try:
            count = _read(fd, reply, len(reply))
        except KeyboardInterrupt:
            continue
        if count >= 0:
            return count


def read(fd, buffer):
    return max(0, _read(fd, buffer, len(buffer)))
