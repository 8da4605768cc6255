"""Non-volatile storage (`esp32.NVS`): key-value pairs in the flash's nvs partition.

The layout is our own log of checksummed records, not ESP-IDF's; what a node can see of it (values survive a power cut
from `commit` on, an interrupted commit leaves the old values, error codes) is as on the board. As in ESP-IDF, a value
that was overwritten stays readable in flash until its page is recycled.
"""

import struct
import zlib
from collections.abc import Callable

from hadeda.board.partitions import Partition
from hadeda.emulator.errors import BoardOSError
from hadeda.emulator.flash import SECTOR, Flash
from hadeda.emulator.surface import opcodes

NOT_FOUND = (-4354, "ESP_ERR_NVS_NOT_FOUND")
NOT_ENOUGH_SPACE = (-4357, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")
VALUE_TOO_LONG = (-4366, "ESP_ERR_NVS_VALUE_TOO_LONG")
VALUE_MAX = 4000  # bytes
_PAGE = struct.Struct("<I4s")  # generation, magic: written in this order, the magic makes it count
_MAGIC = b"HNVS"
_RECORD = struct.Struct("<HHI")  # key length, value length (_DELETED: none), CRC32 of what follows
_DELETED = 0xFFFE
_EMPTY = 0xFFFF

Key = tuple[bytes, bytes, int]


class Nvs:
    """Two areas of half the partition each; one is live, the other is written anew when it is full."""

    def __init__(self, flash: Flash, partition: Partition) -> None:
        self._flash = flash
        half = partition.size // 2 // SECTOR * SECTOR
        self._areas = (partition.address, partition.address + half)
        self._half = half
        self._pending: dict[Key, bytes | None] = {}
        self._load()

    def restart(self) -> None:
        """After a reset: what was set and not committed is gone."""
        self._pending.clear()
        self._load()

    def _load(self) -> None:
        self._values: dict[Key, bytes] = {}
        generations = []
        for area in self._areas:
            generation, magic = _PAGE.unpack(self._flash.read(area, _PAGE.size))
            generations.append(generation if magic == _MAGIC else -1)
        self._live = generations.index(max(generations))
        self._generation = max(0, *generations)
        self._end = self._half  # an area that was never written is full: the first commit starts one
        if max(generations) >= 0:
            self._end = self._replay(self._areas[self._live])

    def _replay(self, area: int) -> int:
        """Read records up to the first that is empty or torn; returns where the next one goes."""
        data = self._flash.read(area, self._half)
        at = _PAGE.size
        while at + _RECORD.size <= self._half:
            key_length, value_length, checksum = _RECORD.unpack_from(data, at)
            size = key_length + (0 if value_length == _DELETED else value_length)
            body = data[at + _RECORD.size : at + _RECORD.size + size]
            if key_length == _EMPTY:
                untouched = not data[at:].strip(b"\xff")
                return at if untouched else self._half
            if len(body) != size or zlib.crc32(body) != checksum:
                return self._half
            key = _unpack_key(body[:key_length])
            if value_length == _DELETED:
                self._values.pop(key, None)
            else:
                self._values[key] = body[key_length:]
            at += _RECORD.size + size
        return self._half

    def get(self, key: Key) -> bytes:
        """The value as the node last set it, committed or not."""
        value = self._pending[key] if key in self._pending else self._values.get(key)
        if value is None:
            raise BoardOSError(*NOT_FOUND)
        return value

    def blob(self, namespace: str, name: str) -> bytes | None:
        """What stands in flash under this name; None: nothing."""
        return self._values.get((namespace.encode(), name.encode(), opcodes.NVS_BLOB))

    def set(self, key: Key, value: bytes) -> None:
        """Takes effect in flash at `commit`; a value for which there is no room is refused here, as by ESP-IDF."""
        if len(value) > VALUE_MAX:
            raise BoardOSError(*VALUE_TOO_LONG)
        after = {**self._values, **self._pending, key: value}
        size = sum(len(_pack_record(k, v)) for k, v in after.items() if v is not None)
        if _PAGE.size + size > self._half:
            raise BoardOSError(*NOT_ENOUGH_SPACE)
        self._pending[key] = value

    def erase(self, namespace: bytes, name: bytes) -> None:
        """Remove a key, whatever its type."""
        keys = [k for k in {**self._values, **self._pending} if k[:2] == (namespace, name)]
        keys = [k for k in keys if self._pending.get(k, self._values.get(k)) is not None]
        if not keys:
            raise BoardOSError(*NOT_FOUND)
        for key in keys:
            self._pending[key] = None

    def commit(self) -> None:
        """Write what was set since the last commit."""
        for key, value in list(self._pending.items()):
            if value is None and key not in self._values:
                continue
            if value is not None and self._values.get(key) == value:
                continue
            self._append(key, value)
        self._pending.clear()

    def _append(self, key: Key, value: bytes | None) -> None:
        record = _pack_record(key, value)
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        if self._end + len(record) > self._half:
            self._move()
            return
        # The record's lengths go last: a record without them was never written.
        address = self._areas[self._live] + self._end
        self._flash.program(address + _RECORD.size, record[_RECORD.size :])
        self._flash.program(address, record[: _RECORD.size])
        self._end += len(record)

    def _move(self) -> None:
        """Write all values to the other area; its header, written last, makes it the live one."""
        records = b"".join(_pack_record(key, value) for key, value in self._values.items())
        other = 1 - self._live
        self._flash.erase(self._areas[other], self._half)
        self._flash.program(self._areas[other] + _PAGE.size, records)
        self._generation += 1
        self._flash.program(self._areas[other], _PAGE.pack(self._generation, _MAGIC))
        self._live = other
        self._end = _PAGE.size + len(records)

    def handlers(self) -> dict[int, Callable[[bytes], bytes]]:
        """Opcode -> what answers it."""

        def on_set(payload: bytes) -> bytes:
            key, data = _take_key(payload)
            self.set(key, data)
            return b""

        def on_erase(payload: bytes) -> bytes:
            key, _ = _take_key(payload)
            self.erase(*key[:2])
            return b""

        def on_commit(_: bytes) -> bytes:
            self.commit()
            return b""

        return {
            opcodes.NVS_GET: lambda payload: self.get(_take_key(payload)[0]),
            opcodes.NVS_SET: on_set,
            opcodes.NVS_ERASE: on_erase,
            opcodes.NVS_COMMIT: on_commit,
        }


def _take_key(payload: bytes) -> tuple[Key, bytes]:
    """(namespace, key, type) and the rest of a request."""
    split = 1 + payload[0]
    end = split + 1 + payload[split]
    return (payload[1:split], payload[split + 1 : end], payload[end]), payload[end + 1 :]


def _unpack_key(data: bytes) -> Key:
    return _take_key(data)[0]


def _pack_record(key: Key, value: bytes | None) -> bytes:
    namespace, name, kind = key
    packed = bytes([len(namespace)]) + namespace + bytes([len(name)]) + name + bytes([kind])
    body = packed + (value or b"")
    length = _DELETED if value is None else len(value)
    return _RECORD.pack(len(packed), length, zlib.crc32(body)) + body
