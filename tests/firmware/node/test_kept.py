"""What a sleeping node keeps of its open window, and what of a sample it takes into it."""

from array import array

from envelope import labels
from node import kept, sample
from node.channel import Channel


def window():
    found = kept.Kept(1654041600, 1654042500, labels.CLOCK_SYNCHRONISED, 3, 1654042541)
    found.channels = {1: Channel(), 3: Channel()}
    return found


def add(found, what, a, b, c):
    found.add(array("i", (what, a, b, c)))


def test_it_comes_back_as_it_was():
    found = window()
    for value in (-450, 1834, 12):
        add(found, sample.READING, 0, 1, value)
    add(found, sample.FAULT, 2, labels.FAULT_BUS_HUNG, 0)
    found.beside = [1654041999, 1, [[7, labels.RESULT_DONE], b"echoecho"], [[3, 17, 840, False]], [False, 9], [None, 2]]
    again = kept.decode(found.encode())
    assert (again.start_s, again.end_s(), again.quality, again.rest, again.wake_s) == (
        1654041600,
        1654042500,
        labels.CLOCK_SYNCHRONISED,
        3,
        1654042541,
    )
    assert again.length_s() == 900
    assert again.beside == found.beside
    assert again.faults == found.faults == {2 * 8 + labels.FAULT_BUS_HUNG: 1}
    assert again.channels[1].release() == [3, 465, 915, 1369]
    assert again.channels[3].n == 0
    assert again.encode() == kept.decode(again.encode()).encode()


def test_what_the_policy_does_not_allow_is_not_kept():
    found = window()
    add(found, sample.READING, 0, 2, 6120)
    add(found, sample.PASSAGE, 0, 0, 50)
    assert found.encode() == window().encode()


def test_a_sample_belongs_into_its_window_only():
    found = window()
    # Set back a little, the clock is before the start that was chosen not to report a time twice
    assert [found.takes(at) for at in (1654041299, 1654041300, 1654042499, 1654042500)] == [False, True, True, False]


def test_nothing_and_rubbish_are_no_window():
    assert kept.decode(b"") is None
    assert kept.decode(window().encode()[:-1]) is None


def test_a_window_with_every_channel_and_many_faults_fits_into_rtc_memory():
    found = window()
    found.channels = {number: Channel() for number in labels.CHANNELS}
    for number in labels.CHANNELS:
        for value in (-(10**6), 10**6):
            add(found, sample.READING, 0, number, value)
    for sensor in range(8):
        for kind in range(8):
            for _ in range(300):
                add(found, sample.FAULT, sensor, kind, 0)
    sending = [True, 2**30, 2**30, 64, 64]
    found.beside = [2**32, 10, [[65535, 1], bytes(8)], [[2**31, 2**31, 2**31, True]] * 4, sending, [2**31, 3]]
    assert len(found.encode()) < 1024
