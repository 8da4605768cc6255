"""Invariant: whoever has the flash finds no report and, outside the key sectors, no key (DESIGN section 2, law 1)."""

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from hadeda.emulator.flash import SECTOR
from hadeda.emulator.key_record import key_place, node_keys
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

    def __init__(self) -> None:
        self._seen_whole: set[int] = set()  # boards whose flash was looked through as it left the workshop

    def violations(self, street: "Street", *, final: bool) -> list[str]:  # noqa: ARG002
        looked_for = set().union(*(fragments(payload, SLICE) for payload in _plaintexts(street)))
        found = []
        for post in street.posts:
            written, both = _written(post), _key_sectors(post)
            found += [
                f"board {post.number}: its {name} key is outside the key sectors"
                for name, key in node_keys(both).items()
                if key in written or (post.number not in self._seen_whole and key in _outside(post))
            ]
            self._seen_whole.add(post.number)
            if any(piece in written or piece in both for piece in looked_for):
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
    """The sectors that were programmed since the node left the workshop, but for its keys'."""
    keys = key_place(post.emulated.board)
    places = (sector * SECTOR for sector in sorted(post.sealed.written))
    return b"".join(post.emulated.flash.read(place, SECTOR) for place in places if place not in keys)


def _outside(post: LampPost) -> bytes:
    """All but the key sectors."""
    image, keys = post.emulated.flash.image(), key_place(post.emulated.board)
    return image[: keys.start] + image[keys.stop :]


def _key_sectors(post: LampPost) -> bytes:
    keys = key_place(post.emulated.board)
    return post.emulated.flash.read(keys.start, len(keys))
