"""Stand-ins for ports/, for tests on CPython and on MicroPython: time moves when a test says so, power can be cut."""

import asyncio
import io

from envelope import labels
from ports.table import Table

_STEP_MS = 10


def cells_of(report):
    """The cells of a decoded report: counts, and labels.WITHHELD_*."""
    traffic = report[labels.REPORT_TRAFFIC]
    numbers = [traffic[at] << 8 | traffic[at + 1] for at in range(0, len(traffic), 2)]
    return [number if number < 65532 else number - 65536 for number in numbers]


class PowerCut(Exception):
    """The lights went out before this flash operation."""


class Clock:
    """Both clocks of the board; sleepers wake as `advance` moves them."""

    def __init__(self, unix_ms=1654041600000):
        self.now_ms = 1000
        self.offset_ms = unix_ms - self.now_ms

    def ticks_ms(self):
        return self.now_ms & 0x3FFFFFFF

    def ticks_diff(self, later, earlier):
        return ((later - earlier + 0x20000000) & 0x3FFFFFFF) - 0x20000000

    def unix_ms(self):
        return self.now_ms + self.offset_ms

    def unix_s(self):
        return self.unix_ms() // 1000

    def set_unix_ms(self, milliseconds):
        self.offset_ms = milliseconds - self.now_ms

    async def sleep_ms(self, milliseconds):
        until = self.now_ms + milliseconds
        await asyncio.sleep(0)
        while self.now_ms < until:
            await asyncio.sleep(0)

    def within_ms(self, awaitable, milliseconds):
        return asyncio.wait_for(awaitable, min(milliseconds, 500) / 1000)

    async def advance(self, milliseconds, step_ms=_STEP_MS):
        """Let time pass; every task gets a few turns at every step."""
        until = self.now_ms + milliseconds
        while self.now_ms < until:
            self.now_ms = min(until, self.now_ms + step_ms)
            for _ in range(4):
                await asyncio.sleep(0)


class SelfRunningClock(Clock):
    """For one task alone: sleeping moves the time."""

    async def sleep_ms(self, milliseconds):
        self.now_ms += milliseconds
        await asyncio.sleep(0)


class Flash:
    """Files and NVS on one flash. `cut_at` = n: the n-th operation from now does not happen any more."""

    def __init__(self):
        self.files = {}
        self.values = {}
        self.operations = 0
        self.cut_at = None

    def _operate(self):
        if self.cut_at is not None and self.operations >= self.cut_at:
            raise PowerCut()
        self.operations += 1

    def cut_after(self, operations):
        self.operations = 0
        self.cut_at = operations

    def power_on(self):
        self.cut_at = None

    # ports.flash.Files
    def make_folder(self, folder):
        pass

    def names(self, folder):
        prefix = folder + "/"
        return sorted(path[len(prefix) :] for path in self.files if path.startswith(prefix))

    def read(self, path):
        return self.files.get(path)

    def tables(self, path, count, size):
        content = self.files.get(path)
        if content is None or len(content) != count * size:
            return ()
        return tuple([Table(io.BytesIO(content), number * size, size) for number in range(count)])

    def write(self, path, data):
        self._operate()
        self.files[path + "~"] = bytes(data)
        self._operate()
        self.files[path] = self.files.pop(path + "~")

    def append(self, path, data):
        self._operate()
        self.files[path] = self.files.get(path, b"") + bytes(data)

    def rename(self, old, new):
        self._operate()
        self.files[new] = self.files.pop(old)

    def remove(self, path):
        self._operate()
        self.files.pop(path, None)

    # ports.flash.Nvs
    def get(self, key):
        return self.values.get(key)

    def set(self, key, value):
        self._operate()
        self.values[key] = bytes(value)

    def erase(self, key):
        self._operate()
        self.values.pop(key, None)


class Retained:
    """RTC memory."""

    def __init__(self):
        self.data = b""

    def read(self):
        return self.data

    def write(self, data):
        self.data = bytes(data)


class Random:
    """A generator that a test can follow, with the shape of node.randomness and envelope.drbg."""

    def __init__(self, seed=1):
        self._state = seed
        self.drbg = self
        self.reseeded = 0

    def generate(self, count):
        out = bytearray(count)
        for i in range(count):
            self._state = (self._state * 16807) % 2147483647
            out[i] = self._state >> 8 & 0xFF
        return bytes(out)

    def below(self, limit):
        return int.from_bytes(self.generate(3), "big") % limit

    def reseed(self):
        self.reseeded += 1


class Output:
    """Notes what a driver says."""

    def __init__(self):
        self.readings = []
        self.passages = []
        self.faults = []

    def reading(self, channel, scaled):
        self.readings.append((channel, scaled))

    def alive(self):
        pass

    def passage(self, cls, direction, speed_kmh):
        self.passages.append((cls, direction, speed_kmh))

    def fault(self, kind):
        self.faults.append(kind)


class Uart:
    """A UART whose other end is the test: `arrive` puts bytes on the line, `sent` is what the driver wrote."""

    def __init__(self, on_write=None):
        self._waiting = b""
        self.sent = []
        self.on_write = on_write

    def arrive(self, data):
        self._waiting += bytes(data)

    async def read(self, buffer):
        while not self._waiting:
            await asyncio.sleep(0)
        return self.read_now(buffer)

    def read_now(self, buffer):
        part = self._waiting[: len(buffer)]
        buffer[: len(part)] = part
        self._waiting = self._waiting[len(part) :]
        return len(part)

    def write(self, data):
        self.sent.append(bytes(data))
        if self.on_write is not None:
            self.on_write(bytes(data))


class Stream:
    """A connection whose peer says `incoming`; it arrives `split` bytes at a time."""

    def __init__(self, incoming=b"", split=1):
        self._incoming = incoming
        self._split = split
        self.outgoing = b""
        self.closed = False
        self.on_write = None

    def arrive(self, data):
        self._incoming += data

    async def read_exactly(self, count):
        out = b""
        while len(out) < count:
            if not self._incoming:
                raise EOFError()
            size = min(self._split, count - len(out))
            out += self._incoming[:size]
            self._incoming = self._incoming[size:]
            await asyncio.sleep(0)
        return out

    async def write(self, data):
        self.outgoing += bytes(data)
        if self.on_write is not None:
            self.on_write(bytes(data))

    async def close(self):
        self.closed = True


def raises(kind, call, *args):
    """The exception of this kind that the call raised; AssertionError when it did not."""
    try:
        call(*args)
    except kind as error:
        return error
    raise AssertionError("nothing was raised")


async def raises_async(kind, awaitable):
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError("nothing was raised")
