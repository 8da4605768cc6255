"""The wiring: parts are heard only on their pins at their speed, buffers overflow, a hung bus costs its timeout."""

from __future__ import annotations

import struct

import pytest

from hadeda.board import Board, load
from hadeda.emulator.chips.base import BusHung, Nack
from hadeda.emulator.chips.faults import Nacking
from hadeda.emulator.errors import ENODEV, ETIMEDOUT, BoardOSError
from hadeda.emulator.surface import opcodes
from hadeda.emulator.wiring import I2C_TIMEOUT_US, Wiring
from hadeda.scenario import World

WORLD = World()
BME280, PMS5003 = 0, 1  # the order of sensors in board.toml
TX, RX, BAUD = 25, 26, 9600
SCL, SDA = 22, 21


class Talker:
    """A part on a serial line that says ten bytes a second, and echoes."""

    baudrate = BAUD
    on_event = None

    def __init__(self) -> None:
        self.said_s = 0
        self.echo = b""

    def receive(self, data: bytes, _now: float) -> None:
        self.echo += data

    def next_transmission(self, _now: float) -> float | None:
        return self.said_s + 1.0

    def transmit(self, now: float) -> bytes:
        seconds, self.said_s = int(now) - self.said_s, int(now)
        echo, self.echo = self.echo, b""
        return b"0123456789" * seconds + echo


class Stubborn:
    """A part on I2C that raises what it is told."""

    on_event = None

    def __init__(self, error: Exception) -> None:
        self.error = error

    def write(self, _data: bytes, _now: float) -> None:
        raise self.error

    def read(self, _count: int, _now: float) -> bytes:
        raise self.error


class Bench:
    """A wired board with hands on its time, spoken to as the processor does."""

    def __init__(self) -> None:
        self.board: Board = load("esp32-devkitc-v4")
        self.now_s = 0.0
        self.spent_us = 0
        self.wiring = Wiring(self.board, WORLD, 0, lambda: self.now_s, self._spend)
        self._handlers = self.wiring.handlers()

    def _spend(self, us: int) -> None:
        self.spent_us += us

    def ask(self, opcode: int, payload: bytes) -> bytes:
        return self._handlers[opcode](payload)

    def open_uart(self, tx: int = TX, rx: int = RX, baud: int = BAUD, rxbuf: int = 256) -> None:
        self.ask(opcodes.UART_OPEN, struct.pack("<BbbIH", 1, tx, rx, baud, rxbuf))

    def read_uart(self) -> bytes:
        return self.ask(opcodes.UART_READ, struct.pack("<BH", 1, 0xFFFF))

    def write_i2c(self, address: int, data: bytes = b"\xd0", scl: int = SCL, sda: int = SDA) -> bytes:
        return self.ask(opcodes.I2C_WRITE, struct.pack("<BBIBB", scl, sda, 100_000, address, 1) + data)

    def read_i2c(self, address: int, count: int) -> bytes:
        return self.ask(opcodes.I2C_READ, struct.pack("<BBIBBH", SCL, SDA, 100_000, address, 1, count))


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def talker(bench: Bench) -> Talker:
    talker = Talker()
    bench.wiring.attach(bench.board, PMS5003, talker)
    return talker


@pytest.mark.usefixtures("talker")
def test_uart_hears_what_was_said_since_it_was_opened(bench: Bench) -> None:
    bench.open_uart()
    bench.now_s = 2.5
    assert bench.ask(opcodes.UART_ANY, b"\1") == struct.pack("<H", 20)
    assert bench.read_uart() == b"0123456789" * 2
    assert bench.read_uart() == b""


def test_what_was_said_before_the_uart_was_opened_is_lost_and_not_made_up_before(bench: Bench, talker: Talker) -> None:
    bench.now_s = 3.0
    bench.wiring.listen()
    assert talker.said_s == 0
    bench.open_uart()
    assert talker.said_s == 3
    bench.now_s = 4.0
    assert bench.read_uart() == b"0123456789"


@pytest.mark.usefixtures("talker")
def test_uart_speaks_to_the_part(bench: Bench) -> None:
    bench.open_uart()
    bench.ask(opcodes.UART_WRITE, b"\1ping")
    assert bench.spent_us == pytest.approx(4 * 10 * 1e6 / BAUD, abs=1)
    assert bench.read_uart() == b"ping"


