"""`machine.I2C` and `machine.SoftI2C`: whole transactions, carried out by the host's chip models."""

import errno
import struct
import _wire
import opcodes
from _boot_info import info
from machine_pins import Pin


class SoftI2C:
    _name = "SoftI2C("

    def __init__(self, scl, sda, *, freq=400000, timeout=50000):
        self._setup(scl, sda, freq)

    init = __init__

    def _setup(self, scl, sda, freq):
        self._scl = Pin(scl)._number
        self._sda = Pin(sda)._number
        self._freq = freq
        self._head = struct.pack("<BBI", self._scl, self._sda, freq)

    def __repr__(self):
        # The software bus waits whole microseconds a half bit and says what that comes to.
        return "%sscl=%d, sda=%d, freq=%d)" % (self._name, self._scl, self._sda, 500000)

    def scan(self):
        found = []
        for address in range(0x08, 0x78):
            try:
                self.writeto(address, b"")
                found.append(address)
            except OSError:
                pass
        return found

    def writeto(self, address, data, stop=True):
        head = self._head + bytes((address, 1 if stop else 0))
        _wire.request(opcodes.I2C_WRITE, head + bytes(data))
        return len(data)

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join([bytes(part) for part in vector]), stop)

    def readfrom(self, address, count, stop=True):
        head = self._head + bytes((address, 1 if stop else 0))
        return bytes(_wire.request(opcodes.I2C_READ, head + struct.pack("<H", count)))

    def readfrom_into(self, address, buffer, stop=True):
        buffer[:] = self.readfrom(address, len(buffer), stop)

    def _register(self, register, addrsize):
        return register.to_bytes(addrsize // 8, "big")

    def _read_mem(self, address, register, count, addrsize):
        wanted = struct.pack("<BH", address, count) + self._register(register, addrsize)
        return _wire.request(opcodes.I2C_READ_MEM, self._head + wanted)

    def readfrom_mem(self, address, register, count, *, addrsize=8):
        return bytes(self._read_mem(address, register, count, addrsize))

    def readfrom_mem_into(self, address, register, buffer, *, addrsize=8):
        buffer[:] = self._read_mem(address, register, len(buffer), addrsize)

    def writeto_mem(self, address, register, data, *, addrsize=8):
        self.writeto(address, self._register(register, addrsize) + bytes(data))

    def start(self):
        raise OSError(errno.EOPNOTSUPP)  # bit-level access is not modelled

    stop = start

    def readinto(self, buffer, nack=True):
        raise OSError(errno.EOPNOTSUPP)

    write = readinto


class I2C(SoftI2C):
    def __init__(self, number=-1, *, scl=None, sda=None, freq=400000, timeout=50000):
        if number not in info["i2c_ids"]:
            raise ValueError("I2C(%d) doesn't exist" % number)
        self._number = number
        default = info["i2c_defaults"][number]
        self._setup(default[0] if scl is None else scl, default[1] if sda is None else sda, freq)

    init = __init__

    def __repr__(self):
        # The controller divides its source clock: what it reaches is not quite what was asked.
        actual = 416666 if self._freq == 400000 else self._freq
        return "I2C(%d, scl=%d, sda=%d, freq=%d)" % (self._number, self._scl, self._sda, actual)
