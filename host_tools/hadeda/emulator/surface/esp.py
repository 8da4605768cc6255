"""`esp`: the flash by address, and settings of the vendor's library that have nothing to act on here."""

import struct
import _host
import _wire
import opcodes
from _boot_info import info
from flashbdev import bdev

LOG_NONE, LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_VERBOSE = 0, 1, 2, 3, 4, 5
_SECTOR = 4096


def osdebug(what, level=None):
    """The emulated board has no library that logs."""


def flash_size():
    return info["flash_bytes"]


def flash_user_start():
    return bdev.info()[2]


def flash_read(address, target):
    """Into a buffer, or as many bytes as the number says."""
    buffer = bytearray(target) if isinstance(target, int) else memoryview(target)
    _host.read_flash(address, buffer)
    return buffer if isinstance(target, int) else None


def flash_write(address, data):
    view = memoryview(data)
    for start in range(0, len(view), _SECTOR):
        head = struct.pack("<I", address + start)
        _wire.request(opcodes.FLASH_WRITE, head + bytes(view[start : start + _SECTOR]))


def flash_erase(sector):
    _wire.request(opcodes.FLASH_ERASE, struct.pack("<II", sector * _SECTOR, _SECTOR))


def gpio_matrix_in(pin, signal, invert=False):
    """Accepted; peripherals are wired by the board's description."""


def gpio_matrix_out(pin, signal, invert=False, enable=False):
    """Accepted, as gpio_matrix_in."""
