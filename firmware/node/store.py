"""Fourth stage: sealed reports wait in flash until the city has said that it has them; they go oldest first.

Every report has an index: 1, 2, 3, ... since the node was enrolled, one after the other, never used twice. Records are
appended to segments, files of at most one flash block that are named after the index they begin with:

    record = length (2 bytes), index (4), CRC-32 of index and sealed bytes (4), sealed bytes        numbers big-endian

What the city has received leaves with its receipt, a segment at a time, but the newest segment stays. So the index that
comes next is known twice: by the newest record, and by NVS, where it is put before it is used. An index that has no
record (evicted, rotten, cut off by the power) is a gap, and the reports say so until the city's receipt covers it.
"""

from binascii import crc32

from micropython import const

from envelope.labels import REPORT_GAPS_MAX, SEALED_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.flash import Files

FOLDER = "/outbox"
SEGMENT_BYTES = 4096
SEGMENTS_MAX = 220  # 880 KB: 30 days of 15-minute reports, also of the longer ones
INDEX_MAX = 0x3FFFFFFF

_KEY = "outbox"
_SUFFIX = ".seg"
_HEAD = const(10)
_ENOSPC = const(28)
# So many segments go to make room for one report on a flash that is full of something else
_EVICTED_MAX = const(4)


def _path(first: int) -> str:
    return f"{FOLDER}/{first:08d}{_SUFFIX}"


def _next_record(data: bytes, at: int) -> "tuple[int, int, int] | None":
    """(index, start, end) of the first whole record's sealed bytes at or after `at`; damaged bytes are passed over."""
    while at + _HEAD < len(data):
        start = at + _HEAD
        end = start + int.from_bytes(data[at : at + 2], "big")
        if start < end <= len(data) and end - start <= SEALED_MAX and data[at + 2] <= INDEX_MAX >> 24:
            crc = crc32(data[start:end], crc32(data[at + 2 : at + 6])) & 0xFFFFFFFF
            if crc == int.from_bytes(data[at + 6 : start], "big"):
                return int.from_bytes(data[at + 2 : at + 6], "big"), start, end
        at += 1
    return None


def _last_record(data: bytes) -> "tuple[int, int]":
    """(highest index of a whole record, where the last one ends), (0, 0) without one."""
    highest = end = 0
    found = _next_record(data, 0)
    while found is not None:
        highest, end = max(highest, found[0]), found[2]
        found = _next_record(data, end)
    return highest, end


def _pack(base: int, following: int) -> bytes:
    body = base.to_bytes(4, "big") + following.to_bytes(4, "big")
    return body + (crc32(body) & 0xFFFFFFFF).to_bytes(4, "big")


def _unpack(record: "bytes | None") -> "tuple[int, int]":
    """(base, index that follows); (0, 1) where there is no such record, or a damaged one."""
    if record is not None and len(record) == 12:
        base, following = int.from_bytes(record[:4], "big"), int.from_bytes(record[4:8], "big")
        if base < following <= INDEX_MAX and _pack(base, following) == record:
            return base, following
    return 0, 1


def erase(files: "Files") -> None:
    """Throw everything away that waits, at an enrolment: nobody takes what was sealed under another identity."""
    files.make_folder(FOLDER)
    for name in list(files.names(FOLDER)):
        files.remove(FOLDER + "/" + name)


def restart(nvs: "Any") -> None:
    """Begin with index 1 again, once the new identity is there: under the old one no index may come twice."""
    nvs.erase(_KEY)


