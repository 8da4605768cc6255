# mypy: ignore-errors
"""MicroPython that runs under QEMU: measures one sample of each sensor, from the bytes of its chip to the accumulator.

The chips are answers out of a table, buses and clock stand-ins: what a bus, waiting and asyncio take is not counted.
"""

import gc
import struct
from array import array

from on_board.counting import cost, drbg

from envelope import labels
from node.footfall import Footfall
from node.minimise import Minimiser
from node.policy import Policy
from node.sample import Output, Queue
from sensors import ble_footfall, bme280, grove_vision, ld2451, pms5003

PERIOD_S = 10
LISTEN_MS = 2000
ROUNDS = 20
CLASSES = ["vehicle", "person", "bicycle", "car", "bus", "truck"]
POLICY = {
    labels.POLICY_VERSION: 1,
    labels.POLICY_WINDOW: 900,
    labels.POLICY_CHANNELS: [1, 2, 3, 4, 5, 6],
    labels.POLICY_CELLS: {
        labels.CELLS_CLASSES: CLASSES,
        labels.CELLS_DIRECTIONS: ["approaching", "receding"],
        labels.CELLS_SPEED_BANDS: [30, 50, 70],
    },
    labels.POLICY_K: 5,
    labels.POLICY_EPSILON_RELEASE: 500000,
    labels.POLICY_EPSILON_DAY: 48000000,
    labels.POLICY_SOURCES: [labels.SOURCE_VISION],
}
# Bosch's worked example (BST-BMP280-DS001, 3.12), with humidity words as units have them
TRIMMING = struct.pack("<Hhh", 27504, 26435, -1000) + struct.pack(
    "<H8h", 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000
)
HUMIDITY = struct.pack("<hBBBBb", 362, 0, 313 >> 4, 313 & 15 | (50 & 15) << 4, 50 >> 4, 30)
DATA = b"\x65\x5a\xc0\x7e\xed\x00\x75\x30"


class Clock:
    """Time passes where somebody sleeps; `asked` is for how long that was."""

    def __init__(self):
        self.now = self.asked = 0

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, later, earlier):
        return later - earlier

    def sleep_ms(self, milliseconds):
        self.now += milliseconds
        self.asked = milliseconds
        yield


class I2c:
    """A bus with one BME280 on it, shaped like machine.I2C."""

    def __init__(self):
        self.at = 0
        self.registers = bytearray(256)
        self.registers[0xD0] = 0x60
        self.registers[0x88:0xA0] = TRIMMING
        self.registers[0xA1] = 75
        self.registers[0xE1:0xE8] = HUMIDITY
        self.registers[0xF2], self.registers[0xF4] = 0x01, 0x24  # as it is told each time
        self.registers[0xF7:0xFF] = DATA

    def writeto(self, _address, data, _stop=True):
        if len(data):
            self.at = data[0]

    def readfrom_into(self, _address, into):
        into[:] = self.registers[self.at : self.at + len(into)]

    def readfrom_mem_into(self, _address, register, into):
        into[:] = self.registers[register : register + len(into)]


class Line:
    """A UART whose other end says what `answer` gives for what is written."""

    def __init__(self, answer):
        self.answer = answer
        self.waiting = b""

    def write(self, data):
        self.waiting += self.answer(data)

    def read_now(self, buffer):
        count = min(len(buffer), len(self.waiting))
        buffer[:count] = self.waiting[:count]
        self.waiting = self.waiting[count:]
        return count


class Scanner:
    """A radio that hears one address between two looks."""

    def __init__(self):
        self.done = True
        self.looks = 0
        self.heard = 0
        self.fresh = False

    def up(self):
        pass

    def scan(self, duration_ms):
        self.done = False
        self.looks = duration_ms // 100

    def take(self, record):
        self.fresh = not self.fresh
        if self.fresh:
            self.looks -= 1
            self.done = not self.looks
            self.heard += 1
            record[:] = b"\x01" + self.heard.to_bytes(6, "big")
        return self.fresh


class Node:
    """Queue and accumulators of a node with one sensor."""

    def __init__(self, source=0, traffic=None):
        policy = Policy(POLICY, {labels.FLOOR_WINDOW: 300})
        self.clock = Clock()
        self.queue = Queue()
        self.out = Output(self.queue, 0, source, self.clock)
        self.minimiser = Minimiser(policy, 1, traffic or {})
        self.minimiser.open(drbg(1))
        self.out.use(policy)
        self.event = array("i", (0,) * 4)
        self.events = 0

    def live(self, driver, until):
        """The driver goes on until `until()`, as pipeline and asyncio would have it."""
        while True:
            driver.send(None)
            if until():
                break
        while self.queue.take(self.event):
            self.minimiser.add(self.event)
            self.events += 1


