"""What a node has in memory beside its window outlives a deep sleep, older by as long as that took."""

from firmware import board_fakes  # noqa: F401  (stands in for machine, network and esp32)

from envelope import labels
from node import duty, kept
from node.boots import DEEP_SLEEP


class Thing:
    """Anything with attributes."""

    def __init__(self, **attributes):
        for name in attributes:
            setattr(self, name, attributes[name])


def node(up_s=0, cause=DEEP_SLEEP):
    """As much of a pipeline as is kept, as it is after a boot that has just begun."""
    return Thing(
        sender=Thing(route=Thing(sent=[]), deaf=False, sent=0, base=0, silent=0, patience=8),
        time_sync=Thing(set_at_s=None, set_by=labels.CLOCK_NEVER, uptime_s=lambda: up_s),
        owed=Thing(answer=None, echo=None),
        boots=Thing(cause=cause),
        minimiser=Thing(open=lambda _drbg: None, channels={}, faults={}),
        timetable=Thing(follow=lambda _end_s: None),
        drbg=None,
    )


def slept(before, seconds, after):
    """The node after so long a sleep."""
    window = kept.Kept(1654041600, 1654042500, labels.CLOCK_SYNCHRONISED, 1, 1654042500)
    window.beside = duty._beside(before, 1654041900)
    duty._resume(after, kept.decode(window.encode()), 1654041900 + seconds)
    return after


def test_debts_and_what_went_out_are_kept():
    before = node(up_s=50)
    before.owed.answer, before.owed.echo = (7, labels.RESULT_DONE), b"echoecho"
    before.sender.route.sent = [(3, 17, 20, False), (3, 18, 40, True)]
    after = slept(before, 600, node(up_s=2))
    assert (after.owed.answer, after.owed.echo) == ((7, labels.RESULT_DONE), b"echoecho")
    # 30 and 10 seconds ago then, 630 and 610 now
    assert after.sender.route.sent == [(3, 17, 2 - 630, False), (3, 18, 2 - 610, True)]


def test_a_session_that_failed_listening_is_remembered_and_so_is_what_the_broker_took():
    before = node()
    sender = before.sender
    sender.deaf, sender.sent, sender.base, sender.silent, sender.patience = True, 41, 37, 3, 16
    sender = slept(before, 600, node()).sender
    assert (sender.deaf, sender.sent, sender.base, sender.silent, sender.patience) == (True, 41, 37, 3, 16)


def test_how_long_ago_the_clock_was_set_goes_on():
    before = node(up_s=100)
    before.time_sync.set_at_s, before.time_sync.set_by = 40, labels.CLOCK_SIGNED
    after = slept(before, 900, node(up_s=3)).time_sync
    assert (3 - after.set_at_s, after.set_by) == (960, labels.CLOCK_SIGNED)
    assert slept(node(), 900, node()).time_sync.set_at_s is None


def test_a_sleep_is_no_reset_to_tell_of_but_that_the_port_was_opened_is():
    before = node(cause=labels.RESET_PANIC)
    assert slept(before, 900, node()).boots.cause == labels.RESET_PANIC
    assert slept(before, 900, node(cause=labels.RESET_OPENED)).boots.cause == labels.RESET_OPENED
