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
    PICK,
    PUT,
    RETURN,
    STEP,
    SUBTRACT,
    WINDOW_AT,
)

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CURVE_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
R = 1 << 256
SIZE = 32

# Registers. What comes first are constants.
B, ONE, R_CUBED, FIELD, FIELD_30, ORDER, ORDER_30 = range(7)
STRETCH = 7
X, Y, Z = 8, 9, 10
T0, T1, T2, T3, T4, T5 = 11, 12, 13, 14, 15, 16
X2, Y2, Z2 = 17, 18, 19
KEPT_X, KEPT_Y, KEPT_Z = 20, 21, 22
POINTS = 23
CONSTANTS = (
    CURVE_B * R % P,
    1,
    R**3 % P,
    P,
    pow(P, -1, 1 << 30),
    N,
    pow(N, -1, 1 << 30),
)

# The generator's comb: four tables, ten columns. A slot holds one point of each table of a pair, and a product.
TABLES, COLUMNS, SLOT = 4, 10, 5
PAIRS = TABLES // 2 * COLUMNS
# A key's comb: one table, forty columns of one point each
KEY_COLUMNS, KEY_SLOT = 40, 2
REGISTERS = POINTS + SLOT * PAIRS

Word = tuple[str, int, int, int] | bytes


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

    def formula(self, text: str) -> None:
        """Statements `d = a + b`, `d = a - b` or `d = a * b` over the registers' names, one after another."""
        operations = {"+": ADD, "-": SUBTRACT, "*": MULTIPLY}
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
    _generator(program)
    _key(program)
    _keep(program)
    _inverse(program)
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
    """PICK_0 to PICK_3: the generator's points, ten of each table. PICK_KEY: forty of a key's only table.

    Highest columns come first: that is the order in which they are added.
    """
    for table in range(TABLES):
        program.part(f"PICK_{table}")
        last = PAIRS - TABLES // 2 + table // 2  # the slot of column 0
        program.put(PICK, POINTS + SLOT * last + 2 * (table % 2))
        program.raw(COLUMNS, -SLOT * TABLES // 2, COLUMNS * table, 0)
        program.put(END)
    program.part("PICK_KEY")
    program.put(PICK, POINTS + KEY_SLOT * (KEY_COLUMNS - 1))
    program.raw(KEY_COLUMNS, -KEY_SLOT, 0, 0)
    program.put(END)


def _invert_field(program: Program, d: int, a: int) -> None:
    """d = 1 / a in Montgomery's form."""
    program.put(INVERT, d, a, FIELD)
    program.put(MULTIPLY, d, d, R_CUBED)


def _sum_pairs(program: Program) -> None:
    """The first point of every slot becomes the sum of both, for one inversion in all (Montgomery's trick).

    The points of a pair come from two tables none of whose x are equal: here the affine formula has no exception.
    What is inverted is blinded by STRETCH.
    """
    program.put(MULTIPLY, T0, STRETCH, STRETCH)
    program.put(WINDOW_AT, POINTS)
    with program.loop(PAIRS):
        program.put(GET, T1, 0)
        program.put(GET, T2, 2)
        program.put(PUT, T0, 4)
        program.put(SUBTRACT, T1, T2, T1)
        program.put(MULTIPLY, T0, T0, T1)
        program.put(STEP, SLOT)
    _invert_field(program, T0, T0)
    with program.loop(PAIRS):
        program.put(STEP, -SLOT)
        for register, place in ((X, 0), (Y, 1), (X2, 2), (Y2, 3), (T1, 4)):
            program.put(GET, register, place)
        program.formula("""
            T2 = X2 - X; T1 = T0 * T1; T0 = T0 * T2; T2 = Y2 - Y; T1 = T1 * T2
            T2 = T1 * T1; T2 = T2 * ONE; T2 = T2 - X; T2 = T2 - X2
            X = X - T2; X = T1 * X; X = X - Y
        """)
        program.put(PUT, T2, 0)
        program.put(PUT, X, 1)


def _next_point(program: Program, slot: int) -> None:
    program.put(GET, X2, 0)
    program.put(GET, Y2, 1)
    program.put(STEP, slot)


def _first_point(program: Program, slot: int) -> None:
    """(X : Y : Z) = the first point, its coordinates multiplied by STRETCH; and Z2 for all that follow."""
    program.put(WINDOW_AT, POINTS)
    _next_point(program, slot)
    program.formula("X = X2 * STRETCH; Y = Y2 * STRETCH; Z = ONE * STRETCH; Z2 = ONE + X; Z2 = Z2 - X")


def _generator(program: Program) -> None:
    """GENERATOR: (X : Y : Z) = sum over the columns of all PICKed points. Then AFFINE."""
    program.part("GENERATOR")
    _sum_pairs(program)
    _first_point(program, SLOT)
    _next_point(program, SLOT)
    program.call("ADD")
    with program.loop(COLUMNS - 1):
        program.call("DOUBLE")
        for _ in range(TABLES // 2):
            _next_point(program, SLOT)
            program.call("ADD")
    program.put(END)


def _key(program: Program) -> None:
    """KEY: the same for the points of a key's comb; the sum is kept."""
    program.part("KEY")
    _first_point(program, KEY_SLOT)
    with program.loop(KEY_COLUMNS - 1):
        program.call("DOUBLE")
        _next_point(program, KEY_SLOT)
        program.call("ADD")
    program.put(WINDOW_AT, KEPT_X)
    for register in (X, Y, Z):
        program.put(PUT, register, register - X)
    program.put(END)


def _keep(program: Program) -> None:
    """BOTH: add the sum that was kept. AFFINE: X, Y = the point as plain numbers, 0, 0 at infinity."""
    program.part("BOTH")
    program.put(WINDOW_AT, KEPT_X)
    for register in (X2, Y2, Z2):
        program.put(GET, register, register - X2)
    program.call("ADD")
    program.part("AFFINE")
    _invert_field(program, T0, Z)
    program.formula("X = X * T0; Y = Y * T0; X = X * ONE; Y = Y * ONE")
    program.put(END)


def _inverse(program: Program) -> None:
    """INVERSE: X = 1 / X modulo n, of and to plain numbers."""
    program.part("INVERSE")
    program.put(INVERT, X, X, ORDER)
    program.put(END)
