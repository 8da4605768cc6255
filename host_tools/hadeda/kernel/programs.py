"""What the kernel executes: scalar multiplication on P-256 as lists of words, and the registers they use.

Points are homogeneous projective, x = X/Z and y = Y/Z. Additions and doublings are the complete formulas for a = -3 of
Renes, Costello and Batina, "Complete addition formulas for prime order elliptic curves" (2016), Algorithms 4 and 6:
no pair of points is an exception, neither equal nor opposite ones nor the point at infinity (0 : y : 0).

A point of a comb lies in its table as plain numbers; to Montgomery's products they are x/R and y/R, so that the same
point is (x : y : 1) with a plain 1: it needs no conversion, only the Z2 = 1/R that `ONE` then stands for.
"""

from hadeda.kernel import machine
from hadeda.kernel.machine import (
    ADD,
    CALL,
    COUNT,
    END,
    GET,
    INVERT,
    LOOP,
    MULTIPLY,
    MULTIPLY_ORDER,
    PICK,
    PUT,
    RETURN,
    STEP,
    SUBTRACT,
    SUBTRACT_ORDER,
    SWAP,
    WINDOW_AT,
)

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CURVE_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
R = 1 << 256
SIZE = 32

# Registers. What comes first are constants; machine.ORDER_AT says where the order has to be
ORDER, _ORDER_INVERSES, FIELD, _FIELD_INVERSES, B, ONE, R_CUBED, ORDER_R_CUBED = range(8)
STRETCH = 8
X, Y, Z = 9, 10, 11
T0, T1, T2, T3, T4, T5 = 12, 13, 14, 15, 16, 17
X2, Y2, Z2 = 18, 19, 20
CHECK = 21  # has to be 0 in the end
POINTS = 22
# Of a signature, where points were
NONCE, PRIVATE, HASH, FACTOR, SIGNATURE_R, SIGNATURE_S = range(POINTS, POINTS + 6)
SIGNATURE_INPUTS = NONCE  # the first four


def _inverses(modulus: int) -> int:
    """What lies behind a modulus: two words."""
    return pow(modulus, -1, 1 << 30) | -pow(modulus, -1, 1 << 32) % (1 << 32) << 32


CONSTANTS = (N, _inverses(N), P, _inverses(P), CURVE_B * R % P, 1, R**3 % P, R**3 % N)

# The generator's comb: four tables, ten columns. A slot holds one point of each of two tables, and a product.
TABLES, COLUMNS, SLOT = 4, 10, 5
PRODUCT = 4
PAIRS = TABLES // 2 * COLUMNS
SUM = 2  # registers of a column's sum, when it is alone
# A key's comb: two tables, twenty columns of a slot each, behind the generator's sums
KEY_TABLES, KEY_COLUMNS = 2, 20
KEY_POINTS = POINTS + SUM * COLUMNS
REGISTERS = POINTS + SLOT * PAIRS  # without a key's points
REGISTERS_BOTH = KEY_POINTS + SLOT * KEY_COLUMNS


class Program:
    """Words, and where each part of them starts."""

    def __init__(self) -> None:
        self._words: list[bytes] = []
        self.starts: dict[str, int] = {}

    def part(self, name: str) -> None:
        self.starts[name] = len(self._words)

    def put(self, operation: str, d: int = 0, a: int = 0, b: int = 0) -> None:
        self._words.append(bytes((machine.CODES[operation], d & 0xFF, a, b)))

    def call(self, name: str) -> None:
        back = len(self._words) + 1 - self.starts[name]
        self.put(CALL, 0, back & 0xFF, back >> 8)

    def loop(self, times: int) -> "Loop":
        return Loop(self, times)

    def formula(self, text: str, modulo_order: bool = False) -> None:
        """Statements `d = a + b`, `d = a - b` or `d = a * b` over the registers' names, one after another."""
        operations = {"+": ADD, "-": SUBTRACT, "*": MULTIPLY}
        if modulo_order:
            operations = {"-": SUBTRACT_ORDER, "*": MULTIPLY_ORDER}
        for statement in text.replace("\n", ";").split(";"):
            if statement.strip():
                d, _, a, operation, b = statement.split()
                self.put(operations[operation], globals()[d], globals()[a], globals()[b])

    def raw(self, *word: int) -> None:
        self._words.append(bytes(value & 0xFF for value in word))

    @property
    def length(self) -> int:
        return len(self._words)

    def data(self) -> bytes:
        return b"".join(self._words)


class Loop:
    """`with program.loop(times):` repeats what is put down inside."""

    def __init__(self, program: Program, times: int) -> None:
        self._program = program
        self._times = times
        self._start = 0

    def __enter__(self) -> None:
        self._program.put(COUNT, 0, self._times)
        self._start = self._program.length

    def __exit__(self, *_error: object) -> None:
        self._program.put(LOOP, 0, self._program.length + 1 - self._start)


