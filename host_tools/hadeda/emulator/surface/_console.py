"""The board's serial console: friendly REPL, raw REPL and raw paste, as `shared/runtime/pyexec` offers them.

Unix releases before 1.27 have no raw REPL, so it is served from here. `mpremote` talks to it.
"""

import io
import sys
import struct
import uselect
import _host
import _wire
import opcodes

_CTRL_A, _CTRL_B, _CTRL_C, _CTRL_D, _CTRL_E = b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"
_OPENING, _CLOSING = b"([{", b")]}"
_COMPOUND = (b"if ", b"while ", b"for ", b"try:", b"with ", b"def ", b"class ", b"async ", b"@")
_FOREVER_US = 1 << 40
_WINDOW = 2048  # bytes the sender may be ahead in raw paste mode

_out = sys.stdout.buffer
_STDIN = 0
_one = bytearray(1)
_PROGRAM = bytes((opcodes.CONSOLE_PROGRAM,))
_typed = uselect.poll()
_typed.register(sys.stdin, uselect.POLLIN)


def write(data):
    _out.write(data)


def _wait_for_input():
    """Timers ring while nobody types. The ready bit may be that of a byte which is read already."""
    bit = 1 << opcodes.READY_CONSOLE
    while not _typed.poll(0):
        _wire.sleep_us(_FOREVER_US, 0xFFFFFFFF & ~bit, True)


def _read_byte():
    """One byte from the host; a Ctrl-C at the prompt is a byte like any other."""
    _wait_for_input()
    if not _host.read(_STDIN, _one):
        raise SystemExit
    return bytes(_one)


def _set_state(state):
    """Tell the host who reads what is typed."""
    _wire.request(opcodes.CONSOLE, struct.pack("<B", state))


def run(source, scope, name="<stdin>", mode="exec", raw=False, starve_after=0):
    """Compile and run. Returns the exception or None; `raw` is the REPL that a soft reset comes back to.

    `starve_after`: from which of its allocations on a few fail; 0 for none.
    """
    outcome = []
    try:
        _run(source, scope, name, mode, outcome, starve_after)
    except KeyboardInterrupt as second:  # while the first was being dealt with
        outcome.append(second)
    _back_to_prompt()
    error = outcome[0] if outcome else None
    if isinstance(error, SystemExit):
        soft_reset(raw)
    return error


def _run(source, scope, name, mode, outcome, starve_after):
    """A Ctrl-C interrupts from the program's first jump on: here, none may come between."""
    try:
        code = compile(source, name, mode)
        if starve_after:
            _host.starve(starve_after)
        _host.exchange(opcodes.CONSOLE, _PROGRAM)
        exec(code, scope)
    except BaseException as error:
        if starve_after:
            _host.starve(0)  # its heap was short, not the console's
        outcome.append(error)


def _back_to_prompt():
    """No Ctrl-C from here on: a last one may be on its way until the host has answered."""
    while True:
        try:
            _set_state(opcodes.CONSOLE_PROMPT)
            for _ in range(2):
                pass  # a pending interrupt is raised at a jump
            return
        except KeyboardInterrupt:
            pass


def print_error(error):
    """The traceback as a board shows it: what is frozen here is C there, and leaves no trace."""
    text = io.StringIO()
    sys.print_exception(error, text)
    for line in text.getvalue().rstrip("\n").split("\n"):
        if not line.startswith('  File "surface/'):
            print(line)


def soft_reset(raw):
    write(b"MPY: soft reboot\r\n")
    _wire.request(opcodes.EXIT, struct.pack("<BQB", opcodes.EXIT_SOFT, 0, 1 if raw else 0))


def raw_repl(scope):
    """Until Ctrl-B. Answers OK, output, 0x04, error, 0x04 to every program that ends in Ctrl-D."""
    write(b"raw REPL; CTRL-B to exit\r\n")
    while True:
        write(b">")
        source, pasted = _raw_source()
        if source is None:
            return
        if not source and not pasted:
            write(b"OK\r\n")
            soft_reset(True)
        if not pasted:
            write(b"OK")
        error = run(source, scope, raw=True)
        write(_CTRL_D)
        if error is not None:
            print_error(error)
        write(_CTRL_D)


