"""`micropython`, with a `kbd_intr` that the emulated serial port hears of."""

import _host
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


_STATES = bytes((opcodes.CONSOLE_PROGRAM,)), bytes((opcodes.CONSOLE_BINARY,))


def kbd_intr(char):
    """What interrupts a program: 3 (Ctrl-C), or -1 for nothing, and then all bytes are data.

    It is C on a board, where nothing interrupts: nor here, without a jump.
    """
    _host.exchange(opcodes.CONSOLE, _STATES[char < 0])
