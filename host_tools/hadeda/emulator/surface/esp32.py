"""`esp32`: NVS, partitions over the flash image, wake sources."""

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


class Partition:
    """Offsets are held to the partition as ESP-IDF holds them."""

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

    # Of our interpreter in C, as on silicon
    readblocks = _host.read_blocks
    writeblocks = _host.write_blocks
    ioctl = _host.control

    def set_boot(self):
        pass

    def get_next_update(self):
        raise OSError(2)

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        raise OSError(-261, "ESP_ERR_NOT_FOUND")