def assemble() -> Program:
    """Every program, in one piece: parts named as the node calls them."""
    program = Program()
    _add(program)
    _double(program)
    _picks(program)
    _sums(program)
    _both(program)
    _generator(program)
    _inverse(program)
    _signature(program)
    return program


def _add(program: Program) -> None:
    """(X : Y : Z) += (X2 : Y2 : Z2): Algorithm 4, its steps in an order that needs no second place for the result."""
    program.part("ADD")
    program.formula("""
        T3 = X + Y; T4 = Y + Z; T5 = X + Z
        T0 = X * X2; T1 = Y * Y2; T2 = Z * Z2
        X = X2 + Y2; T3 = T3 * X; X = T0 + T1; T3 = T3 - X
        X = Y2 + Z2; T4 = T4 * X; X = T1 + T2; T4 = T4 - X
        X = X2 + Z2; T5 = T5 * X; X = T0 + T2; Y = T5 - X
        Z = B * T2; X = Y - Z; Z = X + X; X = X + Z; Z = T1 - X; X = T1 + X
        Y = B * Y; T1 = T2 + T2; T2 = T1 + T2; Y = Y - T2; Y = Y - T0; T1 = Y + Y; Y = T1 + Y
        T1 = T0 + T0; T0 = T1 + T0; T0 = T0 - T2
        T1 = T4 * Y; T2 = T0 * Y; Y = X * Z; Y = Y + T2
        X = T3 * X; X = X - T1; Z = T4 * Z; T1 = T3 * T0; Z = Z + T1
    """)
    program.put(RETURN)


def _double(program: Program) -> None:
    """(X : Y : Z) += (X : Y : Z): Algorithm 6."""
    program.part("DOUBLE")
    program.formula("""
        T0 = X * X; T1 = Y * Y; T2 = Z * Z; T3 = X * Y; T3 = T3 + T3; T4 = Y * Z
        Z = X * Z; Z = Z + Z; Y = B * T2; Y = Y - Z; X = Y + Y; Y = X + Y
        X = T1 - Y; Y = T1 + Y; Y = X * Y; X = X * T3
        T3 = T2 + T2; T2 = T2 + T3; Z = B * Z; Z = Z - T2; Z = Z - T0; T3 = Z + Z; Z = Z + T3
        T3 = T0 + T0; T0 = T3 + T0; T0 = T0 - T2; T0 = T0 * Z; Y = Y + T0
        T0 = T4 + T4; Z = T0 * Z; X = X - Z; Z = T0 * T1; Z = Z + Z; Z = Z + Z
    """)
    program.put(RETURN)


