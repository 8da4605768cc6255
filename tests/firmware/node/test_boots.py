"""Crashes in a row lead to safe mode, and safe mode to another try; causes are told apart as far as can be."""

from firmware.board_fakes import Power
from firmware.fakes import Flash

from envelope.labels import RESET_BROWN_OUT, RESET_ERROR, RESET_OPENED, RESET_PANIC, SAFE_CONFIG
from node import crashes
from node.boots import Boots

POWER_ON, HARD, WATCHDOG, DEEP_SLEEP, SOFT = 1, 2, 3, 4, 5
HOUR_S = 3600


class Board:
    """What a board keeps. `boot` starts it again, for a cause as machine.reset_cause() tells it."""

    def __init__(self):
        self.flash = Flash()
        self.power = Power()

    def boot(self, cause):
        self.power.cause = cause
        return Boots(self.flash, self.power)

    def power_cut(self):
        self.power.cut()
        return self.boot(POWER_ON)

    def crash(self, times=1, cause=WATCHDOG):
        for _ in range(times):
            boots = self.boot(cause)
        return boots


def test_boots_are_counted():
    board = Board()
    assert [board.power_cut().count, board.boot(SOFT).count, board.boot(HARD).count] == [1, 2, 3]


def test_a_cause_is_refined_by_the_mark_that_the_last_life_left():
    board = Board()
    assert board.power_cut().cause == POWER_ON
    assert board.boot(POWER_ON).cause == RESET_BROWN_OUT
    assert board.boot(HARD).cause == RESET_PANIC
    board.boot(SOFT).fail()
    assert board.boot(HARD).cause == RESET_ERROR
    board.boot(SOFT).reset()
    assert board.boot(HARD).cause == HARD
    assert [board.boot(cause).cause for cause in (WATCHDOG, DEEP_SLEEP, SOFT)] == [WATCHDOG, DEEP_SLEEP, SOFT]
    assert board.power.resets == 2


def test_a_hard_reset_of_a_board_without_a_mark_is_what_the_port_says():
    board = Board()
    assert board.boot(HARD).cause == HARD


def test_who_resets_a_board_from_the_repl_has_not_crashed_it():
    for cause in (HARD, POWER_ON, SOFT):
        board = Board()
        for _ in range(5):
            boots = board.boot(cause)
            assert (boots.cause, boots.safe) == (cause, 0)
            crashes.leave(board.power)


def test_the_third_crash_in_a_row_leads_to_safe_mode_and_it_says_why():
    for cause, told in ((WATCHDOG, WATCHDOG), (POWER_ON, RESET_BROWN_OUT), (HARD, RESET_PANIC)):
        board = Board()
        board.power_cut()
        assert [board.crash(cause=cause).safe for _ in range(3)] == [0, 0, told]


def test_a_completed_window_forgets_the_crashes():
    board = Board()
    for _ in range(20):
        boots = board.crash(2)
        assert not boots.safe
        boots.window_closed(60)
    assert board.power.resets == 0


def test_what_is_no_crash_counts_nothing():
    board = Board()
    for cause in (SOFT, DEEP_SLEEP, SOFT, DEEP_SLEEP, SOFT):
        assert not board.boot(cause).safe
    for _ in range(5):
        assert not board.power_cut().safe
    for _ in range(5):
        board.boot(SOFT).reset()
        assert not board.boot(HARD).safe


def test_safe_mode_ends_after_an_hour_then_after_two_and_at_last_after_a_day():
    board = Board()
    boots = board.crash(3)
    patience = []
    for _ in range(200):
        assert boots.safe == WATCHDOG
        patience.append(crashes.patience_s(boots._crashes))
        boots.window_closed(patience[-1] - 1)
        before = board.power.resets
        boots.window_closed(patience[-1])
        assert board.power.resets == before + 1
        assert not board.boot(HARD).safe
        boots = board.crash()
    assert patience[:6] == [HOUR_S, 2 * HOUR_S, 4 * HOUR_S, 8 * HOUR_S, 16 * HOUR_S, 24 * HOUR_S]
    assert patience[6:] == [24 * HOUR_S] * 194


def test_a_completed_window_in_safe_mode_does_not_end_it_and_one_after_it_does():
    board = Board()
    boots = board.crash(3)
    boots.window_closed(60)
    assert board.boot(SOFT).safe
    boots.window_closed(HOUR_S)
    boots = board.boot(HARD)
    boots.window_closed(60)
    assert [board.crash().safe for _ in range(3)] == [0, 0, WATCHDOG]


def test_a_safe_mode_that_crashes_itself_is_left_after_three_more():
    board = Board()
    safe = [bool(board.crash().safe) for _ in range(2000)]
    assert safe[:9] == [False, False, True, False, True, True, True, False, True]
    for at in range(len(safe) - 4):
        assert not all(safe[at : at + 4]), "no try for ever"


def test_switching_off_and_on_and_a_command_try_everything_again():
    board = Board()
    board.crash(3)
    assert not board.power_cut().safe
    assert board.crash().safe
    board.boot(SOFT).reset()
    assert not board.boot(HARD).safe


def test_a_damaged_or_older_record_counts_from_what_it_has():
    for record, count in ((b"\x00\x00\x00\x07", 8), (b"", 1), (b"x" * 40, 0x78787879)):
        board = Board()
        board.flash.values["boots"] = record
        boots = board.crash()
        assert (boots.count, boots.safe) == (count, 0)


def test_a_damaged_record_stops_no_boot():
    for record in (b"\xff" * 6, b"\xff\xff\xff\xff\xfd\x03", b"\xff" * 4, b"\xff" * 40, bytes(4) + b"\x05M"):
        board = Board()
        board.flash.values["boots"] = record
        for cause in (POWER_ON, WATCHDOG, HARD, POWER_ON):
            boots = board.boot(cause)
            assert 0 < boots.count < 1 << 31  # more is refused by the city
            assert boots.safe in (0, WATCHDOG, RESET_BROWN_OUT, RESET_PANIC, RESET_ERROR)
        board.power_cut().reset()


def test_flash_that_takes_no_count_stops_nobody():
    board = Board()

    def failing(*_):
        raise OSError(28)

    board.flash.set = failing
    boots = board.crash(5)
    boots.window_closed(60)
    assert not boots.safe


def test_a_damaged_configuration_spares_the_sensors_in_this_boot():
    board = Board()
    boots = board.power_cut()
    boots.spare(0)
    assert boots.safe == 0
    boots.spare(SAFE_CONFIG)
    assert boots.safe == SAFE_CONFIG
    assert not board.boot(SOFT).safe
    boots = board.crash(3)
    boots.spare(SAFE_CONFIG)
    assert boots.safe == WATCHDOG


def test_that_the_serial_port_was_opened_is_told_until_a_window_is_complete_and_is_no_crash():
    board = Board()
    board.power_cut()
    crashes.opened(board.flash, board.power)
    for cause in (HARD, POWER_ON, HARD):  # whatever happens before that, power cuts too
        boots = board.boot(cause)
        assert (boots.cause, boots.safe) == (RESET_OPENED, 0)
        boots.window_closed(60, False)  # no report of this boot is sealed yet
        board.power.cut()
    boots = board.boot(HARD)
    boots.window_closed(60)
    assert boots.cause == RESET_OPENED
    assert board.boot(SOFT).cause == SOFT


def test_a_node_that_crashes_after_it_was_opened_comes_to_safe_mode_all_the_same():
    board = Board()
    board.power_cut()
    crashes.opened(board.flash, board.power)
    assert [board.crash().safe for _ in range(3)] == [0, 0, WATCHDOG]
