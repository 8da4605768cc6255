"""The outbox on any flash: it opens, goes on, and gives out what is put in afterwards.

An input is a row of pieces: a byte that says where it goes (0: the record in NVS, else a segment), its length in two
bytes, and what stands there.
"""

from binascii import crc32

from firmware.fakes import Flash

from node.store import FOLDER, INDEX_MAX, Store

LAST_NAME = 255
SEGMENT_BYTES, SEGMENTS_MAX = 600, 6
APPENDED = 3
RECORD = "outbox"
HEAD = 10


def one_input(data):
    flash = Flash()
    _fill(flash, data)
    outbox = _opened(flash)
    found = len(_kept(outbox))
    first = outbox.next
    outbox.row()
    if _highest(flash) >= first or first + APPENDED > INDEX_MAX:
        return False  # no accident puts whole reports that are newer than the newest segment into an older one
    reports = [bytes((number,)) * 40 for number in range(APPENDED)]
    for report in reports:
        outbox.append(report)
    if [sealed for index, sealed in _kept(_opened(flash)) if index >= first] != reports:
        raise AssertionError("what was put in does not come out")
    outbox.forget(outbox.next - 1)
    if outbox.waiting or _kept(outbox):
        raise AssertionError("what the city has is not forgotten")
    return found > 0


def _highest(flash):
    """The highest index of a whole record in any segment."""
    highest = 0
    for path in flash.files:
        data = flash.files[path]
        for at in range(len(data) - HEAD):
            end = at + HEAD + int.from_bytes(data[at : at + 2], "big")
            body = data[at + 2 : at + 6] + data[at + HEAD : end]
            if len(body) > 4 and crc32(body) & 0xFFFFFFFF == int.from_bytes(data[at + 6 : at + HEAD], "big"):
                highest = max(highest, int.from_bytes(body[:4], "big"))
    return highest


def _opened(flash):
    return Store(flash, flash, segments_max=SEGMENTS_MAX, segment_bytes=SEGMENT_BYTES)


def _kept(outbox):
    found = []
    entry = outbox.after(0)
    while entry is not None:
        if found and entry[0] <= found[-1][0]:
            raise AssertionError("reports come twice, or out of order")
        found.append(entry)
        entry = outbox.after(entry[0])
    return found


def _fill(flash, data):
    at = 0
    while at + 3 <= len(data):
        name, size = data[at], int.from_bytes(data[at + 1 : at + 3], "big")
        content = data[at + 3 : at + 3 + size]
        if name:
            first = 99999999 if name == LAST_NAME else name
            flash.files[f"{FOLDER}/{first:08d}.seg"] = content
        else:
            flash.values[RECORD] = content
        at += 3 + size


def seeds():
    flash = Flash()
    outbox = _opened(flash)
    found = []
    for number in range(20):
        outbox.append(bytes((number,)) * (60 + number))
        if number in (0, 7, 19):
            found.append(_pieces(flash))
        if number == 12:
            outbox.forget(6)
    return found


def _pieces(flash):
    out = b""
    for path in sorted(flash.files):
        first = int(path[len(FOLDER) + 1 : -4])
        out += bytes((first,)) + len(flash.files[path]).to_bytes(2, "big") + flash.files[path]
    record = flash.values[RECORD]
    return out + b"\x00" + len(record).to_bytes(2, "big") + record
