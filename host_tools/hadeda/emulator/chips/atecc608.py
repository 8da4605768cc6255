"""Microchip ATECC608B, a secure element, at command level, on I2C at 0x60: as much of it as one that signs needs.

Source: its own data sheet is under a non-disclosure agreement. Waking, sleeping, packets and Sign are from the data
sheets of the pre-provisioned ATECC608A-TNGTLS and ATECC608B-TNGTLS (sections 5.2.3 and 7.1). CRC, status bytes, zones,
locks and the bits of SlotConfig and KeyConfig are those of the ATECC508A complete data sheet (DS20005927A), as public
drivers and configurations quote it: its text could not be opened. Execution times, the longest ones at the default
clock divider, are CryptoAuthLib's.

- Asleep or idle it hears nothing but a data line that is low for tWLO, 60 us, and answers tWHI, 1.5 ms, later. It then
  has a status for who reads, and 1.3 s until its watchdog puts it to sleep; sleep forgets TempKey, idle keeps it.
- While it executes it acknowledges nothing. What does not fit before the watchdog's end is refused with 0xEE.
- The configuration can be written until it is locked, its bytes 0 to 15 and 84 to 87 never; no key is made before
  that, none is used for a signature before the data zone is locked, and neither lock opens again.
- Signatures have s as it comes, in the lower half or in the upper.

Not found, so chosen: whether Sign waits for the lock of the data zone (it does, as every example locks it before), that
it spends TempKey, what a slot without a key says (execution error), the bytes of a new part's configuration beyond
those that are written down in public; KeyConfig's ReqAuth and a public key without PubInfo are execution errors.
**Not modelled**: commands other than Info, Random, Nonce, Read, Write, Lock, GenKey and Sign; OTP zone, encrypted reads
and writes, counters; that traffic to other parts can wake it; the health test that runs before a random number.

Its memory, keys included, is in `memory` where that is given, a file: it outlives the supply. Keys, serial number and
random numbers come from the seed.
"""

import json
import random
from collections.abc import Callable
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from hadeda.emulator.chips.base import Nack, OnEvent, Surroundings

WAKE_LOW_S, WAKE_DELAY_S, WATCHDOG_S = 60e-6, 1.5e-3, 1.3
SLOTS = 16
CURVE: Final = ec.SECP256R1()
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# Status bytes
SUCCESS, PARSE_ERROR, EXECUTION_ERROR = 0x00, 0x03, 0x0F
AFTER_WAKE, WATCHDOG_SOON, COMMUNICATION_ERROR = 0x11, 0xEE, 0xFF
# Word addresses
RESET, SLEEP, IDLE, COMMAND = range(4)
UNLOCKED, LOCKED = 0x55, 0x00
LOCK_VALUE, LOCK_CONFIG, SLOT_LOCKED = 86, 87, 88
SLOT_CONFIG, KEY_CONFIG = 20, 96
# What Random and Nonce give until the configuration is locked
NOT_RANDOM = b"\xff\xff\x00\x00" * 8
NEW: Final = bytes.fromhex(
    "00000000000060030000000000610100c0000000"
    "832087208f20c48f8f8f8f8f9f8f0f0f8f0f8f0f8f0f8f0f8f0f8f0f0000af8f"
    "ffffffff00000000ffffffff00000000"
    "00000000000000000000000000000000"
    "00005555ffff000000000000"
    "330033003300" + "1c00" * 5 + "3c00" * 7 + "1c00"
)


def crc16(data: bytes) -> bytes:
    """Polynomial 0x8005, from 0 on, each byte's least significant bit first; the low byte comes first."""
    crc = 0
    for byte in data:
        for bit in range(8):
            top = crc >> 15 ^ byte >> bit & 1
            crc = crc << 1 & 0xFFFF ^ (0x8005 if top else 0)
    return crc.to_bytes(2, "little")


def packet(content: bytes) -> bytes:
    """Content with its count before and its CRC behind it."""
    counted = bytes([len(content) + 3]) + content
    return counted + crc16(counted)


