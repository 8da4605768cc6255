"""The flash is NOR: programming clears bits, erasing sets whole sectors, and power can fail at any of them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hadeda.emulator.errors import EINVAL, BoardOSError
from hadeda.emulator.flash import SECTOR, Flash, PowerCut
from hadeda.errors import EmulatorError

SIZE = 4 * SECTOR


def test_new_flash_is_erased() -> None:
    assert Flash(SIZE).image() == b"\xff" * SIZE


@given(first=st.binary(min_size=1, max_size=64), second=st.binary(min_size=1, max_size=64))
def test_programming_only_clears_bits(first: bytes, second: bytes) -> None:
    flash = Flash(SIZE)
    flash.program(100, first)
    flash.program(100, second)
    size = max(len(first), len(second))
    padded = zip(first.ljust(size, b"\xff"), second.ljust(size, b"\xff"), strict=True)
    assert flash.read(100, size) == bytes(a & b for a, b in padded)


def test_erasing_sets_whole_sectors_and_only_those() -> None:
    flash = Flash(SIZE)
    flash.program(0, bytes(SIZE))
    flash.erase(SECTOR, 2 * SECTOR)
    assert flash.image() == bytes(SECTOR) + b"\xff" * 2 * SECTOR + bytes(SECTOR)
    for address, count in ((1, SECTOR), (0, SECTOR - 1)):
        with pytest.raises(BoardOSError) as caught:
            flash.erase(address, count)
        assert caught.value.code == EINVAL


@pytest.mark.parametrize(("address", "count"), [(SIZE, 1), (SIZE - 1, 2), (-1, 1)])
def test_beyond_the_end_is_refused(address: int, count: int) -> None:
    flash = Flash(SIZE)
    for operation in (lambda: flash.read(address, count), lambda: flash.program(address, bytes(count))):
        with pytest.raises(BoardOSError):
            operation()


def test_power_cut_before_a_change_leaves_everything_as_it_was() -> None:
    flash = Flash(SIZE)
    flash.program(0, b"before")
    seen: list[tuple[int, bytes | None]] = []

    def cut(address: int, data: bytes | None) -> None:
        seen.append((address, data))
        raise PowerCut

    flash.before_change = cut
    for change in (lambda: flash.program(0, b"\0\0"), lambda: flash.erase(0, SECTOR)):
        with pytest.raises(PowerCut):
            change()
    assert seen == [(0, b"\0\0"), (0, None)]
    assert flash.read(0, 6) == b"before"


def test_power_cut_within_a_program_leaves_its_beginning() -> None:
    flash = Flash(SIZE)

    def cut(_address: int, _data: bytes | None) -> None:
        raise PowerCut(done=3)

    flash.before_change = cut
    with pytest.raises(PowerCut):
        flash.program(10, b"abcdef")
    assert flash.read(10, 6) == b"abc\xff\xff\xff"


def cut_while_erasing(seed: int) -> bytes:
    flash = Flash(SIZE)
    flash.program(0, bytes(SIZE))

    def cut(address: int, data: bytes | None) -> None:
        if address == 2 * SECTOR and data is None:
            raise PowerCut(garbage=seed)

    flash.before_change = cut
    with pytest.raises(PowerCut):
        flash.erase(SECTOR, 3 * SECTOR)
    return flash.image()


def test_power_cut_within_an_erase_leaves_arbitrary_bits_in_that_sector_alone() -> None:
    image = cut_while_erasing(seed=5)
    assert image[:SECTOR] + image[3 * SECTOR :] == bytes(2 * SECTOR)
    assert image[SECTOR : 2 * SECTOR] == b"\xff" * SECTOR
    assert len(set(image[2 * SECTOR : 3 * SECTOR])) == 256
    assert image == cut_while_erasing(seed=5)
    assert image != cut_while_erasing(seed=6)


def test_image_file_keeps_everything(tmp_path: Path) -> None:
    image = tmp_path / "flash.bin"
    flash = Flash(SIZE, image)
    flash.program(SECTOR, b"kept")
    flash.close()
    assert image.stat().st_size == SIZE
    again = Flash(SIZE, image)
    assert again.read(SECTOR, 4) == b"kept"
    again.close()


def test_image_of_another_size_is_refused_with_a_hint(tmp_path: Path) -> None:
    image = tmp_path / "flash.bin"
    image.write_bytes(bytes(100))
    with pytest.raises(EmulatorError, match="100 bytes, the board's flash is"):
        Flash(SIZE, image)
    assert image.read_bytes() == bytes(100)