def _picks(program: Program) -> None:
    """PICK_0 to PICK_3: the generator's points, ten of each table. PICK_KEY_0 and 1: a key's, twenty of each.

    Highest columns come first: that is the order in which they are added.
    """
    for table in range(TABLES):
        program.part(f"PICK_{table}")
        last = PAIRS - TABLES // 2 + table // 2  # the slot of column 0
        program.put(PICK, POINTS + SLOT * last + 2 * (table % 2))
        program.raw(COLUMNS, -SLOT * TABLES // 2, COLUMNS * table, 0)
        program.put(END)
    for table in range(KEY_TABLES):
        program.part(f"PICK_KEY_{table}")
        program.put(PICK, KEY_POINTS + SLOT * (KEY_COLUMNS - 1) + 2 * table)
        program.raw(KEY_COLUMNS, -SLOT, KEY_COLUMNS * table, 0)
        program.put(END)


def _invert_field(program: Program, d: int, a: int) -> None:
    """d = 1 / a in Montgomery's form."""
    program.put(INVERT, d, a, FIELD)
    program.put(MULTIPLY, d, d, R_CUBED)


def _sum_pairs(program: Program, first: int, pairs: int, step: int, second: int) -> None:
    """The point at `first` becomes its sum with the one `second` registers on, `pairs` times, `step` apart.

    One inversion for all of them (Montgomery's trick), blinded by STRETCH. The affine formula has no exception here:
    the x of what is added are never equal, whatever the digits (test_kernel_programs.py tries them all).
    """
    program.put(MULTIPLY, T0, STRETCH, STRETCH)
    program.put(WINDOW_AT, first)
    with program.loop(pairs):
        program.put(GET, T1, 0)
        program.put(GET, T2, second)
        program.put(PUT, T0, PRODUCT)
        program.put(SUBTRACT, T1, T2, T1)
        program.put(MULTIPLY, T0, T0, T1)
        program.put(STEP, step)
    _invert_field(program, T0, T0)
    with program.loop(pairs):
        program.put(STEP, -step)
        for register, place in ((X, 0), (Y, 1), (X2, second), (Y2, second + 1), (T1, PRODUCT)):
            program.put(GET, register, place)
        program.formula("""
            T2 = X2 - X; T1 = T0 * T1; T0 = T0 * T2; T2 = Y2 - Y; T1 = T1 * T2
            T2 = T1 * T1; T2 = T2 * ONE; T2 = T2 - X; T2 = T2 - X2
            X = X - T2; X = T1 * X; X = X - Y
        """)
        program.put(PUT, T2, 0)
        program.put(PUT, X, 1)


def _sums(program: Program) -> None:
    """SUMS: the generator's picked points, four a column, become one sum a column, at POINTS."""
    program.part("SUMS")
    _sum_pairs(program, POINTS, PAIRS, SLOT, 2)  # of tables 0 and 1, and of 2 and 3
    _sum_pairs(program, POINTS, COLUMNS, 2 * SLOT, SLOT)  # and of these
    program.put(WINDOW_AT, 0)
    for column in range(COLUMNS):
        for coordinate in range(SUM):
            program.put(GET, POINTS + SUM * column + coordinate, POINTS + 2 * SLOT * column + coordinate)
    program.put(END)


def _first_point(program: Program, step: int) -> None:
    """(X : Y : Z) = the point at the window, its coordinates multiplied by STRETCH; and Z2 for all that follow."""
    _next_point(program, step)
    program.formula("X = X2 * STRETCH; Y = Y2 * STRETCH; Z = ONE * STRETCH; Z2 = ONE + X; Z2 = Z2 - X")


def _next_point(program: Program, step: int) -> None:
    program.put(GET, X2, 0)
    program.put(GET, Y2, 1)
    program.put(STEP, step)


def _add_next(program: Program, step: int) -> None:
    _next_point(program, step)
    program.call("ADD")


def _both(program: Program) -> None:
    """BOTH: (X : Y : Z) = the sum of a key's picked points and, in the last ten columns, the generator's sums."""
    program.part("BOTH")
    _sum_pairs(program, KEY_POINTS, KEY_COLUMNS, SLOT, 2)
    program.put(WINDOW_AT, POINTS)
    program.put(SWAP)
    program.put(WINDOW_AT, KEY_POINTS)
    _first_point(program, SLOT)
    with program.loop(KEY_COLUMNS - COLUMNS - 1):
        program.call("DOUBLE")
        _add_next(program, SLOT)
    with program.loop(COLUMNS):
        program.call("DOUBLE")
        _add_next(program, SLOT)
        program.put(SWAP)
        _add_next(program, SUM)
        program.put(SWAP)
    program.put(END)


def _generator(program: Program) -> None:
    """GENERATOR: (X : Y : Z) = the sum of the generator's sums; and then AFFINE.

    AFFINE: X, Y = the point (X : Y : Z) as plain numbers; 0, 0 at infinity.
    CHECK is y^2 - (x^3 - 3x + b), computed from these plain numbers: 0 unless the point left the curve.
    """
    program.part("GENERATOR")
    program.put(WINDOW_AT, POINTS)
    _first_point(program, SUM)
    with program.loop(COLUMNS - 1):
        program.call("DOUBLE")
        _add_next(program, SUM)
    program.part("AFFINE")
    _invert_field(program, T0, Z)
    program.formula("""
        X = X * T0; Y = Y * T0; X = X * ONE; Y = Y * ONE
        T0 = X * R_CUBED; T0 = T0 * ONE; T1 = Y * R_CUBED; T1 = T1 * ONE
        T2 = T0 * T0; T2 = T2 * T0; T3 = T0 + T0; T3 = T3 + T0; T2 = T2 - T3; T2 = T2 + B
        T1 = T1 * T1; CHECK = T1 - T2
    """)
    program.put(END)


def _inverse(program: Program) -> None:
    """INVERSE: X = 1 / X modulo n, of and to plain numbers."""
    program.part("INVERSE")
    program.put(INVERT, X, X, ORDER)
    program.put(END)


def _signature(program: Program) -> None:
    """SIGNATURE: r = X mod n, s = (hash + r * private) / nonce mod n, all of them plain numbers.

    What is inverted, and the private key where it is used, are multiplied by FACTOR, random and not 0. CHECK is
    s * nonce - r * private - hash, over R.
    """
    program.part("SIGNATURE")
    program.formula(
        """
        SIGNATURE_R = X * ORDER_R_CUBED; SIGNATURE_R = SIGNATURE_R * ONE; SIGNATURE_R = SIGNATURE_R * ONE
        T1 = PRIVATE * FACTOR; T1 = T1 * SIGNATURE_R; T2 = HASH * FACTOR; T2 = T2 * ONE
        T3 = ONE - ONE; T3 = T3 - T2; T1 = T1 - T3
        T0 = NONCE * FACTOR
        """,
        modulo_order=True,
    )
    program.put(INVERT, T0, T0, ORDER)
    program.formula(
        """
        SIGNATURE_S = T1 * T0; SIGNATURE_S = SIGNATURE_S * ORDER_R_CUBED
        T1 = SIGNATURE_S * NONCE; T2 = SIGNATURE_R * PRIVATE; T1 = T1 - T2; T2 = HASH * ONE; CHECK = T1 - T2
        """,
        modulo_order=True,
    )
    program.put(END)
