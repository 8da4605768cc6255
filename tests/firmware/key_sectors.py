"""A made-up key partition: two NOR sectors. Programming clears bits, erasing sets them; power can fail within both."""

from firmware.fakes import Flash, PowerCut, Random

SIZE = 4096


class KeySectors:
    """ports.flash.KeyPartition, on the same supply as `flash`: its cut_after() counts these operations too.

    The operation that is cut happens in part: `tear` is how much of it, 0 to 8 eighths.
    `journal` keeps (state before, sector, data or None for an erasure) of every operation.
    """

    SECTOR_SIZE = SIZE

    def __init__(self, flash=None, sectors=None):
        self.flash = flash or Flash()
        self.sectors = [bytearray(sector) for sector in sectors or (b"\xff" * SIZE, b"\xff" * SIZE)]
        self.tear = 0
        self.journal = []

    def state(self):
        return [bytes(sector) for sector in self.sectors]

    def read(self, sector, count):
        assert 0 <= count <= SIZE
        return bytes(self.sectors[sector][:count])

    def replace(self, sector, data):
        assert len(data) <= SIZE
        self.erase(sector)
        self._operate(sector, bytes(data))

    def erase(self, sector):
        self._operate(sector, None)

    def erased(self, sector):
        return bytes(self.sectors[sector]) == b"\xff" * SIZE

    def _operate(self, sector, data):
        self.journal.append((self.state(), sector, data))
        size = SIZE if data is None else len(data)
        try:
            self.flash._operate()
        except PowerCut:
            size = size * self.tear // 8
            raise
        finally:
            self.sectors[sector] = changed(self.sectors[sector], data, size)


def until_cut(call, *arguments):
    """Call it; True when the power went out meanwhile."""
    try:
        call(*arguments)
    except PowerCut:
        return True
    return False


def changed(sector, data, size):
    """The sector after `size` bytes of an operation."""
    sector = bytearray(sector)
    for at in range(size):
        sector[at] = 0xFF if data is None else sector[at] & data[at]
    return sector


def torn(before, sector, data):
    """Every state (two sectors) in which a power cut within this operation may leave the flash."""
    for state in _erased_in_part(before[sector]) if data is None else _programmed_in_part(before[sector], data):
        yield [state, before[1]] if sector == 0 else [before[0], state]


def _programmed_in_part(old, data):
    for size in range(len(data) + 1):
        state = changed(old, data, size)
        yield state
        if size < len(data):
            state[size] &= data[size] | 0x55
            yield state


def _erased_in_part(old):
    for size in list(range(60)) + list(range(60, SIZE + 1, 173)):
        yield changed(old, None, size)
    yield b"\xff" * (SIZE - 1) + b"\xfe"
    random = Random(3)
    for _ in range(8):
        noise = random.generate(SIZE)
        yield bytes([old[at] | noise[at] for at in range(SIZE)])
    yield random.generate(SIZE)