class Store:
    """The outbox. `nvs` has get and set. Reads one segment at a time, and at boot mostly the newest one only.

    base     the city has, or will never get, every index up to this one
    next     index of the next report
    """

    def __init__(
        self, files: "Files", nvs: "Any", segments_max: int = SEGMENTS_MAX, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._files = files
        self._nvs = nvs
        self._segments_max = segments_max
        self._segment_bytes = segment_bytes
        self._gaps: list[tuple[int, int]] = []
        files.make_folder(FOLDER)
        self.base, self.next = _unpack(nvs.get(_KEY))
        self._segments = self._found()
        self._size = 0
        while self._segments:
            data = files.read(_path(self._segments[-1])) or b""
            last, end = _last_record(data)
            if last >= self._segments[-1]:
                self.next = max(self.next, last + 1)
                self._size = end if end == len(data) else segment_bytes  # nothing is put behind something torn
                break
            files.remove(_path(self._segments.pop()))  # nothing in it is whole, or of this segment
        self._leave_behind()

    @property
    def oldest(self) -> int:
        """Index of the oldest report that is kept, `next` when none is: what lies below will not be sent any more."""
        return max(self.base + 1, self._segments[0]) if self._segments else self.next

    @property
    def waiting(self) -> int:
        """How many indexes the city has not given a receipt for, of those that are kept."""
        return self.next - self.oldest

    def row(self) -> "list[int]":
        """For the report that is written now: [its index, low 16 bits; reports kept before it; gaps].

        A gap is two numbers: how far below this index it ends, and how many indexes it has.
        """
        row = [self.next & 0xFFFF, self.waiting]
        for first, last in self._gaps:
            row.append(self.next - last)
            row.append(last - first + 1)
        return row

    def append(self, sealed: bytes) -> None:
        """Keep a sealed report under the index `next`. Its index is spent even if the flash does not take it."""
        index = self.next
        self._nvs.set(_KEY, _pack(self.base, index + 1))
        self.next = index + 1
        body = index.to_bytes(4, "big")
        crc = crc32(sealed, crc32(body)) & 0xFFFFFFFF
        record = len(sealed).to_bytes(2, "big") + body + crc.to_bytes(4, "big") + sealed
        if not self._segments or self._size + len(record) > self._segment_bytes:
            self._segments.append(index)
            self._size = 0
            if len(self._segments) > self._segments_max:
                self._evict()
        if self._written(record):
            self._size += len(record)
        else:
            print("hadeda: report lost, the flash does not take it")
            if self._segments[-1] == index:
                self._segments.pop()
            self._note_gap(index, index)

    def after(self, index: int) -> "tuple[int, bytes] | None":
        """(index, sealed bytes) of the oldest report above `index`, None when there is none. Notes gaps it comes by."""
        index = max(index, self.oldest - 1)
        for place in range(len(self._segments)):
            if place + 1 < len(self._segments) and self._segments[place + 1] <= index + 1:
                continue  # all of it lies below
            data = self._files.read(_path(self._segments[place])) or b""
            found = _next_record(data, 0)
            while found is not None:
                if index < found[0] < self.next:
                    self._note_gap(index + 1, found[0] - 1)
                    return found[0], data[found[1] : found[2]]
                found = _next_record(data, found[2])
        self._note_gap(index + 1, self.next - 1)
        return None

    def forget(self, through: int) -> None:
        """The city has everything up to this index, or knows that it never will. What cannot be is left unheard."""
        if not self.base < through < self.next:
            return
        self.base = through
        self._leave_behind()

    def _found(self) -> "list[int]":
        """What segments there are, by their first index, in order."""
        numbers = [name[: -len(_SUFFIX)] for name in self._files.names(FOLDER) if name.endswith(_SUFFIX)]
        found = [int(number) for number in numbers if number.isdigit() and len(number) == 8]
        found.sort()
        return found

    def _leave_behind(self) -> None:
        """Remove the segments that hold nothing above base; the newest stays, for its index."""
        while len(self._segments) > 1 and self._segments[1] <= self.base + 1:
            self._files.remove(_path(self._segments.pop(0)))
        self._gaps = [gap for gap in self._gaps if gap[1] >= self.oldest]

    def _evict(self) -> None:
        """Give up the oldest segment. The report says what is the oldest now, so this makes no gap to remember."""
        self._files.remove(_path(self._segments.pop(0)))
        self._gaps = [gap for gap in self._gaps if gap[1] >= self.oldest]

    def _written(self, record: bytes) -> bool:
        """Append to the newest segment; on a full flash the oldest reports make room: newer ones are worth more."""
        for _ in range(_EVICTED_MAX):
            try:
                self._files.append(_path(self._segments[-1]), record)
                return True
            except OSError as error:
                if error.args[0] != _ENOSPC or len(self._segments) == 1:
                    return False
            self._evict()
        return False

    def _note_gap(self, first: int, last: int) -> None:
        """Remember that these indexes have no record. Gaps are found oldest first; what is too many is found again."""
        gaps = self._gaps
        if first > last or len(gaps) >= REPORT_GAPS_MAX:
            return
        for known in gaps:
            if known[0] <= first and last <= known[1]:
                return
        gaps.append((first, last))
        gaps.sort()