@pytest.mark.usefixtures("talker")
@pytest.mark.parametrize("setup", [(RX, TX, BAUD), (TX, RX, 115_200), (17, 16, BAUD)])
def test_on_wrong_pins_or_at_another_speed_nothing_is_heard(bench: Bench, setup: tuple[int, int, int]) -> None:
    bench.open_uart(*setup)
    bench.ask(opcodes.UART_WRITE, b"\1ping")
    bench.now_s = 5.0
    assert bench.read_uart() == b""


@pytest.mark.usefixtures("talker")
def test_uart_overflow_loses_the_newest(bench: Bench) -> None:
    bench.open_uart(rxbuf=32)
    for second in (1, 2, 3, 4, 5):
        bench.now_s = float(second)
        bench.wiring.listen()
    assert bench.read_uart() == (b"0123456789" * 5)[:32]
    assert bench.wiring.lines[1].overruns == 18


@pytest.mark.usefixtures("talker")
def test_uart_with_bytes_is_ready(bench: Bench) -> None:
    del bench.wiring.lines[2]  # the radar
    bench.open_uart()
    assert not bench.wiring.ready()
    assert bench.wiring.next_event() == 1.0
    bench.now_s = 1.0
    bench.wiring.listen()
    assert bench.wiring.ready() == 1 << (opcodes.READY_UART + 1)


def test_i2c_finds_the_part_where_board_toml_has_it(bench: Bench) -> None:
    bench.write_i2c(0x76)
    assert bench.read_i2c(0x76, 1) == b"\x60", "the BME280's chip id"
    assert bench.spent_us == pytest.approx(2 * 2 * 10 * 1e6 / 100_000, abs=2)


@pytest.mark.parametrize(("address", "pins"), [(0x77, (SCL, SDA)), (0x76, (SDA, SCL)), (0x76, (18, 19))])
def test_i2c_elsewhere_is_nobody(bench: Bench, address: int, pins: tuple[int, int]) -> None:
    with pytest.raises(BoardOSError) as caught:
        bench.write_i2c(address, scl=pins[0], sda=pins[1])
    assert caught.value.code == ENODEV


def test_part_taken_off_the_board_is_nobody(bench: Bench) -> None:
    bench.wiring.remove(bench.board, BME280)
    with pytest.raises(BoardOSError) as caught:
        bench.write_i2c(0x76)
    assert caught.value.code == ENODEV


def test_nack_is_enodev_and_costs_next_to_nothing(bench: Bench) -> None:
    bench.wiring.attach(bench.board, BME280, Stubborn(Nack()))
    with pytest.raises(BoardOSError) as caught:
        bench.read_i2c(0x76, 8)
    assert caught.value.code == ENODEV
    assert bench.spent_us < 1000


def test_hung_bus_is_etimedout_after_50_ms(bench: Bench) -> None:
    bench.wiring.attach(bench.board, BME280, Stubborn(BusHung()))
    with pytest.raises(BoardOSError) as caught:
        bench.write_i2c(0x76)
    assert caught.value.code == ETIMEDOUT
    assert I2C_TIMEOUT_US == 50_000
    assert I2C_TIMEOUT_US <= bench.spent_us < I2C_TIMEOUT_US + 1000


def test_pins_remember_their_level(bench: Bench) -> None:
    assert bench.ask(opcodes.PIN_READ, b"\2") == b"\0"
    bench.ask(opcodes.PIN_WRITE, b"\2\1")
    assert bench.ask(opcodes.PIN_READ, b"\2") == b"\1"


class Sleeper:
    """A part on I2C that is woken by a data line that is low for long enough."""

    on_event = None

    def __init__(self) -> None:
        self.held_s: list[float] = []

    def line_held_low(self, seconds: float, _now: float) -> None:
        self.held_s.append(seconds)

    def write(self, _data: bytes, _now: float) -> None:
        raise Nack

    def read(self, _count: int, _now: float) -> bytes:
        raise Nack


@pytest.mark.parametrize("fault", [None, Nacking])
def test_a_call_to_all_holds_the_line_low_for_a_byte_and_nobody_acknowledges_it(
    bench: Bench, fault: type[Nacking] | None
) -> None:
    sleeper = Sleeper()
    bench.wiring.add_i2c(SCL, SDA, 0x60, sleeper if fault is None else fault(sleeper))
    with pytest.raises(BoardOSError) as caught:
        bench.write_i2c(0, b"")
    assert caught.value.code == ENODEV
    assert sleeper.held_s == [8 / 100_000]
