"""The outbox: oldest first until the city's receipt, lost only by its bound, no index twice, whatever happens."""

from firmware.fakes import Flash, PowerCut, Random

from node import store
from node.store import Store

ENOSPC = 28


def _report(number, size=200):
    return number.to_bytes(4, "big") + bytes(size - 4)


def _open(flash, **bounds):
    return Store(flash, flash, **bounds)


def _kept(outbox, after=0):
    """(index, number in the report) of everything that would be sent."""
    found = []
    entry = outbox.after(after)
    while entry is not None:
        found.append((entry[0], int.from_bytes(entry[1][:4], "big")))
        entry = outbox.after(entry[0])
    return found


def _numbered(first, last, *more):
    indexes = list(range(first, last + 1))
    indexes.extend(more)
    return [(index, index) for index in indexes]


def _filled(count, size=200, **bounds):
    flash = Flash()
    outbox = _open(flash, **bounds)
    for number in range(1, count + 1):
        outbox.append(_report(number, size))
    return flash, outbox


def _segments(flash):
    return [path for path in sorted(flash.files) if path.endswith(".seg")]


def _gaps(outbox):
    """The row's gaps as (first, last)."""
    row = outbox.row()[2:]
    pairs = [(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return [(outbox.next - below - count + 1, outbox.next - below) for below, count in pairs]


def test_oldest_first_over_many_segments_and_a_restart():
    flash, outbox = _filled(100)
    for each in (outbox, _open(flash)):
        assert (each.next, each.oldest, each.waiting) == (101, 1, 100)
        assert _kept(each) == _numbered(1, 100)
        assert each.row() == [101, 100]


def test_segments_stay_within_a_flash_block():
    flash, _ = _filled(100, 240)
    assert len(_segments(flash)) == 7
    assert all(len(data) <= store.SEGMENT_BYTES for data in flash.files.values())


def test_a_receipt_lets_everything_up_to_it_go():
    flash, outbox = _filled(100)
    for through in (1, 30, 31, 99, 100):
        outbox.forget(through)
        assert (outbox.base, outbox.oldest, outbox.waiting) == (through, through + 1, 100 - through)
        assert _kept(outbox) == _numbered(through + 1, 100)
    assert len(_segments(flash)) == 1
    outbox.append(_report(101))
    again = _open(flash)
    assert (again.base, _kept(again)) == (100, [(101, 101)])


def test_a_receipt_that_is_older_or_for_what_never_was_changes_nothing():
    _, outbox = _filled(50)
    outbox.forget(20)
    for through in (0, 1, 19, 20, 51, 1000, 0x3FFFFFFF, 1 << 64):
        outbox.forget(through)
        assert (outbox.base, outbox.next, _kept(outbox)) == (20, 51, _numbered(21, 50))


def test_a_receipt_that_a_power_cut_forgot_costs_only_repetition():
    flash, outbox = _filled(50)
    outbox.forget(40)
    again = _open(flash)
    assert again.next == 51
    kept = _kept(again)
    assert kept == _numbered(kept[0][0], 50)
    assert kept[0][0] <= 41
    assert _gaps(again) == []


def test_an_index_goes_on_when_either_place_that_knows_it_is_lost():
    for receipt in (0, 20, 50):
        flash, outbox = _filled(50)
        outbox.forget(receipt)
        outbox.append(_report(51))
        values, files = dict(flash.values), dict(flash.files)
        flash.values.clear()
        assert _open(flash).next == 52
        flash.values["outbox"] = values["outbox"][:-1] + b"\x00"
        assert _open(flash).next == 52
        flash.values, flash.files = values, {}
        bare = _open(flash)
        assert (bare.next, bare.oldest, _kept(bare)) == (52, 52, [])
        flash.files = files
        assert _open(flash).next == 52


def test_a_folder_that_went_back_in_time_brings_no_index_twice():
    flash, outbox = _filled(10)
    before = dict(flash.files)
    outbox.append(_report(11))
    flash.files = before
    again = _open(flash)
    again.append(_report(12))
    assert _kept(again) == _numbered(1, 10, 12)
    assert _gaps(again) == [(11, 11)]


def test_when_it_is_full_the_oldest_go_and_the_row_says_what_is_left():
    flash, outbox = _filled(40, segments_max=3, segment_bytes=1000)
    assert outbox.oldest > 1
    assert outbox.waiting >= 8
    assert _kept(outbox) == _numbered(outbox.oldest, 40)
    assert outbox.row() == [41, 41 - outbox.oldest]
    assert len(_segments(flash)) == 3
    assert _kept(_open(flash, segments_max=3, segment_bytes=1000)) == _kept(outbox)


def test_damaged_bytes_cost_the_report_they_are_in_and_make_a_gap():
    length = 3 * 210
    for at in range(0, length, 7):
        flash, _ = _filled(3)
        (path,) = _segments(flash)
        damaged = bytearray(flash.files[path])
        assert len(damaged) == length
        damaged[at] ^= 0x40
        flash.files[path] = bytes(damaged)
        outbox = _open(flash)
        lost = at // 210 + 1
        kept = [(index, index) for index in (1, 2, 3) if index != lost]
        assert outbox.next == 4
        assert _kept(outbox) == kept
        assert _gaps(outbox) == [(lost, lost)]
        outbox.append(_report(4))
        kept.append((4, 4))
        assert _kept(outbox) == kept
        assert _gaps(outbox) == [(lost, lost)]


def test_a_rotten_segment_is_one_gap_and_a_receipt_ends_it():
    for place in (0, 1, 4):
        flash, _ = _filled(90)
        path = _segments(flash)[place]
        flash.files[path] = bytes(4000)
        outbox = _open(flash)
        kept = [index for index, _ in _kept(outbox)]
        missing = [index for index in range(1, 91) if index not in kept]
        assert len(missing) >= 10
        assert _gaps(outbox) == [(missing[0], missing[-1])]
        outbox.forget(missing[-1] - 1)
        assert _gaps(outbox) == [(missing[0], missing[-1])]
        outbox.append(_report(91))
        outbox.forget(missing[-1])
        assert _gaps(outbox) == []
        assert (outbox.oldest, outbox.next) == (missing[-1] + 1, 92)


def test_many_gaps_are_told_a_few_at_a_time_the_oldest_first():
    flash, _ = _filled(400)
    paths = _segments(flash)
    for path in paths[1:20:2]:
        flash.files[path] = b""
    outbox = _open(flash)
    told = []
    for _ in range(4):
        kept = [index for index, _ in _kept(outbox, outbox.base)]
        gaps = _gaps(outbox)
        told += gaps
        assert len(gaps) <= 4
        assert not any(first <= index <= last for index in kept for first, last in gaps)
        if gaps:
            outbox.forget(gaps[-1][1])
    missing = [index for first, last in told for index in range(first, last + 1)]
    firsts = [int(path[8:16]) for path in paths] + [401]
    assert missing == [index for at in range(1, 20, 2) for index in range(firsts[at], firsts[at + 1])]


def test_a_torn_append_at_any_byte_leaves_the_earlier_ones_whole():
    flash, outbox = _filled(2)
    (path,) = _segments(flash)
    whole = flash.files[path]
    outbox.append(_report(3))
    record = flash.files[path][len(whole) :]
    values = dict(flash.values)
    for torn in range(len(record)):
        flash.files[path] = whole + record[:torn]
        again = _open(flash)
        assert (again.next, _kept(again)) == (4, _numbered(1, 2))
        again.append(_report(4))
        assert _kept(_open(flash)) == _numbered(1, 2, 4)
        flash.files, flash.values = {}, dict(values)


def test_garbage_in_the_folder_is_not_in_the_way():
    flash = Flash()
    flash.files["/outbox/head"] = b"garbage"
    flash.files["/outbox/notes.txt"] = b"x"
    flash.files["/outbox/abc.seg"] = b"y"
    flash.files["/outbox/00000007.seg"] = bytes(range(256)) * 4
    outbox = _open(flash)
    assert outbox.next == 1
    outbox.append(_report(1))
    assert _kept(_open(flash)) == [(1, 1)]


class FullFlash(Flash):
    """`room` is how many bytes of files fit; append fails beyond, as littlefs does."""

    room = 100000
    error = ENOSPC

    def append(self, path, data):
        if sum(len(content) for content in self.files.values()) + len(data) > self.room:
            self.files.setdefault(path, b"")
            raise OSError(self.error)
        super().append(path, data)


def test_a_segment_that_holds_anothers_reports_brings_no_index_twice():
    flash, outbox = _filled(40)
    flash.files[store.FOLDER + "/00000099.seg"] = flash.files[_segments(flash)[0]]
    flash.values.clear()
    assert _open(flash).next == outbox.next


def test_a_flash_full_of_something_else_costs_the_oldest_reports():
    flash = FullFlash()
    outbox = _open(flash)
    for number in range(1, 101):
        outbox.append(_report(number))
    flash.files["/something_else"] = bytes(flash.room - sum(len(data) for data in flash.files.values()))
    for number in range(101, 121):
        outbox.append(_report(number))
    assert outbox.oldest > 1
    assert _kept(outbox) == _numbered(outbox.oldest, 120)
    assert _kept(_open(flash)) == _kept(outbox)


def test_a_report_that_does_not_fit_at_all_is_a_gap():
    for error in (ENOSPC, 5):
        flash = FullFlash()
        flash.error = error
        outbox = _open(flash)
        outbox.append(_report(1))
        flash.room = 0
        outbox.append(_report(2))
        outbox.append(_report(3))
        flash.room = 100000
        outbox.append(_report(4))
        assert _kept(outbox) == [(1, 1), (4, 4)]
        assert [last for _, last in _gaps(outbox)][-1] == 3
        again = _open(flash)
        assert _kept(again) == [(1, 1), (4, 4)]
        assert _gaps(again) == [(2, 3)]


def test_an_error_of_the_flash_that_is_not_want_of_room_costs_no_other_report():
    flash = FullFlash()
    flash.error = 5
    outbox = _open(flash)
    for number in range(1, 101):
        outbox.append(_report(number))
    flash.room = 0
    for number in range(101, 130):
        outbox.append(_report(number))
    assert _kept(outbox) == _numbered(1, 100)


def test_a_power_cut_at_any_flash_operation_repeats_no_index_and_loses_at_most_the_report_in_hand():
    for cut in range(80):
        flash = Flash()
        outbox = _open(flash, segments_max=50, segment_bytes=700)
        whole = 0
        flash.cut_after(cut)
        try:
            for number in range(1, 31):
                outbox.append(_report(number))
                whole = number
                if number % 4 == 0:
                    outbox.forget(number - 2)
        except PowerCut:
            pass
        flash.power_on()
        again = _open(flash, segments_max=50, segment_bytes=700)
        kept = _kept(again)
        assert kept == _numbered(kept[0][0], kept[-1][0]) if kept else whole == 0
        assert again.next > whole
        assert not kept or kept[-1][0] >= whole
        assert again.next <= whole + 2
        for _, last in _gaps(again):
            assert last == whole + 1  # closed, reserved, and cut off before it was stored: the city is told


def test_random_life_is_a_queue():
    random = Random(5)
    flash = Flash()
    outbox = _open(flash, segments_max=20, segment_bytes=2000)
    model = []
    number = 0
    for _ in range(600):
        event = random.below(10)
        if event < 5:
            number += 1
            outbox.append(_report(number, 20 + random.below(300)))
            model.append(number)
        elif event < 8 and model:
            outbox.forget(model[random.below(len(model))])
            model = [each for each in model if each > outbox.base]
        elif event < 9:
            outbox.append(_report(number + 1))
            number += 1
            model.append(number)
            outbox = _open(flash, segments_max=20, segment_bytes=2000)
        if len(model) < 60:
            assert (outbox.waiting, _kept(outbox)) == (len(model), [(each, each) for each in model])
            assert _gaps(outbox) == []


def test_erase_throws_everything_away_and_only_restart_begins_anew():
    flash, _ = _filled(30)
    store.erase(flash)
    assert flash.files == {}
    assert _open(flash).next == 31
    store.restart(flash)
    fresh = _open(flash)
    assert (fresh.base, fresh.next, fresh.after(0)) == (0, 1, None)
