"""The board's buses with the parts on them, as board.toml wires them: I2C, UART lines, plain inputs, LED, ADC."""

import struct
from collections.abc import Callable

from hadeda.board import Board, BoardError
from hadeda.board.schema import GpioBus, I2cBus, UartBus
from hadeda.emulator import chips
from hadeda.emulator.chips.atecc608 import Atecc608
from hadeda.emulator.chips.base import BusHung, Chip, GpioChip, I2cChip, Nack, UartChip, WokenByTheLine
from hadeda.emulator.errors import ENODEV, ETIMEDOUT, BoardOSError
from hadeda.emulator.led import Led
from hadeda.emulator.surface import opcodes
from hadeda.scenario import World

I2C_TIMEOUT_US = 50_000  # machine.I2C's default
PULL_UP = 2  # machine.Pin's
GENERAL_CALL = 0  # an address that is a byte of zeros, acknowledged by nobody here
BITS_PER_BYTE = 10  # start, eight data bits, stop; on I2C nine and some idle


class SerialLine:
    """A UART's receive side: what the part said and the board has not read yet. Overflow is lost, as in silicon."""

    def __init__(self, chip: UartChip, bus: UartBus) -> None:
        self.chip = chip
        self.bus = bus
        self.received = bytearray()
        self.overruns = 0
        self._limit = 256
        self._matches = False

    def open(self, tx: int, rx: int, baudrate: int, rxbuf: int, now: float) -> None:
        """The board set its UART up; on other pins or at another speed it hears nothing that makes sense."""
        self._limit = rxbuf
        self._matches = (tx, rx, baudrate) == (self.bus.tx, self.bus.rx, self.chip.baudrate)
        self.chip.transmit(now)  # what it said to nobody
        self.received.clear()

    def hear(self, now: float) -> bool:
        """Take what the part has said up to now; whether anything came."""
        if not self._matches and self.chip.on_event is None:
            self.chip.next_transmission(now)  # it has power; making up what nobody hears would take most of the time
            return False
        data = self.chip.transmit(now)
        if not self._matches:
            return False
        room = self._limit - len(self.received)
        self.overruns += max(0, len(data) - room)
        self.received += data[:room]
        return bool(data)

    def say(self, data: bytes, now: float) -> None:
        """Bytes from the board."""
        if self._matches:
            self.chip.receive(data, now)


