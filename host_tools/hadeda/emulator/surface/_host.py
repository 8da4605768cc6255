"""Stands in for the interpreter's own `_host` (interpreter/variant/host) on a packaged MicroPython, through its FFI.

No `watch_clock`: asyncio's task queue keeps reading the computer's clock there, so only real time serves.
"""

import ffi
import struct
import opcodes

_EINTR = 4
_libc = ffi.open(None)
_read = _libc.func("i", "read", "iPi")
_write = _libc.func("i", "write", "iPi")


_pread = _libc.func("l", "pread", "iPLL")
_wire = -1
_reply = None
_flash = -1


def open(fd, reply):
    global _wire, _reply
    _wire, _reply = fd, reply


def exchange(opcode, payload):
    request = bytes((opcode, 0, 0)) + payload
    if _write(_wire, request, len(request)) < 0:
        return 0
    while True:
        try:
            count = _read(_wire, _reply, len(_reply))
        except KeyboardInterrupt:
            continue
        if count >= 0:
            return count


def sleep(us, seen, at_console):
    return exchange(opcodes.SLEEP, struct.pack("<QIB", us, seen & 0xFFFFFFFF, at_console))


def ready():
    return struct.unpack_from("<I", _reply, 1)[0]


def flash(fd):
    global _flash
    _flash = fd


def read_flash(address, buffer):
    _pread(_flash, buffer, len(buffer), address)


def read_blocks(partition, block, buffer, offset=0):
    address = partition._address(block, offset, len(buffer))
    try:
        read_flash(address, buffer)
    except KeyboardInterrupt:  # on silicon none gets in between, and littlefs keeps what it asked for as read
        read_flash(address, buffer)
        raise


def read(fd, buffer):
    return max(0, _read(fd, buffer, len(buffer)))