class _Refused(Exception):
    """A command ends with this status and nothing else."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status:#04x}")
        self.status = status


class Eeprom:
    """What outlives the supply. `before_change` is called before every change, with what it will be."""

    def __init__(self, seed: int, file: Path | None) -> None:
        self._file = file
        self._seed = seed
        self.before_change: Callable[[str], None] = lambda _: None
        serial = b"\x01\x23" + random.Random(f"atecc608 serial {seed}").randbytes(6) + b"\xee"
        self.config = bytearray(serial[:4] + NEW[4:8] + serial[4:] + NEW[13:])
        self.keys: dict[int, int] = {}
        self.data: dict[int, bytes] = {}
        self._draws = 0
        if file is not None and file.is_file():
            kept = json.loads(file.read_text(encoding="utf-8"))
            self.config = bytearray.fromhex(kept["config"])
            self.keys = {int(slot): int(key, 16) for slot, key in kept["keys"].items()}
            self.data = {int(slot): bytes.fromhex(data) for slot, data in kept["data"].items()}
            self._draws = kept["draws"]

    def draw(self, size: int) -> bytes:
        """The next random bytes: never the same again, however often the power goes."""
        self._draws += 1
        drawn = random.Random(f"atecc608 {self._seed} {self._draws}").randbytes(size)
        self._keep()
        return drawn

    def write(self, offset: int, data: bytes, what: str) -> None:
        """Change bytes of the configuration."""
        self.before_change(what)
        self.config[offset : offset + len(data)] = data
        self._keep()

    def put_key(self, slot: int, key: int) -> None:
        self.before_change(f"key {slot}")
        self.keys[slot] = key
        self._keep()

    def put_data(self, slot: int, data: bytes) -> None:
        self.before_change(f"data {slot}")
        self.data[slot] = data
        self._keep()

    def _keep(self) -> None:
        if self._file is None:
            return
        kept = {
            "config": self.config.hex(),
            "keys": {slot: f"{key:064x}" for slot, key in self.keys.items()},
            "data": {slot: data.hex() for slot, data in self.data.items()},
            "draws": self._draws,
        }
        self._file.write_text(json.dumps(kept), encoding="utf-8")


class Atecc608:
    """One part, asleep. `wrong_signatures`: it is broken, and says so to nobody."""

    def __init__(self, _world: Surroundings | None = None, seed: int = 0, *, memory: Path | None = None) -> None:
        self.on_event: OnEvent | None = None
        self.eeprom = Eeprom(seed, memory)
        self.wrong_signatures = False
        self._ready_at = inf  # asleep or idle
        self._watchdog_at = inf
        self._busy_until = -inf
        self._temp_key: tuple[bytes, bool] | None = None  # and whether it came from outside
        self._output = b""
        self._at = 0
        self._commands: dict[int, tuple[float, Callable[[int, int, bytes], bytes]]] = {
            0x30: (0.005, self._info),
            0x1B: (0.023, self._random),
            0x16: (0.020, self._nonce),
            0x02: (0.005, self._read),
            0x12: (0.045, self._write),
            0x17: (0.035, self._lock),
            0x40: (0.115, self._gen_key),
            0x41: (0.115, self._sign),
        }

    @property
    def serial(self) -> bytes:
        """Its nine bytes."""
        return bytes(self.eeprom.config[:4] + self.eeprom.config[8:13])

    @property
    def config_locked(self) -> bool:
        return self.eeprom.config[LOCK_CONFIG] != UNLOCKED

    @property
    def data_locked(self) -> bool:
        return self.eeprom.config[LOCK_VALUE] != UNLOCKED

    def public_key(self, slot: int) -> bytes:
        """The public key of a slot that has one, x and y."""
        key = ec.derive_private_key(self.eeprom.keys[slot], CURVE).public_key().public_numbers()
        return key.x.to_bytes(32, "big") + key.y.to_bytes(32, "big")

    # --- the bus -----------------------------------------------------------------------------------------------

    def power_down(self) -> None:
        """The supply is gone."""
        self._fall_asleep(keep=False)

    def line_held_low(self, seconds: float, now: float) -> None:
        """The data line was low for so long, and is high again."""
        self._look_at_watchdog(now)
        if self._ready_at == inf and seconds >= WAKE_LOW_S:
            self._ready_at = now + WAKE_DELAY_S
            self._watchdog_at = now + WATCHDOG_S
            self._output, self._at = packet(bytes([AFTER_WAKE])), 0

    def write(self, data: bytes, now: float) -> None:
        """A word address and, where that says so, a command."""
        self._must_answer(now)
        if not data:
            return
        if data[0] == RESET:
            self._at = 0
        elif data[0] in (SLEEP, IDLE):
            self._fall_asleep(keep=data[0] == IDLE)
        elif data[0] == COMMAND:
            self._output, self._at = self._answered(data[1:], now), 0

    def read(self, count: int, now: float) -> bytes:
        """The next bytes of the answer; behind its end there is nothing but ones."""
        self._must_answer(now)
        said = self._output[self._at : self._at + count]
        self._at += len(said)
        return said.ljust(count, b"\xff")

    def _must_answer(self, now: float) -> None:
        self._look_at_watchdog(now)
        if now < self._ready_at or now < self._busy_until:
            raise Nack("asleep, waking up or busy")

    def _look_at_watchdog(self, now: float) -> None:
        if now >= self._watchdog_at:
            self._fall_asleep(keep=False)

    def _fall_asleep(self, keep: bool) -> None:
        self._ready_at = self._watchdog_at = inf
        self._busy_until = -inf
        if not keep:
            self._temp_key = None

    def _answered(self, said: bytes, now: float) -> bytes:
        if len(said) < 7 or said[0] != len(said) or said != packet(said[1:-2]):
            return packet(bytes([COMMUNICATION_ERROR]))
        opcode, mode, param = said[1], said[2], int.from_bytes(said[3:5], "little")
        time_s, command = self._commands.get(opcode, (0.0, self._unknown))
        if now + time_s >= self._watchdog_at:
            return packet(bytes([WATCHDOG_SOON]))
        self._busy_until = now + time_s
        try:
            answer = command(mode, param, said[5:-2])
        except _Refused as refusal:
            answer = bytes([refusal.status])
        if self.on_event:
            self.on_event(now, f"command {opcode:#04x} {mode:#04x}: {len(answer)} bytes")
        return packet(answer)

    # --- commands ----------------------------------------------------------------------------------------------

    def _unknown(self, _mode: int, _param: int, _data: bytes) -> bytes:
        raise _Refused(PARSE_ERROR)

    def _info(self, mode: int, _param: int, _data: bytes) -> bytes:
        if mode:
            raise _Refused(PARSE_ERROR)
        return bytes(self.eeprom.config[4:8])

    def _random(self, mode: int, _param: int, _data: bytes) -> bytes:
        if mode > 1:
            raise _Refused(PARSE_ERROR)
        return self.eeprom.draw(32) if self.config_locked else NOT_RANDOM

    def _nonce(self, mode: int, param: int, data: bytes) -> bytes:
        """Fixed (3), TempKey is what was sent; else its hash with a random number, which is the answer."""
        if mode == 3 and param == 0 and len(data) == 32:
            self._temp_key = data, True
            return bytes([SUCCESS])
        if mode > 1 or param or len(data) != 20:
            raise _Refused(PARSE_ERROR)
        drawn = self.eeprom.draw(32) if self.config_locked else NOT_RANDOM
        self._temp_key = sha256(drawn + data + bytes([0x16, mode, 0])).digest(), False
        return drawn

    def _read(self, mode: int, address: int, _data: bytes) -> bytes:
        zone, size = mode & 0x7F, 32 if mode & 0x80 else 4
        if zone == 0:
            offset = 4 * address if size == 4 else 32 * (address >> 3)
            if offset + size > len(self.eeprom.config):
                raise _Refused(PARSE_ERROR)
            return bytes(self.eeprom.config[offset : offset + size])
        if zone != 2:
            raise _Refused(PARSE_ERROR)
        slot, block = address >> 3 & 0xF, address >> 8
        if not self.data_locked or self._slot_config(slot) & 0x80 or slot in self.eeprom.keys or size != 32 or block:
            raise _Refused(EXECUTION_ERROR)
        return self.eeprom.data.get(slot, b"\xff" * 32)

    def _write(self, mode: int, address: int, data: bytes) -> bytes:
        zone, size = mode & 0x3F, 32 if mode & 0x80 else 4
        if zone not in (0, 2) or len(data) != size:
            raise _Refused(PARSE_ERROR)
        if zone == 2:
            return self._write_data(address >> 3 & 0xF, data)
        offset = 4 * address if size == 4 else 32 * (address >> 3)
        touched = range(offset, offset + size)
        if touched.stop > len(self.eeprom.config):
            raise _Refused(PARSE_ERROR)
        if self.config_locked or any(place < 16 or 84 <= place < 88 for place in touched):
            raise _Refused(EXECUTION_ERROR)
        self.eeprom.write(offset, data, f"config {offset}")
        return bytes([SUCCESS])

    def _write_data(self, slot: int, data: bytes) -> bytes:
        """Private keys have a command of their own; once the zone is locked, what WriteConfig says counts."""
        always = self._slot_config(slot) >> 12 == 0
        private = self._key_config(slot) & 1
        if not self.config_locked or private or len(data) != 32 or (self.data_locked and not always):
            raise _Refused(EXECUTION_ERROR)
        self.eeprom.put_data(slot, data)
        return bytes([SUCCESS])

    def _lock(self, mode: int, summary: int, _data: bytes) -> bytes:
        """Without bit 7 the summary must be the CRC of what is locked; of the data zone that is not modelled."""
        zone, unseen = mode & 3, bool(mode & 0x80)
        if zone == 2:
            return self._lock_slot(mode >> 2 & 0xF)
        if zone == 0:
            may = not self.config_locked
            may = may and (unseen or crc16(bytes(self.eeprom.config)) == summary.to_bytes(2, "little"))
        else:
            may = zone == 1 and unseen and self.config_locked and not self.data_locked
        if not may:
            raise _Refused(EXECUTION_ERROR)
        self.eeprom.write(LOCK_VALUE if zone else LOCK_CONFIG, bytes([LOCKED]), "lock data" if zone else "lock config")
        return bytes([SUCCESS])

    def _lock_slot(self, slot: int) -> bytes:
        lockable = self._key_config(slot) & 0x20
        if not self.data_locked or not lockable or self._slot_locked(slot):
            raise _Refused(EXECUTION_ERROR)
        bits = int.from_bytes(self.eeprom.config[SLOT_LOCKED : SLOT_LOCKED + 2], "little") & ~(1 << slot)
        self.eeprom.write(SLOT_LOCKED, bits.to_bytes(2, "little"), f"lock slot {slot}")
        return bytes([SUCCESS])

    def _gen_key(self, mode: int, slot: int, data: bytes) -> bytes:
        """4: a new private key; 0: the public key of the one there is. The answer is x and y."""
        if mode not in (0, 4) or slot >= SLOTS or data:
            raise _Refused(PARSE_ERROR)
        self._must_hold_p256(slot)
        if mode == 4:
            may = not self.data_locked or self._slot_config(slot) & 0x2000
            if self._slot_locked(slot) or not may:
                raise _Refused(EXECUTION_ERROR)
            self.eeprom.put_key(slot, int.from_bytes(self.eeprom.draw(40), "big") % (ORDER - 1) + 1)
        elif not self._key_config(slot) & 2 or slot not in self.eeprom.keys:
            raise _Refused(EXECUTION_ERROR)
        return self.public_key(slot)

    def _sign(self, mode: int, slot: int, data: bytes) -> bytes:
        if mode != 0x80 or slot >= SLOTS or data:
            raise _Refused(PARSE_ERROR)
        self._must_hold_p256(slot)
        external = self._slot_config(slot) & 1
        if not self.data_locked or not external or self._temp_key is None or slot not in self.eeprom.keys:
            raise _Refused(EXECUTION_ERROR)
        if self._key_config(slot) & 0x40 and self._temp_key[1]:
            raise _Refused(EXECUTION_ERROR)
        digest, self._temp_key = self._temp_key[0], None
        if self.wrong_signatures:
            digest = sha256(digest).digest()
        key = ec.derive_private_key(self.eeprom.keys[slot], CURVE)
        method = ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True)
        r, s = utils.decode_dss_signature(key.sign(digest, method))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def _must_hold_p256(self, slot: int) -> None:
        """Raise unless the configuration is locked and gives the slot to private keys of P-256, free of conditions."""
        config = self._key_config(slot)
        if not self.config_locked or not config & 1 or config >> 2 & 7 != 4 or config & 0x80:
            raise _Refused(EXECUTION_ERROR)

    def _slot_config(self, slot: int) -> int:
        at = SLOT_CONFIG + 2 * slot
        return int.from_bytes(self.eeprom.config[at : at + 2], "little")

    def _key_config(self, slot: int) -> int:
        at = KEY_CONFIG + 2 * slot
        return int.from_bytes(self.eeprom.config[at : at + 2], "little")

    def _slot_locked(self, slot: int) -> bool:
        return not int.from_bytes(self.eeprom.config[SLOT_LOCKED : SLOT_LOCKED + 2], "little") >> slot & 1


CHIP = Atecc608