class Wiring:
    """All parts of a board. `now` is the world's time in seconds, `spend` tells the clock how long a transfer took.

    `element` is the secure element of a board that has one.
    """

    def __init__(
        self,
        board: Board,
        world: World,
        seed: int,
        now: Callable[[], float],
        spend: Callable[[int], None],
        element: Atecc608 | None = None,
    ) -> None:
        self._now = now
        self._spend = spend
        self.parts: list[tuple[str, Chip]] = []
        self.lines: dict[int, SerialLine] = {}
        self._i2c: dict[tuple[int, int], dict[int, I2cChip]] = {}
        self._pins: dict[int, int] = {}  # what the board drives
        self._inputs: dict[int, GpioChip] = {}
        self._pulled_up: set[int] = set()  # inputs, by the chip itself
        plain = [bus for bus in board.buses.values() if isinstance(bus, GpioBus)]
        self._resistors = {bus.pin for bus in plain if bus.pull == "external"}
        self._input_only = board.silicon.input_only
        self.led = Led(board.led, now) if board.led else None
        for bus in board.buses.values():
            if isinstance(bus, I2cBus):
                self._i2c[bus.scl, bus.sda] = {}
        for index, sensor in enumerate(board.sensors):
            self.attach(board, index, chips.load(sensor.part)(world, seed + index))
        self.element = element
        if element is not None:
            self.solder_element(board, element)

    def solder_element(self, board: Board, chip: I2cChip) -> None:
        """Put `chip` in the secure element's place."""
        element, bus = board.element, board.buses[board.element.bus or ""] if board.element else None
        if element is None or not isinstance(bus, I2cBus):
            raise BoardError(f"{board.name} has no secure element", "say identity in its board.toml")
        self.add_i2c(bus.scl, bus.sda, element.address or 0, chip)

    def attach(self, board: Board, index: int, chip: Chip) -> None:
        """Solder `chip` in as the board's sensor number `index`, in place of what was there."""
        sensor = board.sensors[index]
        self.parts[index:] = [(sensor.part, chip), *self.parts[index + 1 :]]
        if sensor.bus is None:  # the chip's own radio, emulator/bluetooth.py, is not soldered in
            return
        bus = board.buses[sensor.bus]
        if isinstance(bus, I2cBus):
            self.add_i2c(bus.scl, bus.sda, sensor.address or 0, chip)  # type: ignore[arg-type]
        elif isinstance(bus, GpioBus):
            self._inputs[bus.pin] = chip  # type: ignore[assignment]
        else:
            self.lines[bus.id] = SerialLine(chip, bus)  # type: ignore[arg-type]

    def add_i2c(self, scl: int, sda: int, address: int, chip: I2cChip) -> None:
        """Connect a chip to two pins, whether or not the board's description knows of it."""
        self._i2c.setdefault((scl, sda), {})[address] = chip

    def remove(self, board: Board, index: int) -> None:
        """Take a part on I2C off the board."""
        sensor = board.sensors[index]
        bus = board.buses[sensor.bus or ""]
        if isinstance(bus, I2cBus):
            del self._i2c[bus.scl, bus.sda][sensor.address or 0]

    def ready(self) -> int:
        """The UART bits of the ready mask."""
        mask = 0
        for number, line in self.lines.items():
            if line.received:
                mask |= 1 << (opcodes.READY_UART + number)
        return mask

    def next_event(self) -> float:
        """When a part will speak next (infinity: never)."""
        now = self._now()
        moments = [line.chip.next_transmission(now) for line in self.lines.values()]
        return min((m for m in moments if m is not None), default=float("inf"))

    def listen(self) -> None:
        """Let every part say what it has to say by now."""
        now = self._now()
        for line in self.lines.values():
            line.hear(now)

    def _chip(self, scl: int, sda: int, address: int) -> I2cChip:
        try:
            return self._i2c[scl, sda][address]
        except KeyError:
            raise BoardOSError(ENODEV) from None

    def _transfer(self, freq: int, size: int, transfer: Callable[[float], bytes]) -> bytes:
        self._spend(round((size + 1) * BITS_PER_BYTE * 1e6 / max(freq, 1)))
        try:
            return transfer(self._now())
        except Nack:
            raise BoardOSError(ENODEV) from None
        except BusHung:
            self._spend(I2C_TIMEOUT_US)
            raise BoardOSError(ETIMEDOUT) from None

    def _i2c_write(self, payload: bytes) -> bytes:
        scl, sda, freq, address, _ = struct.unpack_from("<BBIBB", payload)
        return self._write(scl, sda, freq, address, payload[8:])

    def _i2c_read(self, payload: bytes) -> bytes:
        scl, sda, freq, address, _, count = struct.unpack("<BBIBBH", payload)
        return self._read(scl, sda, freq, address, count)

    def _i2c_read_mem(self, payload: bytes) -> bytes:
        scl, sda, freq, address, count = struct.unpack_from("<BBIBH", payload)
        self._write(scl, sda, freq, address, payload[9:])
        return self._read(scl, sda, freq, address, count)

    def _write(self, scl: int, sda: int, freq: int, address: int, data: bytes) -> bytes:
        def transfer(now: float) -> bytes:
            if address == GENERAL_CALL:
                for chip in self._i2c.get((scl, sda), {}).values():
                    if isinstance(chip, WokenByTheLine):
                        chip.line_held_low(8 / freq, now)
                raise Nack("nobody answers to all")
            self._chip(scl, sda, address).write(data, now)
            return bytes([min(255, len(data))])

        return self._transfer(freq, len(data), transfer)

    def _read(self, scl: int, sda: int, freq: int, address: int, count: int) -> bytes:
        return self._transfer(freq, count, lambda now: self._chip(scl, sda, address).read(count, now))

    def _uart_open(self, payload: bytes) -> bytes:
        number, tx, rx, baudrate, rxbuf = struct.unpack("<BbbIH", payload)
        if number in self.lines:
            self.lines[number].open(tx, rx, baudrate, rxbuf, self._now())
        return b""

    def _uart_any(self, payload: bytes) -> bytes:
        line = self.lines.get(payload[0])
        if line is not None:
            line.hear(self._now())
        return struct.pack("<H", len(line.received) if line else 0)

    def _uart_read(self, payload: bytes) -> bytes:
        number, count = struct.unpack("<BH", payload)
        line = self.lines.get(number)
        if line is None:
            return b""
        line.hear(self._now())
        data = bytes(line.received[:count])
        del line.received[:count]
        return data

    def _uart_write(self, payload: bytes) -> bytes:
        line = self.lines.get(payload[0])
        if line is not None:
            self._spend(round((len(payload) - 1) * BITS_PER_BYTE * 1e6 / line.bus.baud))
            line.say(payload[1:], self._now())
        return b""

    def chip_reset(self) -> None:
        """A reset other than a soft one: every pin is an input again, and nothing pulls at it."""
        self._pins.clear()
        self._pulled_up.clear()
        if self.led is not None:
            self.led.chip_reset()

    def power_down(self) -> None:
        """The supply is gone."""
        self._pins.clear()
        self._pulled_up.clear()
        if self.element is not None:
            self.element.power_down()
        if self.led is not None:
            self.led.power_down()

    def _pin_input(self, payload: bytes) -> bytes:
        pin, pull = payload
        self._pins.pop(pin, None)
        self._pulled_up.discard(pin)
        if pull == PULL_UP and pin not in self._input_only:  # they have no pulls, and the port does not mind
            self._pulled_up.add(pin)
        return b""

    def _pin_read(self, payload: bytes) -> bytes:
        """What the board drives, else what is on the pin, else what pulls at it; 0 where nothing does."""
        pin = payload[0]
        level = self._pins.get(pin)
        if level is None and pin in self._inputs:
            level = self._inputs[pin].level(self._now())
        if level is None:
            level = pin in self._resistors or pin in self._pulled_up
        return bytes([level])

    def _pin_write(self, payload: bytes) -> bytes:
        pin, level = payload
        self._pins[pin] = level
        if self.led is not None and self.led.pin == pin:
            self.led.level(level)
        return b""

    def _pin_bits(self, payload: bytes) -> bytes:
        if self.led is not None and self.led.pin == payload[0]:
            self.led.bits(payload[1:])
        return b""

    def handlers(self) -> dict[int, Callable[[bytes], bytes]]:
        """Opcode -> what answers it."""
        return {
            opcodes.I2C_WRITE: self._i2c_write,
            opcodes.I2C_READ: self._i2c_read,
            opcodes.I2C_READ_MEM: self._i2c_read_mem,
            opcodes.UART_OPEN: self._uart_open,
            opcodes.UART_ANY: self._uart_any,
            opcodes.UART_READ: self._uart_read,
            opcodes.UART_WRITE: self._uart_write,
            opcodes.PIN_INPUT: self._pin_input,
            opcodes.PIN_READ: self._pin_read,
            opcodes.PIN_WRITE: self._pin_write,
            opcodes.PIN_BITS: self._pin_bits,
            opcodes.ADC_READ: lambda _: struct.pack("<H", 0),
        }
