"""The port to the raw sectors, over a stand-in for esp32.Partition with NOR flash behind it."""

from firmware import board_fakes
from firmware.fakes import Flash, raises

from node.keystore import Secrets, open_keystore
from ports import flash
from ports.flash import KeyPartition

assert board_fakes  # puts esp32 in place
SIZE = KeyPartition.SECTOR_SIZE


class Partition:
    """One row of a partition table. Programming only clears bits, as NOR flash does."""

    TYPE_DATA = 1
    table = ()

    def __init__(self, label, sectors):
        self.label = label
        self.data = bytearray(b"\xa5" * (sectors * SIZE))

    @staticmethod
    def find(kind, label=None):
        assert kind == 1
        return [row for row in Partition.table if row.label == label]

    def ioctl(self, request, argument):
        if request == 4:
            return len(self.data) // SIZE
        assert request == 6
        self.data[argument * SIZE : (argument + 1) * SIZE] = b"\xff" * SIZE
        return 0

    def readblocks(self, block, buffer, offset):
        at = block * SIZE + offset
        buffer[:] = self.data[at : at + len(buffer)]

    def writeblocks(self, block, data, offset):
        assert len(data) % 16 == 0
        for i in range(len(data)):
            self.data[block * SIZE + offset + i] &= data[i]


def _found(*table):
    flash.Partition = Partition
    Partition.table = table
    return KeyPartition.find()


def test_a_partition_of_that_name_and_size_is_found():
    assert _found() is None
    assert _found(Partition("vfs", 8)) is None
    assert _found(Partition("node_keys", 1)) is None
    assert isinstance(_found(Partition("vfs", 8), Partition("node_keys", 2)), KeyPartition)


def test_a_sector_is_erased_and_programmed():
    row = Partition("node_keys", 2)
    partition = _found(row)
    partition.replace(1, b"hadeda")
    assert partition.read(1, 7) == b"hadeda\xff"
    assert bytes(row.data[SIZE + 6 :]) == b"\xff" * (SIZE - 6)
    assert bytes(row.data[:SIZE]) == b"\xa5" * SIZE
    partition.replace(1, bytes(SIZE))
    assert partition.read(1, SIZE) == bytes(SIZE)


def test_a_single_programmed_bit_is_seen():
    row = Partition("node_keys", 2)
    partition = _found(row)
    assert not partition.erased(0)
    partition.erase(0)
    assert partition.erased(0)
    assert not partition.erased(1)
    for at in (0, 255, 256, 2000, SIZE - 1):
        row.data[at] = 0xFE
        assert not partition.erased(0)
        row.data[at] = 0xFF


def test_a_key_store_lives_in_it():
    partition = _found(Partition("node_keys", 2))
    for epoch in range(1, 5):
        secrets = Secrets(b"p" * 32, b"\x04" + b"q" * 64, {1: b"a"}, epoch, b"r" * 32, 1, 1)
        open_keystore(Flash(), partition).save(secrets)
        assert open_keystore(Flash(), partition).load().epoch == epoch
        assert partition.erased(0) != partition.erased(1)


def test_more_than_a_sector_is_refused():
    row = Partition("node_keys", 2)
    partition = _found(row)
    raises(ValueError, partition.replace, 0, bytes(SIZE + 1))
    assert bytes(row.data) == b"\xa5" * (2 * SIZE)
