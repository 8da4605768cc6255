"""An ATECC608 on a machine.I2C, as far as the node speaks with one: its keys are the node's own mathematics."""

import errno

from firmware.fakes import PowerCut

from envelope import ecdsa
from envelope.drbg import Drbg

NEW = bytes(range(1, 5)) + b"\x00\x00\x60\x03" + b"\x05\x06\x07\x08\xee" + b"\x61\x01\x00" + b"\xc0\x00\x00\x00"
NEW += b"\x83\x20\x87\x20\x8f\x20\xc4\x8f" + b"\x8f\x8f" * 12  # slots
NEW += b"\xff\xff\xff\xff\x00\x00\x00\x00" * 2 + bytes(16) + b"\x00\x00\x55\x55\xff\xff" + bytes(6)
NEW += b"\x33\x00\x33\x00\x33\x00" + b"\x1c\x00" * 13


def reflected(number, bits):
    return int("".join(reversed(f"{number:0{bits}b}")), 2)


def crc(data):
    """The other way round: the mirror image of the well-known CRC-16/ARC."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return reflected(value, 16).to_bytes(2, "little")


def framed(content):
    counted = bytes([len(content) + 3]) + content
    return counted + crc(counted)


class Chip:
    """`dead`, `hung`, `busy_polls` and `damage`, which changes an answer on the wire, are what can go wrong.

    `status` is said in the place of every answer, `cut_after` changes the power is gone; `said` is what it was told.
    """

    def __init__(self, config=NEW):
        self.config = bytearray(config)
        self.keys = {}
        self.drbg = Drbg(b"the chip's own random numbers, enough of them")
        self.awake = False
        self.dead = self.hung = False
        self.busy_polls = 2
        self.damage = None
        self.status = None
        self.cut_after = None
        self.said = []
        self.waited_ms = 0
        self._polls = 0
        self._temp_key = None
        self._answer = b""

    def wait_ms(self, milliseconds):
        self.waited_ms += milliseconds

    def writeto(self, address, data):
        if self.hung:
            raise OSError(errno.ETIMEDOUT)
        if address == 0 and not self.dead and not self.awake:
            self.awake = True
            self._answer = framed(b"\x11")
            self._polls = 0
            self.said.append("wake")
        if address != 0x60 or self.dead or not self.awake:
            raise OSError(errno.ENODEV)
        if data == b"\x01":
            self.awake = False
            self._temp_key = None
            self.said.append("sleep")
        else:
            assert (data[:1], data[1], crc(data[1:-2])) == (b"\x03", len(data) - 1, data[-2:])
            self.said.append(data[2])
            self._answer = framed(self.carry_out(data[2], data[3], data[4] | data[5] << 8, data[6:-2]))
            if self.status is not None:
                self._answer = framed(bytes([self.status]))
            self._polls = self.busy_polls

    def readfrom(self, address, count):
        if self.hung:
            raise OSError(errno.ETIMEDOUT)
        if address != 0x60 or self.dead or not self.awake or self._polls:
            self._polls -= bool(self._polls)
            raise OSError(errno.ENODEV)
        wire = bytearray((self._answer + b"\xff" * count)[:count])
        if self.damage is not None:
            self.damage(wire)
        return bytes(wire)

    def carry_out(self, opcode, mode, param, data):
        locked = self.config[86:88] == b"\x00\x00"
        if opcode == 0x02:
            return bytes(self.config[param * 4 : param * 4 + (32 if mode & 0x80 else 4)])
        if opcode == 0x12:
            self._change()
            self.config[param * 4 : param * 4 + 4] = data
        elif opcode == 0x17 and mode == 0:
            if self.config[87] != 0x55 or param.to_bytes(2, "little") != crc(self.config):
                return b"\x0f"
            self._change()
            self.config[87] = 0
        elif opcode == 0x17 and mode == 0x81:
            self._change()
            self.config[86] = 0
        elif opcode == 0x16:
            self._temp_key = data
        elif opcode == 0x40 and mode == 4 and locked:
            self._change()
            self.keys[param] = ecdsa.make_key(self.drbg)
            return self.keys[param][1][1:]
        elif opcode == 0x40 and param in self.keys:
            return self.keys[param][1][1:]
        elif opcode == 0x41 and mode == 0x80 and param in self.keys and self._temp_key:
            return self.sign(self.keys[param][0], self._temp_key)
        else:
            return b"\x0f"
        return b"\x00"

    def sign(self, private, digest):
        """As ecdsa.sign does, of a digest; every other one with the high s."""
        d = int.from_bytes(private, "big")
        z = int.from_bytes(digest, "big")
        k = int.from_bytes(self.drbg.generate(32), "big") >> 1
        x, _ = ecdsa.engine.times_generator(k, 1, 1)
        n = ecdsa.p256.N
        r = x % n
        s = ecdsa.engine.inverse(k) * (z + r * d) % n
        if self.said.count(0x41) & 1 and s <= n >> 1:
            s = n - s
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def _change(self):
        if self.cut_after == 0:
            self.awake = False
            raise PowerCut()
        if self.cut_after is not None:
            self.cut_after -= 1
