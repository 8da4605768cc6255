"""The kernel: one assembler function that executes a list of words over registers of 256 bits.

    run(registers, program, start, table, signs, used)

`registers` is a bytearray of 32 bytes a register, least limb first. A word of the program is four bytes: operation,
destination, a, b, each but the first the number of a register unless the operation says otherwise. One call executes
words from `start` (counted in words) until END. The arguments from `table` on are what PICK reads and writes.

It is called as MicroPython calls viper functions: (function, arguments, keywords, array of arguments) in a0 to a3. Of
a bytes or bytearray object the word at offset 12 points to the content.
"""

from hadeda.kernel import field, inverse, order, pick
from hadeda.kernel.assembly import SAVED, Assembly

NAME = "run"
FRAME = 304
OTHER_WINDOW = 80
LINK, COUNTER, TABLE, SIGNS, USED, REGISTERS_AT = 4, 8, 12, 16, 20, 24
ORDER_AT = 0  # in the registers: n, and behind it what order.py and inverse.py want of it
POINTER_AT = 12  # in bytes and bytearray objects: the content
DISPATCH, BASE, PROGRAM, WINDOW = "s9", "s10", "s11", "s8"

# Operations, in the order of the dispatcher's table. WINDOW is a register number that STEP moves along.
END = "END"
MULTIPLY = "MULTIPLY"  # d = a * b / 2^256 mod p
ADD = "ADD"  # d = a + b mod p
SUBTRACT = "SUBTRACT"  # d = a - b mod p
INVERT = "INVERT"  # d = 1 / a modulo b
MULTIPLY_ORDER = "MULTIPLY_ORDER"  # d = a * b / 2^256 mod n
SUBTRACT_ORDER = "SUBTRACT_ORDER"  # d = a - b mod n
PICK = "PICK"  # points from a table, see pick.py; takes the next word too
GET = "GET"  # d = register WINDOW + a
PUT = "PUT"  # register WINDOW + a = d
WINDOW_AT = "WINDOW_AT"  # WINDOW = d
SWAP = "SWAP"  # WINDOW and another one change places
STEP = "STEP"  # WINDOW += d, signed
COUNT = "COUNT"  # counter = a
LOOP = "LOOP"  # back by a words unless the counter, taken down by one, is 0
CALL = "CALL"  # go on a + 256 * b words before this; one level
RETURN = "RETURN"  # go on behind the last CALL


def source() -> str:
    """The function's text for MicroPython."""
    code = Assembly()
    _enter(code)
    dispatcher_at = _skip_handlers(code)
    for name, handler in HANDLERS.items():
        code.label(f"op_{name}")
        handler(code)
        if name != END:
            code.put("jalr", "zero", DISPATCH, 0)
    if code.size != dispatcher_at:
        raise AssertionError(f"the handlers end at {code.size}, not at {dispatcher_at}")
    _dispatch(code)
    return f"@micropython.asm_rv32\ndef {NAME}(a0, a1, a2, a3):\n{code.text()}"


def _enter(code: Assembly) -> None:
    code.put("addi", "sp", "sp", -FRAME)
    for at, register in enumerate(SAVED):
        code.load("sw", register, REGISTERS_AT + 4 * at, "sp")
    for argument, place in ((3, TABLE), (4, SIGNS), (5, USED)):
        code.load("lw", "t0", 4 * argument, "a3")
        code.load("lw", "t0", POINTER_AT, "t0")
        code.load("sw", "t0", place, "sp")
    code.load("lw", "t0", 0, "a3")
    code.load("lw", BASE, POINTER_AT, "t0")
    code.load("lw", "t0", 4, "a3")
    code.load("lw", PROGRAM, POINTER_AT, "t0")
    code.load("lw", "t0", 8, "a3")
    code.put("srli", "t0", "t0", 1)  # a small integer
    code.put("slli", "t0", "t0", 2)
    code.put("add", PROGRAM, PROGRAM, "t0")


def _skip_handlers(code: Assembly) -> int:
    """Go to the dispatcher behind the handlers, and remember where it is: `label` knows only what is behind us."""
    here = code.size
    dispatcher_at = here + 16 + _size_of_handlers()
    distance = dispatcher_at - here
    low = (distance + 0x800 & 0xFFF) - 0x800
    code.put("auipc", DISPATCH, distance - low >> 12)
    code.put("addi", DISPATCH, DISPATCH, low)
    code.copy(WINDOW, BASE)
    code.put("jalr", "zero", DISPATCH, 0)
    return dispatcher_at


def _size_of_handlers() -> int:
    code = Assembly()
    for name, handler in HANDLERS.items():
        handler(code)
        if name != END:
            code.put("jalr", "zero", DISPATCH, 0)
    return code.size


