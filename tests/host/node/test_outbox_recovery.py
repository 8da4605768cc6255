"""The outbox from whatever bytes its flash holds: it opens, goes on, and never says that it has what it has not."""

from typing import Any

from firmware.fakes import Flash
from hypothesis import given, settings
from hypothesis import strategies as st

from node.store import Store

BOUNDS: dict[str, int] = {"segments_max": 12, "segment_bytes": 300}
segments = st.dictionaries(st.integers(0, 60) | st.integers(0, 99_999_999), st.binary(max_size=400), max_size=6)
damage = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 7)), min_size=1, max_size=20)


def report(number: int) -> bytes:
    return number.to_bytes(4, "big") * (5 + number % 9)


def kept(outbox: Any) -> list[tuple[int, bytes]]:
    found = []
    entry = outbox.after(0)
    while entry is not None:
        found.append(entry)
        entry = outbox.after(entry[0])
    return found


def told(outbox: Any) -> set[int]:
    """The indexes that the next report calls missing."""
    row = outbox.row()
    missing = set()
    for below, count in zip(row[2::2], row[3::2], strict=True):
        missing |= set(range(outbox.next - below - count + 1, outbox.next - below + 1))
    return missing


def opened(flash: Flash) -> Any:
    return Store(flash, flash, **BOUNDS)


def filled(count: int, receipt: int) -> tuple[Flash, Any]:
    flash = Flash()
    outbox = opened(flash)
    for number in range(1, count + 1):
        outbox.append(report(number))
        if number == receipt:
            outbox.forget(receipt)
    return flash, outbox


@settings(max_examples=300)
@given(segments, st.none() | st.binary(max_size=20))
def test_any_bytes_in_any_segment_open_and_the_outbox_goes_on(found: dict[int, bytes], record: bytes | None) -> None:
    flash = Flash()
    flash.files = {f"/outbox/{first:08d}.seg": data for first, data in found.items()}
    if record is not None:
        flash.values["outbox"] = record
    outbox = opened(flash)
    before = outbox.next
    for number in range(30):
        outbox.append(report(number))
    assert outbox.next == before + 30
    assert kept(outbox)[-1] == (before + 29, report(29))
    outbox.forget(before + 29)
    assert (outbox.waiting, kept(outbox)) == (0, [])


@settings(max_examples=300)
@given(st.integers(1, 40), st.integers(0, 40), damage, st.booleans())
def test_flipped_bits_lose_reports_and_never_an_index(
    count: int, receipt: int, flips: list[tuple[int, int]], in_nvs: bool
) -> None:
    """What is neither kept nor below the oldest one is told as missing, a few at a time; nothing kept is."""
    flash, outbox = filled(count, receipt)
    places = [("outbox", flash.values)] if in_nvs else [(path, flash.files) for path in sorted(flash.files)]
    for at, bit in flips:
        name, memory = places[at % len(places)]
        data = bytearray(memory[name])
        data[at % len(data)] ^= 1 << bit
        memory[name] = bytes(data)
    again = opened(flash)
    assert again.next == outbox.next, "one of the two places that know it is whole"
    found = kept(again)
    assert all(sealed == report(index) for index, sealed in found)
    present = {index for index, _ in found}
    missing = set(range(again.oldest, again.next)) - present
    assert not told(again) & present
    if len(again._gaps) < 4:
        assert told(again) == missing
    for _ in range(count):
        if not told(again):
            break
        again.forget(max(told(again)))
        present = {index for index, _ in kept(again)}
    assert set(range(again.oldest, again.next)) <= present


@given(st.integers(1, 30), st.integers(0, 500))
def test_a_newest_segment_that_was_cut_off_anywhere_keeps_what_was_whole(count: int, cut: int) -> None:
    flash, outbox = filled(count, 0)
    whole = kept(outbox)
    path = max(flash.files)
    flash.files[path] = flash.files[path][:cut]
    again = opened(flash)
    found = kept(again)
    assert found == whole[: len(found)]
    assert again.next == count + 1
    again.append(report(count + 1))
    assert kept(opened(flash)) == [*found, (count + 1, report(count + 1))]
