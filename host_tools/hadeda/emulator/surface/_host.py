"""Stands in for the interpreter's own `_host` (interpreter/variant/host) on a packaged MicroPython, through its FFI.

No `watch_clock`: asyncio's task queue keeps reading the computer's clock there, so only real time serves.
"""

import ffi
import struct
import opcodes

_SECTOR = 4096
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
    request = struct.pack("<BIHI", opcode, 0, 0, opcodes.NEVER) + payload
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


def feed():
    exchange(opcodes.WDT_FEED, b"")


def ready():
    return struct.unpack_from("<I", _reply, 1)[0]


def flash(fd):
    global _flash
    _flash = fd


def read_flash(address, buffer):
    _pread(_flash, buffer, len(buffer), address)


def _locate(partition, block, offset, count):
    start = block * partition._block + offset
    size = partition._row[3]
    if not 0 <= start <= size:
        raise OSError(-258, "ESP_ERR_INVALID_ARG")
    if start + count > size:
        raise OSError(-260, "ESP_ERR_INVALID_SIZE")
    return partition._row[2] + start


def _change(opcode, address, payload):
    if not exchange(opcode, struct.pack("<I", address) + payload):
        raise SystemExit
    if _reply[0] != opcodes.STATUS_OK:
        raise OSError(struct.unpack_from("<i", _reply, opcodes.REPLY_HEADER)[0])


def _erase(partition, address, count):
    if count % _SECTOR:
        raise OSError(-260, "ESP_ERR_INVALID_SIZE")
    if (address - partition._row[2]) % _SECTOR:
        raise OSError(-258, "ESP_ERR_INVALID_ARG")
    _change(opcodes.FLASH_ERASE, address, struct.pack("<I", count))


def _whole(work, *arguments):
    """littlefs relies on it that what it asked for was done: no Ctrl-C and no want of heap gets in between."""
    try:
        return work(*arguments)
    except MemoryError:
        return work(*arguments)
    except KeyboardInterrupt:
        work(*arguments)
        raise


def read_blocks(partition, block, buffer, offset=0):
    _whole(read_flash, _locate(partition, block, offset, len(buffer)), buffer)


def write_blocks(partition, block, buffer, offset=None):
    view = memoryview(buffer)
    address = _locate(partition, block, offset or 0, len(view))
    if offset is None:
        _whole(_erase, partition, address, len(view))
    for start in range(0, len(view), _SECTOR):
        _whole(_change, opcodes.FLASH_WRITE, address + start, bytes(view[start : start + _SECTOR]))


def control(partition, request, argument):
    if request == 4:
        return partition._row[3] // partition._block
    if request == 5:
        return partition._block
    if request == 6:
        _whole(_erase, partition, _locate(partition, argument, 0, partition._block), partition._block)
        return 0
    return 0 if request in (1, 2, 3) else None


def read(fd, buffer):
    return max(0, _read(fd, buffer, len(buffer)))