def _dispatch(code: Assembly) -> None:
    """Addresses of the operands in a0, a1, a2; PROGRAM points to the next word."""
    operands = ("a0", "a1", "a2")
    code.load("lbu", "t0", 0, PROGRAM)
    for at, register in enumerate(operands):
        code.load("lbu", register, at + 1, PROGRAM)
    code.put("addi", PROGRAM, PROGRAM, 4)
    code.put("slli", "t0", "t0", 2)
    code.put("add", "t0", "t0", DISPATCH)
    for register in operands:
        code.put("slli", register, register, 5)
        code.put("add", register, register, BASE)
    code.put("jalr", "zero", "t0", 4 * (len(operands) * 3 + 5))
    for name in HANDLERS:
        code.back_to(f"op_{name}")


def _end(code: Assembly) -> None:
    """Back to the caller, with None of no use and 0 as good: a small integer."""
    for at, register in enumerate(SAVED):
        code.load("lw", register, REGISTERS_AT + 4 * at, "sp")
    code.put("addi", "sp", "sp", FRAME)
    code.put("addi", "a0", "zero", 1)
    code.put("jalr", "zero", "ra", 0)


def _multiply_order(code: Assembly) -> None:
    order.product(code, BASE, ORDER_AT)


def _subtract_order(code: Assembly) -> None:
    order.difference(code, BASE, ORDER_AT)


def _pick(code: Assembly) -> None:
    pick.pick(code, TABLE, SIGNS, USED)
    code.put("addi", PROGRAM, PROGRAM, 4)


def _move(code: Assembly, source: str, target: str) -> None:
    for limb in range(field.LIMBS):
        code.load("lw", "t0", 4 * limb, source)
        code.load("sw", "t0", 4 * limb, target)


def _in_window(code: Assembly) -> None:
    """a1 = address of register WINDOW + a"""
    code.load("lbu", "a1", -2, PROGRAM)
    code.put("slli", "a1", "a1", 5)
    code.put("add", "a1", "a1", WINDOW)


def _get(code: Assembly) -> None:
    _in_window(code)
    _move(code, "a1", "a0")


def _put(code: Assembly) -> None:
    _in_window(code)
    _move(code, "a0", "a1")


def _window_at(code: Assembly) -> None:
    code.copy(WINDOW, "a0")


def _swap(code: Assembly) -> None:
    code.load("lw", "a0", OTHER_WINDOW, "sp")
    code.load("sw", WINDOW, OTHER_WINDOW, "sp")
    code.copy(WINDOW, "a0")


def _step(code: Assembly) -> None:
    code.load("lb", "a0", -3, PROGRAM)
    code.put("slli", "a0", "a0", 5)
    code.put("add", WINDOW, WINDOW, "a0")


def _count(code: Assembly) -> None:
    code.load("lbu", "a0", -2, PROGRAM)
    code.load("sw", "a0", COUNTER, "sp")


def _loop(code: Assembly) -> None:
    """The counter is no secret; without a branch all the same, for want of forward labels."""
    code.load("lw", "a0", COUNTER, "sp")
    code.put("addi", "a0", "a0", -1)
    code.load("sw", "a0", COUNTER, "sp")
    code.put("sltu", "a0", "zero", "a0")
    code.put("sub", "a0", "zero", "a0")
    code.load("lbu", "a1", -2, PROGRAM)
    code.put("slli", "a1", "a1", 2)
    code.put("and_", "a1", "a1", "a0")
    code.put("sub", PROGRAM, PROGRAM, "a1")


def _call(code: Assembly) -> None:
    code.load("sw", PROGRAM, LINK, "sp")
    code.load("lbu", "a0", -2, PROGRAM)  # byte by byte: who knows where a loader puts a program
    code.load("lbu", "a1", -1, PROGRAM)
    code.put("slli", "a1", "a1", 8)
    code.put("or_", "a0", "a0", "a1")
    code.put("slli", "a0", "a0", 2)
    code.put("sub", PROGRAM, PROGRAM, "a0")


def _return(code: Assembly) -> None:
    code.load("lw", PROGRAM, LINK, "sp")


HANDLERS = {
    END: _end,
    MULTIPLY: field.product,
    ADD: field.total,
    SUBTRACT: field.difference,
    INVERT: inverse.inverse,
    MULTIPLY_ORDER: _multiply_order,
    SUBTRACT_ORDER: _subtract_order,
    PICK: _pick,
    GET: _get,
    PUT: _put,
    WINDOW_AT: _window_at,
    SWAP: _swap,
    STEP: _step,
    COUNT: _count,
    LOOP: _loop,
    CALL: _call,
    RETURN: _return,
}
CODES = {name: number for number, name in enumerate(HANDLERS)}
