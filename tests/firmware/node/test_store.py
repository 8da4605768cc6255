"""The outbox: oldest first, nothing lost but by its bound, nothing half, whatever happens to the power."""

from firmware.fakes import Flash, PowerCut, Random

from node import store
from node.store import Store


def _report(number, size=200):
    return number.to_bytes(4, "big") + bytes(size - 4)


def _drain(outbox):
    numbers = []
    entry = outbox.oldest()
    while entry is not None:
        ticket, sealed = entry
        numbers.append(int.from_bytes(sealed[:4], "big"))
        outbox.release(ticket)
        entry = outbox.oldest()
    return numbers


def test_oldest_first_over_many_segments_and_a_restart():
    flash = Flash()
    outbox = Store(flash)
    for number in range(100):
        outbox.append(_report(number))
    assert outbox.waiting == 100
    outbox = Store(flash)
    assert outbox.waiting == 100
    assert _drain(outbox) == list(range(100))
    assert outbox.waiting == 0
    assert Store(flash).oldest() is None


def test_segments_stay_within_a_flash_block():
    flash = Flash()
    outbox = Store(flash)
    for number in range(100):
        outbox.append(_report(number, 240))
    assert len([path for path in flash.files if path.endswith(".seg")]) == 7
    assert all(len(data) <= store.SEGMENT_BYTES for data in flash.files.values())


def test_a_report_stays_until_it_is_released():
    outbox = Store(Flash())
    outbox.append(_report(1))
    assert outbox.oldest() == outbox.oldest()


def test_what_was_released_does_not_come_back_after_a_restart():
    flash = Flash()
    outbox = Store(flash)
    for number in range(50):
        outbox.append(_report(number))
    for number in range(50):
        ticket, sealed = outbox.oldest()
        assert sealed == _report(number)
        outbox.release(ticket)
        outbox = Store(flash)
        assert outbox.waiting == 49 - number


def test_an_empty_outbox_leaves_no_segment_behind():
    flash = Flash()
    outbox = Store(flash)
    for number in range(20):
        outbox.append(_report(number))
        _drain(outbox)
    assert [path for path in flash.files if path.endswith(".seg")] == []


def test_when_it_is_full_the_oldest_go_and_are_counted():
    outbox = Store(Flash(), segments_max=3, segment_bytes=1000)
    for number in range(40):
        outbox.append(_report(number))
    assert outbox.dropped > 0
    assert outbox.waiting + outbox.dropped == 40
    assert outbox.waiting >= 8
    assert _drain(outbox) == list(range(outbox.dropped, 40))


def test_a_ticket_of_a_dropped_report_releases_nothing():
    outbox = Store(Flash(), segments_max=2, segment_bytes=500)
    outbox.append(_report(0))
    ticket, _ = outbox.oldest()
    for number in range(1, 10):
        outbox.append(_report(number))
    waiting = outbox.waiting
    outbox.release(ticket)
    assert outbox.waiting == waiting


def test_a_ticket_releases_once():
    outbox = Store(Flash())
    outbox.append(_report(0))
    outbox.append(_report(1))
    ticket, _ = outbox.oldest()
    outbox.release(ticket)
    outbox.release(ticket)
    assert outbox.waiting == 1


def test_appending_while_a_report_is_being_sent():
    outbox = Store(Flash())
    outbox.append(_report(0))
    ticket, _ = outbox.oldest()
    outbox.append(_report(1))
    outbox.release(ticket)
    assert _drain(outbox) == [1]


def test_damaged_bytes_cost_at_most_the_reports_they_are_in():
    for at in range(0, 620, 7):
        flash = Flash()
        outbox = Store(flash)
        for number in range(3):
            outbox.append(_report(number))
        (path,) = [name for name in flash.files if name.endswith(".seg")]
        damaged = bytearray(flash.files[path])
        damaged[at % len(damaged)] ^= 0x40
        flash.files[path] = bytes(damaged)
        outbox = Store(flash)
        numbers = _drain(outbox)
        assert len(numbers) == 2
        assert numbers == sorted(numbers)
        outbox.append(_report(9))
        assert _drain(outbox) == [9]


def test_garbage_in_the_folder_is_not_in_the_way():
    flash = Flash()
    flash.files["/outbox/head"] = b"garbage"
    flash.files["/outbox/notes.txt"] = b"x"
    flash.files["/outbox/abc.seg"] = b"y"
    flash.files["/outbox/00000007.seg"] = bytes(range(256)) * 4
    outbox = Store(flash)
    outbox.append(_report(5))
    assert _drain(Store(flash)) == [5]


def test_a_power_cut_at_any_flash_operation_loses_nothing_acknowledged_or_kept():
    for cut in range(60):
        flash = Flash()
        outbox = Store(flash, segments_max=50, segment_bytes=700)
        kept = []
        gone = []
        flash.cut_after(cut)
        try:
            for number in range(12):
                outbox.append(_report(number))
                kept.append(number)
                if number % 3 == 2:
                    ticket, sealed = outbox.oldest()
                    first = int.from_bytes(sealed[:4], "big")
                    outbox.release(ticket)
                    gone.append(first)
        except PowerCut:
            pass
        flash.power_on()
        numbers = _drain(Store(flash, segments_max=50, segment_bytes=700))
        assert numbers == sorted(set(numbers))
        # One that was just being appended or released may be on either side
        assert set(kept) - set(gone) - {len(gone)} <= set(numbers)
        assert not set(numbers) & set(gone)


def test_random_life_is_a_queue():
    random = Random(5)
    flash = Flash()
    outbox = Store(flash, segments_max=20, segment_bytes=2000)
    model = []
    for number in range(600):
        event = random.below(10)
        if event < 5:
            outbox.append(_report(number, 20 + random.below(400)))
            model.append(number)
        elif event < 9 and model:
            ticket, sealed = outbox.oldest()
            assert int.from_bytes(sealed[:4], "big") == model[0]
            outbox.release(ticket)
            model.pop(0)
        else:
            outbox = Store(flash, segments_max=20, segment_bytes=2000)
        assert outbox.waiting == len(model)
    assert outbox.dropped == 0
    assert _drain(outbox) == model


def test_erase_throws_everything_away():
    flash = Flash()
    outbox = Store(flash)
    for number in range(30):
        outbox.append(_report(number))
    store.erase(flash)
    assert flash.files == {}
    assert Store(flash).oldest() is None
