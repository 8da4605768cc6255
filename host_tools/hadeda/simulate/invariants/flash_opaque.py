"""Invariant: whoever has the flash finds no report and, outside the key sectors, no key (DESIGN section 2, law 1)."""

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from hadeda.emulator.flash import SECTOR
from hadeda.emulator.key_record import key_sectors, node_keys
from hadeda.envelope import open_report, parse_sealed
from hadeda.errors import Rejected
from hadeda.registry.epochs import FAILURES_MAX, candidates
from hadeda.registry.reports import ReportRow
from hadeda.simulate.lamp_post import LampPost

if TYPE_CHECKING:
    from hadeda.simulate.street import Street

SLICE: Final = 12  # bytes that no flash contains by chance
NEWEST: Final = 8  # reports whose plaintext is looked for at a time


def fragments(payload: bytes, stride: int = 1) -> set[bytes]:
    """SLICE bytes from every `stride`th place of a report, where they are not just padding."""
    cut = (payload[at : at + SLICE] for at in range(0, len(payload) - SLICE + 1, stride))
    return {piece for piece in cut if len(set(piece)) >= SLICE // 2}


class FlashOpaque:
    """Opens the newest reports with the city's keys and looks for what is in them, in all that was ever written."""

    name = "flash_opaque"

    def violations(self, street: "Street", *, final: bool) -> list[str]:  # noqa: ARG002
        looked_for = set().union(*(fragments(payload, SLICE) for payload in _plaintexts(street)))
        found = []
        for post in street.posts:
            found += [f"board {post.number}: its {name} key is outside the key sectors" for name in _keys_outside(post)]
            written = _written(post)
            if any(piece in written for piece in looked_for):
                found.append(f"board {post.number}: plaintext of a report is in its flash")
        return found


def _plaintexts(street: "Street") -> list[bytes]:
    found = []
    with street.city.database.read() as session:
        newest = select(ReportRow.sealed).order_by(ReportRow.id.desc()).limit(NEWEST * len(street.posts))
        for sealed in session.scalars(newest):
            message = parse_sealed(sealed)
            try:
                found.append(
                    open_report(message, candidates(session, message.kid, message.epoch, FAILURES_MAX)).payload
                )
            except Rejected:
                continue  # its key is erased
    return found


def _written(post: LampPost) -> bytes:
    """The sectors that were programmed since the node left the workshop."""
    return b"".join(post.emulated.flash.read(sector * SECTOR, SECTOR) for sector in sorted(post.sealed.written))


def _keys_outside(post: LampPost) -> list[str]:
    image, board = post.emulated.flash.image(), post.emulated.board
    beside = image.replace(key_sectors(image, board), b"")
    return [name for name, key in node_keys(image, board).items() if key in beside]