def growth(node, driver, until, prepare):
    """Bytes in use after a score of samples and a collection, less those before."""
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(ROUNDS):
        prepare()
        node.live(driver, until)
    gc.collect()
    return gc.mem_alloc() - before


def measure(name, node, driver, until, prepare=lambda: None, events=1):
    """Print what one sample takes, and by how much the heap has grown after a score of them."""
    for _ in range(3):
        prepare()
        node.live(driver, until)
    prepare()
    cost(name, lambda: node.live(driver, until))
    told = node.events
    growths = [growth(node, driver, until, prepare) for _ in range(3)]
    print("growth_bytes", min(growths))  # what grows does so each time; the collector may find garbage late
    if node.events - told < 3 * events * ROUNDS:
        raise ValueError(name + " said nothing")


def measure_air():
    """BME280 and PMS5003: three readings each."""
    from busio import I2C

    node = Node()
    driver = bme280.Bme280(I2C(I2c(), node.clock), 0x76, PERIOD_S, node.clock).run(node.out)
    measure("sample_bme280", node, driver, lambda: node.clock.asked == PERIOD_S * 1000, events=3)
    frame = b"BM\x00\x1c" + bytes(6) + b"\x00\x05\x00\x08\x00\x0c" + bytes(14)
    frame += sum(frame).to_bytes(2, "big")
    dust = Node()
    line = Line(lambda data: frame if data[2] == 0xE2 else b"")
    driver = pms5003.Pms5003(line, PERIOD_S, dust.clock).run(dust.out)
    measure("sample_pms5003", dust, driver, lambda: dust.clock.asked == PERIOD_S * 1000, events=3)


def radar_frames(distances):
    """Reports of the radar: one vehicle at each distance in turn, None for nobody."""
    said = b""
    for metres in distances:
        payload = b"" if metres is None else bytes((1, 1, 0x80, metres, 1, 50, 10))
        said += b"\xf4\xf3\xf2\xf1" + len(payload).to_bytes(2, "little") + payload + b"\xf8\xf7\xf6\xf5"
    return said


def measure_radar():
    """LD2451: two seconds of frames, with nobody and with one vehicle that goes by."""
    node = Node(traffic={0: (0, ())})
    line = Line(lambda data: b"\xfd\xfc\xfb\xfa\x04\x00" + bytes((data[6], 1, 0, 0)) + b"\x04\x03\x02\x01")
    driver = ld2451.Ld2451(line, node.clock).run(node.out)

    def say(distances):
        line.waiting += radar_frames(distances)

    def listened():
        return node.clock.asked == LISTEN_MS

    nobody, vehicle = [None] * 20, [60 - at * 139 // 100 for at in range(12)] + [None] * 28
    node.live(driver, listened)
    measure("sample_ld2451_nobody", node, driver, listened, lambda: say(nobody), events=0)
    measure("sample_ld2451", node, driver, listened, lambda: say(vehicle))


def measure_camera():
    """Grove Vision: one question and its answer, with a car and a person in the picture, standing."""
    boxes = "[[60, 120, 40, 40, 90, 2], [180, 130, 12, 40, 80, 0]]"
    event = '\r{"type": 1, "name": "INVOKE", "code": 0, "data": {"count": 1, "perf": [8, 50, 1], "boxes": ' + boxes
    said = (event + ', "resolution": [240, 240]}}\n').encode()
    node = Node(labels.SOURCE_VISION, {0: (labels.SOURCE_VISION, tuple(CLASSES[1:]))})
    driver = grove_vision.GroveVision(Line(lambda data: said if b"INVOKE" in data else b""), node.clock).run(node.out)
    measure("sample_grove_vision", node, driver, lambda: node.clock.asked == 50, events=0)


def measure_ear():
    """Footfall: a look at the radio's ring, with one address in it."""
    node = Node()
    heard = Footfall(5, 500000)
    heard.open(drbg(1))
    node.out.footfall = heard
    driver = ble_footfall.BleFootfall(Scanner(), node.clock).run(node.out)
    measure("sample_ble_footfall", node, driver, lambda: node.clock.asked == 100, events=0)
