"""`esp32`: NVS, partitions over the flash image, wake sources."""

import gc
import struct
import _host
import _wire
import opcodes
from _boot_info import info
from micropython import const

HEAP_DATA, HEAP_EXEC = 4, 1
WAKEUP_ALL_LOW, WAKEUP_ANY_HIGH = False, True
_SECTOR = const(4096)


def idf_heap_info(capabilities):
    """The regions an idle ESP32 reports; the emulated board has no IDF heap of its own."""
    return [
        (240, 4, 0, 4),
        (7288, 4, 0, 4),
        (16648, 4, 0, 4),
        (85200, 7772, 7680, 7732),
        (15072, 14656, 14336, 14656),
        (113840, 55604, 55296, 55604),
    ]


def raw_temperature():
    return 128


def wake_on_ext0(pin=None, level=None):
    """Accepted; nothing in the emulated world pulls a wake pin, so the board wakes by its timer."""


def wake_on_ext1(pins=None, level=None):
    """Accepted, as wake_on_ext0."""


def wake_on_touch(wake):
    """Accepted, as wake_on_ext0."""


def wake_on_ulp(wake):
    """Accepted, as wake_on_ext0."""


def gpio_deep_sleep_hold(enable):
    pass


class NVS:
    def __init__(self, namespace):
        if len(namespace) > 15:
            raise OSError(-4361, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._namespace = _wire.text(namespace)

    def _request(self, op, key, kind, data=b""):
        if len(key) > 15:
            raise OSError(-4361, "ESP_ERR_NVS_KEY_TOO_LONG")
        return _wire.request(op, self._namespace + _wire.text(key) + bytes((kind,)) + data)

    def get_i32(self, key):
        return struct.unpack("<i", self._request(opcodes.NVS_GET, key, opcodes.NVS_I32))[0]

    def set_i32(self, key, value):
        if not -0x80000000 <= value <= 0x7FFFFFFF:
            raise OverflowError("overflow converting long int to machine word")
        self._request(opcodes.NVS_SET, key, opcodes.NVS_I32, struct.pack("<i", value))

    def get_blob(self, key, buffer):
        data = self._request(opcodes.NVS_GET, key, opcodes.NVS_BLOB)
        if len(data) > len(buffer):
            raise OSError(-4364, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(data)] = data
        return len(data)

    def set_blob(self, key, data):
        self._request(opcodes.NVS_SET, key, opcodes.NVS_BLOB, bytes(data))

    def erase_key(self, key):
        self._request(opcodes.NVS_ERASE, key, 0)

    def commit(self):
        _wire.request(opcodes.NVS_COMMIT)


def _whole(method, partition, first, second, third):
    """On silicon it is C: no Ctrl-C gets in between, it takes no heap, and littlefs relies on that it was done.

    Nor is anything collected meanwhile: a file that is garbage would be closed in the midst of littlefs' work.
    """
    gc.disable()
    try:
        return method(partition, first, second, third)
    except MemoryError:
        gc.enable()
        return method(partition, first, second, third)
    except KeyboardInterrupt:
        method(partition, first, second, third)
        raise
    finally:
        gc.enable()


class Partition:
    """Offsets are held to the partition as ESP-IDF holds them (esp_partition_read, _write and _erase_range)."""

    BOOT, RUNNING = 0, 1
    TYPE_APP, TYPE_DATA = 0, 1

    def __init__(self, which, block_size=_SECTOR):
        for row in info["partitions"]:
            if row[4] == which or (which in (self.BOOT, self.RUNNING) and row[0] == self.TYPE_APP):
                self._row = tuple(row)
                self._block = block_size
                return
        raise OSError(2)

    @staticmethod
    def find(type=TYPE_APP, subtype=0xFF, label=None, block_size=_SECTOR):
        return [
            Partition(row[4], block_size)
            for row in info["partitions"]
            if row[0] == type and subtype in (0xFF, row[1]) and label in (None, row[4])
        ]

    def info(self):
        return self._row

    def _address(self, block, offset, count):
        start = block * self._block + offset
        if not 0 <= start <= self._row[3]:
            raise OSError(-258, "ESP_ERR_INVALID_ARG")
        if start + count > self._row[3]:
            raise OSError(-260, "ESP_ERR_INVALID_SIZE")
        return self._row[2] + start

    def _erase(self, address, count):
        if count % _SECTOR:
            raise OSError(-260, "ESP_ERR_INVALID_SIZE")
        if (address - self._row[2]) % _SECTOR:
            raise OSError(-258, "ESP_ERR_INVALID_ARG")
        _wire.request(opcodes.FLASH_ERASE, struct.pack("<II", address, count))

    readblocks = _host.read_blocks  # in C, as on silicon

    def writeblocks(self, block, buffer, offset=None):
        """Without an offset the blocks are erased first, as the port does."""
        _whole(Partition._write, self, block, buffer, offset)

    def ioctl(self, request, argument):
        return _whole(Partition._control, self, request, argument, 0)

    def _write(self, block, buffer, offset):
        view = memoryview(buffer)
        address = self._address(block, offset or 0, len(view))
        if offset is None:
            self._erase(address, len(view))
        for start in range(0, len(view), _SECTOR):
            part = view[start : start + _SECTOR]
            _wire.request(opcodes.FLASH_WRITE, struct.pack("<I", address + start) + bytes(part))

    def _control(self, request, argument, _):
        if request == 4:
            return self._row[3] // self._block
        if request == 5:
            return self._block
        if request == 6:
            self._erase(self._address(argument, 0, self._block), self._block)
            return 0
        if request in (1, 2, 3):
            return 0
        return None

    def set_boot(self):
        pass

    def get_next_update(self):
        raise OSError(2)

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        raise OSError(-261, "ESP_ERR_NOT_FOUND")
