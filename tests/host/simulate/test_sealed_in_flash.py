"""Sealed reports are found in flash as they are written, whole, wherever they lie, and only once they are stored."""

from __future__ import annotations

from hadeda.emulator.flash import SECTOR, Flash, PowerCut
from hadeda.envelope import labels, strict_cbor
from hadeda.envelope.cose import ENCRYPT0_PROTECTED
from hadeda.simulate.sealed_in_flash import SealedInFlash, found_in

KID = b"\1\2\3\4"


def sealed(number: int, size: int = 200) -> bytes:
    """What a sealed report looks like from outside."""
    headers = {labels.HEADER_KID: KID, labels.HEADER_PARTIAL_IV: bytes([number]), labels.HEADER_EPOCH: b"\1"}
    return strict_cbor.tagged(labels.TAG_ENCRYPT0, [ENCRYPT0_PROTECTED, headers, bytes(range(256))[:size]])


class Board:
    """A flash whose programming is watched, as a lamp post watches it."""

    def __init__(self) -> None:
        self.flash = Flash(4 * SECTOR)
        self.sealed = SealedInFlash(self.flash.read)
        self.cut_at = -1
        self.flash.before_change = self._before_change

    def _before_change(self, address: int, data: bytes | None) -> None:
        if data is not None:
            self.sealed.programmed(address, len(data))
        if address == self.cut_at:
            raise PowerCut(10)

    @property
    def numbers(self) -> list[int]:
        return [number for _kid, number in self.sealed.numbers]


def test_reports_between_other_bytes_are_found() -> None:
    data = b"\xff\0\xd0\x83" + sealed(1) + b"abc" + sealed(2) + sealed(3)[:-1]
    assert found_in(data) == [(KID, 1), (KID, 2)]


def test_a_report_counts_when_the_board_has_come_to_rest() -> None:
    board = Board()
    board.flash.program(100, sealed(7))
    assert board.numbers == []
    board.sealed.settle()
    assert board.numbers == [7]


def test_a_report_programmed_in_pieces_over_several_operations_is_found() -> None:
    board = Board()
    report = sealed(7)
    for at in range(0, len(report), 32):
        board.flash.program(SECTOR + 500 + at, report[at : at + 32])
    board.sealed.settle()
    assert board.numbers == [7]


def test_what_is_being_written_when_the_power_fails_counts_for_nothing() -> None:
    board = Board()
    board.flash.program(0, sealed(1))
    board.cut_at = SECTOR
    try:
        board.flash.program(SECTOR, b"x" * 20)
    except PowerCut:
        board.sealed.forget()
    board.sealed.settle()
    assert board.numbers == []


def test_a_report_that_is_moved_is_counted_once() -> None:
    board = Board()
    for sector in range(3):
        board.flash.program(sector * SECTOR, sealed(9))
        board.sealed.settle()
    assert board.numbers == [9]