def _raw_source():
    """(program, came by raw paste); program is None on Ctrl-B."""
    source = bytearray()
    while True:
        byte = _read_byte()
        if byte == _CTRL_D:
            return bytes(source), False
        if byte == _CTRL_B:
            return None, False
        if byte == _CTRL_A:
            write(b"raw REPL; CTRL-B to exit\r\n>")
            source = bytearray()
        elif byte == _CTRL_C:
            source = bytearray()
        elif byte == _CTRL_E and not source:
            return _raw_paste()
        else:
            source += byte


def _raw_paste():
    """After Ctrl-E: 'A' 0x01 asks for the mode; then the program in windows, ended by Ctrl-D."""
    if _read_byte() != b"A" or _read_byte() != _CTRL_A:
        write(b"R\x00")
        return b"", False
    write(b"R\x01" + struct.pack("<H", _WINDOW) + b"\x01")
    source = bytearray()
    buffer = bytearray(256)
    credit = _WINDOW
    while True:
        _wait_for_input()
        count = _host.read(_STDIN, buffer)
        if not count:
            raise SystemExit
        if buffer.find(_CTRL_C, 0, count) >= 0:
            write(_CTRL_D)
            return b"raise KeyboardInterrupt", True
        end = buffer.find(_CTRL_D, 0, count)
        source += memoryview(buffer)[: count if end < 0 else end]
        if end >= 0:
            write(_CTRL_D)
            return bytes(source), True
        credit -= count
        if credit <= 0:
            write(b"\x01")
            credit += _WINDOW


def friendly_repl(scope, banner):
    """Until Ctrl-A (raw REPL). One line or one indented block at a time."""
    write(banner)
    while True:
        source = _read_statement()
        if source == _CTRL_A:
            return
        if source == _CTRL_B:
            write(b"\r\n" + banner)
        elif source == _CTRL_D:
            write(b"\r\n")
            soft_reset(False)
        elif source == _CTRL_E:
            source = _pasted()
            if source is None:
                return
            _run_friendly(source, scope, "exec")
        elif source.strip():
            _run_friendly(source, scope, "single")


def _run_friendly(source, scope, mode):
    error = run(str(source, "utf8"), scope, mode=mode)
    if error is not None:
        print_error(error)


def _read_statement():
    lines = []
    while True:
        line = _read_line(b"... " if lines else b">>> ")
        if line in (_CTRL_A, _CTRL_B, _CTRL_D, _CTRL_E):
            return line
        if line == _CTRL_C:
            lines = []
            continue
        lines.append(line)
        if not _goes_on(lines):
            return b"\n".join(lines) + b"\n"


def _goes_on(lines):
    """Whether a statement is not at its end: a block until an empty line, or a bracket that is open."""
    text = b"\n".join(lines)
    depth = sum((byte in _OPENING) - (byte in _CLOSING) for byte in text)
    block = any(lines[0].startswith(word) for word in _COMPOUND)
    return (lines[-1].strip() and block) or depth > 0


def _pasted():
    """Paste mode: everything up to Ctrl-D, nothing on Ctrl-C; None when raw paste was asked for.

    mpremote does not notice a reset within a chain of commands (`reset + sleep 1 + ls`) and asks the friendly REPL for
    raw paste. A stock board takes that for pasted text and mpremote gives up; this one takes it for what it means.
    """
    write(b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
    text = b""
    while True:
        byte = _read_byte()
        if byte in (_CTRL_C, _CTRL_D):
            write(b"\r\n")
            return text if byte == _CTRL_D else b""
        if byte == _CTRL_A and text == b"A":
            return None
        text += b"\n" if byte == b"\r" else byte
        write(b"\r\n=== " if byte == b"\r" else byte)


def _read_line(prompt):
    write(prompt)
    line = b""
    while True:
        byte = _read_byte()
        if byte in (b"\r", b"\n"):
            write(b"\r\n")
            return line
        if byte in (_CTRL_A, _CTRL_B, _CTRL_D, _CTRL_E) and not line:
            return byte
        if byte == _CTRL_C:
            write(b"\r\n")
            return _CTRL_C
        if byte in (b"\x7f", b"\x08"):
            if line:
                line = line[:-1]
                write(b"\x08 \x08")
        elif byte >= b" " or byte == b"\t":
            line += byte
            write(byte)
