"""The board's Bluetooth radio, scanning side: what of the street's advertising it happens to hear.

A scanner listens for `window` out of every `interval`, so it hears each packet with that probability. Whether it asks
anybody anything makes no difference here. What it heard and nobody fetched is lost beyond a limit, as in a controller.
"""

import random
import struct
from collections import deque
from collections.abc import Callable

from hadeda.emulator.chips.ble_footfall import Advertising, PassingDevices
from hadeda.emulator.errors import EINVAL, ENODEV, BoardOSError
from hadeda.emulator.surface import opcodes

HEARD_MOST = 256
BACKLOG_S = 1.0  # what was heard longer ago, while the processor was busy, is lost


class Bluetooth:
    """`street` is who advertises, `now` the world's time in seconds."""

    def __init__(self, street: PassingDevices, seed: int, now: Callable[[], float]) -> None:
        self.street = street
        self.heard_in_all = 0
        self._now = now
        self._rng = random.Random(f"bluetooth {seed}")
        self.reset()

    def reset(self) -> None:
        """The chip was reset: no radio."""
        self.active = False
        self._until_s = self._from_s = 0.0
        self._share = 0.0
        self._heard: deque[Advertising] = deque(maxlen=HEARD_MOST)

    @property
    def scanning(self) -> bool:
        """Whether it listens."""
        return self.active and self._now() < self._until_s

    def _set_active(self, payload: bytes) -> bytes:
        self.reset()
        self.active = bool(payload[0])
        return b""

    def _scan(self, payload: bytes) -> bytes:
        duration_ms, interval_us, window_us = struct.unpack("<III", payload)
        if not self.active:
            raise BoardOSError(ENODEV)
        if not 0 < window_us <= interval_us:
            raise BoardOSError(EINVAL)
        self._from_s = self._now()
        self._until_s = self._from_s + duration_ms / 1000
        self._share = window_us / interval_us
        self._heard.clear()
        return b""

    def _fetch(self, _: bytes) -> bytes:
        """What was heard since the last time, as much as fits into an answer."""
        now = self._now()
        until = min(now, self._until_s)
        if self.active and until > self._from_s:
            for packet in self.street.advertising(max(self._from_s, until - BACKLOG_S), until):
                if self._rng.random() < self._share:
                    self._heard.append(packet)
                    self.heard_in_all += 1
            self._from_s = until
        answer = b""
        while self._heard:
            packed = _packed(self._heard[0])
            if len(answer) + len(packed) >= opcodes.PAYLOAD_MAX:
                break
            answer += packed
            self._heard.popleft()
        return bytes([self.scanning or bool(self._heard)]) + answer

    def handlers(self) -> dict[int, Callable[[bytes], bytes]]:
        """Opcode -> what answers it."""
        return {
            opcodes.BLE_ACTIVE: self._set_active,
            opcodes.BLE_SCAN: self._scan,
            opcodes.BLE_HEARD: self._fetch,
        }


def _packed(packet: Advertising) -> bytes:
    head = struct.pack("<BBbB", packet.address_type, packet.kind, packet.rssi_dbm, len(packet.data))
    return head + packet.address + packet.data
