"""A part that speaks as Sensirion's do, as far as drivers need it: a machine.I2C and the part on it in one."""

import errno


def word(high, low):
    """Two bytes and their CRC, polynomial 0x31 from 0xFF on."""
    crc = 0xFF
    for byte in (high, low):
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x131 if crc & 0x80 else crc << 1
    return bytes((high, low, crc))


def words(plain):
    return b"".join([word(plain[at], plain[at + 1]) for at in range(0, len(plain), 2)])


class Part:
    """`answers` maps a command to its plain bytes or to what makes them; commands not in it are not acknowledged.

    `missing`, `hung` and `damage`, which changes an answer on the wire, are what can go wrong; `said` is what the
    driver sent, with the time.
    """

    def __init__(self, clock, address, answers):
        self.clock = clock
        self.address = address
        self.answers = answers
        self.missing = False
        self.hung = False
        self.damage = None
        self.said = []
        self.transactions = 0
        self._answer = None

    def _transact(self, address):
        self.transactions += 1
        if self.hung:
            self.clock.now_ms += 50
            raise OSError(errno.ETIMEDOUT)
        if self.missing or address != self.address:
            raise OSError(errno.ENODEV)
        self.clock.now_ms += 1

    def writeto(self, address, data, _stop=True):
        self._transact(address)
        data = bytes(data)
        if data[:2] not in self.answers:
            raise OSError(errno.ENODEV)
        self.said.append((self.clock.now_ms, data))
        answer = self.answers[data[:2]]
        self._answer = answer(data) if callable(answer) else answer
        return 1 + len(data)

    def readfrom_mem_into(self, address, register, buffer):
        self.writeto(address, bytes((register,)), False)
        self.readfrom_into(address, buffer)

    def readfrom_into(self, address, buffer):
        self._transact(address)
        if self._answer is None:
            raise OSError(errno.ENODEV)
        wire = bytearray(words(self._answer)[: len(buffer)])
        if self.damage is not None:
            self.damage(wire)
        buffer[:] = wire

    def count(self, command):
        """How often it was told this."""
        return len([data for _, data in self.said if data[:2] == command])
