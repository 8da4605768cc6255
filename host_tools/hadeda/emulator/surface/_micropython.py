"""`micropython`, with a `kbd_intr` that the emulated serial port hears of."""

import struct
import _wire
import opcodes
from micropython import (
    RingIO,
    alloc_emergency_exception_buf,
    const,
    heap_lock,
    heap_unlock,
    mem_info,
    opt_level,
    qstr_info,
    schedule,
    stack_use,
)


def kbd_intr(char):
    """What interrupts a program: 3 (Ctrl-C), or -1 for nothing, and then all bytes are data."""
    state = opcodes.CONSOLE_BINARY if char < 0 else opcodes.CONSOLE_PROGRAM
    _wire.request(opcodes.CONSOLE, struct.pack("<B", state))
