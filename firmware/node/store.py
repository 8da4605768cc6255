"""Fourth stage: sealed reports wait in flash until the city has them; oldest leave first, also when space runs out.

Reports are appended to segments, files of at most one flash block, so that a month of them fits where a file for each
would not. A record is length (2 bytes, big-endian), CRC-32 (4 bytes), sealed bytes. The place of the oldest record
that has not been acknowledged is in its own small file, replaced atomically.
"""

from binascii import crc32

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ports.flash import Files

FOLDER = "/outbox"
_HEAD = "/outbox/head"
_SUFFIX = ".seg"

_RECORD_HEAD = const(6)
SEGMENT_BYTES = 4096
SEGMENTS_MAX = 220  # 880 KB: about 35 days of 15-minute reports
RECORD_MAX = 1024


def _path(segment: int) -> str:
    return f"{FOLDER}/{segment:08d}{_SUFFIX}"


def _next_record(data: bytes, at: int) -> "tuple[int, int] | None":
    """(start, end) of the first whole record's sealed bytes at or after `at`; damaged bytes are passed over."""
    while at + _RECORD_HEAD < len(data):
        start = at + _RECORD_HEAD
        end = start + int.from_bytes(data[at : at + 2], "big")
        fits = start < end <= len(data) and end - start <= RECORD_MAX
        if fits and crc32(data[start:end]) & 0xFFFFFFFF == int.from_bytes(data[at + 2 : start], "big"):
            return start, end
        at += 1
    return None


def erase(files: "Files") -> None:
    """Throw everything away that waits: at an enrolment with another city."""
    files.make_folder(FOLDER)
    for name in files.names(FOLDER):
        files.remove(FOLDER + "/" + name)


class Store:
    """The outbox. `waiting` reports are in it; `dropped` were given up since boot because it was full."""

    def __init__(self, files: "Files", segments_max: int = SEGMENTS_MAX, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._files = files
        self._segments_max = segments_max
        self._segment_bytes = segment_bytes
        self.dropped = 0
        files.make_folder(FOLDER)
        segments = self._segments()
        self._first, self._offset = self._read_head()
        for segment in segments:
            if segment < self._first:
                files.remove(_path(segment))
        segments = [segment for segment in segments if segment >= self._first]
        if not segments or segments[0] != self._first:
            self._first, self._offset = (segments[0] if segments else self._first), 0
        self._last = segments[-1] if segments else self._first
        self._last_size = len(files.read(_path(self._last)) or b"")
        self.waiting = self._count()

    def append(self, sealed: bytes) -> None:
        """Keep a sealed report. When the outbox is full, its oldest segment goes."""
        if self._last_size + _RECORD_HEAD + len(sealed) > self._segment_bytes and self._last_size:
            self._last += 1
            self._last_size = 0
            if self._last - self._first >= self._segments_max:
                self._drop_first_segment()
        record = len(sealed).to_bytes(2, "big") + (crc32(sealed) & 0xFFFFFFFF).to_bytes(4, "big") + sealed
        try:
            self._files.append(_path(self._last), record)
        except OSError:
            if self._first == self._last:
                raise
            self._drop_first_segment()  # the flash is full of something else: newer reports are worth more
            self._files.append(_path(self._last), record)
        self._last_size += len(record)
        self.waiting += 1

    def oldest(self) -> "tuple[tuple[int, int], bytes] | None":
        """(ticket, sealed bytes) of the oldest report, None when nothing waits. The ticket is for release()."""
        while self._first <= self._last:
            data = self._files.read(_path(self._first)) or b""
            found = _next_record(data, self._offset)
            if found is not None:
                return (self._first, found[1]), data[found[0] : found[1]]
            if self._first == self._last:
                break
            self._leave_first_segment()
        self.waiting = 0
        return None

    def release(self, ticket: "tuple[int, int]") -> None:
        """Forget the report of this ticket: the broker has it. Nothing happens when it was dropped meanwhile."""
        segment, end = ticket
        if segment != self._first or end <= self._offset:
            return
        self.waiting -= 1
        self._offset = end
        if segment == self._last:
            if self.waiting:
                self._write_head()
                return
            # Everything is out: the next report starts a fresh segment
            self._last += 1
            self._last_size = 0
            self._leave_first_segment()
        elif _next_record(self._files.read(_path(segment)) or b"", end) is None:
            self._leave_first_segment()
        else:
            self._write_head()

    def _leave_first_segment(self) -> None:
        # Head first: a power cut in between leaves a file that the next start removes
        gone = self._first
        self._first += 1
        self._offset = 0
        self._write_head()
        self._files.remove(_path(gone))

    def _drop_first_segment(self) -> None:
        lost = self._count_segment(self._first, self._offset)
        self.dropped += lost
        self.waiting -= lost
        self._leave_first_segment()

    def _segments(self) -> "list[int]":
        names = [name for name in self._files.names(FOLDER) if name.endswith(_SUFFIX)]
        return sorted(int(name[: -len(_SUFFIX)]) for name in names if name[: -len(_SUFFIX)].isdigit())

    def _count(self) -> int:
        count = self._count_segment(self._first, self._offset)
        for segment in range(self._first + 1, self._last + 1):
            count += self._count_segment(segment, 0)
        return count

    def _count_segment(self, segment: int, offset: int) -> int:
        data = self._files.read(_path(segment)) or b""
        count = 0
        found = _next_record(data, offset)
        while found is not None:
            count += 1
            found = _next_record(data, found[1])
        return count

    def _read_head(self) -> "tuple[int, int]":
        """(segment, offset); a missing or damaged head means from the start: sent twice is better than lost."""
        data = self._files.read(_HEAD)
        if data is None or len(data) != 12 or crc32(data[:8]) & 0xFFFFFFFF != int.from_bytes(data[8:], "big"):
            return 0, 0
        return int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")

    def _write_head(self) -> None:
        body = self._first.to_bytes(4, "big") + self._offset.to_bytes(4, "big")
        self._files.write(_HEAD, body + (crc32(body) & 0xFFFFFFFF).to_bytes(4, "big"))
