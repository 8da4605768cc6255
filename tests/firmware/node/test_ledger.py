"""The ledger: epsilon is spent in flash before anything is released, and nothing refills it but running for a day."""

from firmware.fakes import Flash, PowerCut, Random, raises

from node import ledger
from node.ledger import LOST, Ledger

NODE = b"n" * 32
OTHER = b"o" * 32
EPSILON = 500000
DAY = 4 * EPSILON
QUARTER_S = 900


class Keychain:
    """node.keychain, as far as the ledger asks it."""

    def __init__(self, node_id=NODE):
        self.node_id = node_id


def _flash(node_id=NODE):
    flash = Flash()
    ledger.create(flash, node_id)
    return flash


def _boot(flash, node_id=NODE):
    return Ledger(flash, Keychain(node_id))


def test_a_day_has_so_much_epsilon_and_the_next_day_again():
    book = _boot(_flash())
    for _ in range(3):
        granted = [book.spend(EPSILON, DAY, QUARTER_S) for _ in range(96)]
        assert granted == [True] * 4 + [False] * 92
        assert book.spent == DAY


def test_any_24_hours_see_at_most_twice_what_a_ledger_day_has():
    random = Random(9)
    book = _boot(_flash())
    paid = []
    for _ in range(96 * 20):
        # A city that saves a day's epsilon up for its end, and one that does not
        wanted = EPSILON if len(paid) // 480 % 2 or book._elapsed_s > 82000 or random.below(40) == 0 else 0
        paid.append(EPSILON if book.spend(wanted, DAY, QUARTER_S) else 0)
    most = max(sum(paid[at : at + 96]) for at in range(len(paid)))
    assert DAY < most <= 2 * DAY


def test_what_is_spent_is_in_flash_when_the_caller_hears_of_it():
    flash = _flash()
    book = _boot(flash)
    for number in range(1, 5):
        assert book.spend(EPSILON, DAY, QUARTER_S)
        assert _boot(flash).spent == number * EPSILON


def test_a_window_that_costs_nothing_is_not_granted_and_its_time_goes_by():
    book = _boot(_flash())
    book.spend(EPSILON, DAY, QUARTER_S)
    for _ in range(95):
        assert not book.spend(0, DAY, QUARTER_S)
        assert book.spent == EPSILON
    assert book.spend(EPSILON, DAY, QUARTER_S)
    assert book.spent == EPSILON


def test_the_last_millionth_may_be_spent_and_not_one_more():
    book = _boot(_flash())
    assert book.spend(DAY - 1, DAY, QUARTER_S)
    assert not book.spend(2, DAY, QUARTER_S)
    assert book.spend(1, DAY, QUARTER_S)
    assert not book.spend(1, DAY, QUARTER_S)


def test_a_stricter_policy_finds_what_was_spent_before_it():
    book = _boot(_flash())
    for _ in range(3):
        book.spend(EPSILON, DAY, QUARTER_S)
    assert not book.spend(EPSILON, EPSILON, QUARTER_S)
    assert book.spend(EPSILON, DAY, QUARTER_S)


def test_a_power_cut_never_gives_back_what_was_released():
    random = Random(5)
    flash = _flash()
    book = _boot(flash)
    elapsed = spent = 0
    for _ in range(3000):
        event = random.below(8)
        if event == 0:
            book = _boot(flash)
        if event == 1:
            flash.cut_after(0)
        try:
            granted = book.spend(EPSILON, DAY, QUARTER_S)
        except PowerCut:
            flash.power_on()
            book = _boot(flash)
            continue  # nothing was released, and the window did not count as time
        if elapsed >= 86400:
            elapsed = spent = 0
        spent += EPSILON if granted else 0
        elapsed += QUARTER_S
        assert spent <= DAY
        assert book.spent == spent


def test_a_power_cut_at_the_write_releases_nothing():
    flash = _flash()
    book = _boot(flash)
    flash.cut_after(0)
    raises(PowerCut, book.spend, EPSILON, DAY, QUARTER_S)
    flash.power_on()
    assert _boot(flash).spent == 0


def test_flash_that_takes_nothing_grants_nothing():
    flash = _flash()
    book = _boot(flash)
    book.spend(EPSILON, DAY, QUARTER_S)

    def worn(_key, _value):
        raise OSError(5)

    flash.set = worn
    for _ in range(200):
        assert not book.spend(EPSILON, DAY, QUARTER_S)
    assert book.spent == EPSILON


def _withheld_for_a_day(flash):
    book = _boot(flash)
    assert book.spent == LOST
    for _ in range(48):
        assert not book.spend(EPSILON, 2000000000, QUARTER_S)
        assert book.spent == LOST
    book = _boot(flash)  # not even a reboot forgets it
    for _ in range(48):
        assert not book.spend(EPSILON, 2000000000, QUARTER_S)
    assert book.spend(EPSILON, DAY, QUARTER_S)
    assert (book.spent, _boot(flash).spent) == (EPSILON, EPSILON)


def test_a_missing_ledger_withholds_for_a_day_and_recovers():
    _withheld_for_a_day(Flash())


def test_another_nodes_ledger_withholds_for_a_day_and_recovers():
    _withheld_for_a_day(_flash(OTHER))


def test_every_damaged_byte_is_noticed():
    flash = _flash()
    _boot(flash).spend(EPSILON, DAY, QUARTER_S)
    good = flash.values["ledger"]
    for i in range(len(good)):
        for bit in range(8):
            damaged = bytearray(good)
            damaged[i] ^= 1 << bit
            flash.values["ledger"] = bytes(damaged)
            assert _boot(flash).spent == LOST
    for record in [good[:cut] for cut in range(len(good))] + [good + b"\x00", good + good, bytes(16), bytes(64)]:
        flash.values["ledger"] = record
        assert _boot(flash).spent == LOST
    _withheld_for_a_day(flash)


def test_reboots_alone_let_no_time_pass():
    flash = _flash()
    for _ in range(4):
        assert _boot(flash).spend(EPSILON, DAY, QUARTER_S)
    for _ in range(200):
        assert _boot(flash).spent == DAY
    assert not _boot(flash).spend(EPSILON, DAY, QUARTER_S)


def test_a_change_of_identity_carries_it_over_whichever_side_the_power_fails():
    flash = _flash()
    _boot(flash).spend(EPSILON, DAY, QUARTER_S)
    ledger.carry_over(flash, NODE, OTHER)
    for node_id in (NODE, OTHER):
        assert _boot(flash, node_id).spent == EPSILON
    assert _boot(flash, b"x" * 32).spent == LOST
    book = _boot(flash, OTHER)
    assert book.spend(EPSILON, DAY, QUARTER_S)
    assert (_boot(flash, OTHER).spent, _boot(flash, NODE).spent) == (2 * EPSILON, LOST)


def test_a_change_of_identity_does_not_repair_a_lost_one():
    for flash in (Flash(), _flash(OTHER)):
        ledger.carry_over(flash, NODE, b"x" * 32)
        assert _boot(flash, b"x" * 32).spent == LOST


def test_a_longer_and_a_shorter_window_count_as_long_as_they_were():
    book = _boot(_flash())
    for _ in range(4):
        assert book.spend(EPSILON, DAY, 1)
    for length_s in (86395, 0):
        assert not book.spend(EPSILON, DAY, length_s)
    assert not book.spend(EPSILON, DAY, 1)  # the 86,400th second
    assert book.spend(EPSILON, DAY, 86400)
    assert book.spend(EPSILON, DAY, 86400)
    assert book.spent == EPSILON


def test_until_when_there_are_reports_is_written_with_what_is_spent():
    flash = _flash()
    book = _boot(flash)
    assert (book.end_s, book.clock_set) == (0, False)
    book.end_s, book.clock_set = 1654041600, True
    before = flash.operations
    book.spend(EPSILON, DAY, QUARTER_S)
    assert flash.operations == before + 1
    again = _boot(flash)
    assert (again.end_s, again.clock_set, again.spent) == (1654041600, True, EPSILON)


def test_keeping_the_time_spends_nothing_and_lets_no_time_pass():
    flash = _flash()
    book = _boot(flash)
    book.spend(EPSILON, EPSILON, QUARTER_S)
    book.end_s = 4294967295
    for _ in range(200):
        book.keep_time()
    assert not book.spend(EPSILON, EPSILON, QUARTER_S)
    assert (_boot(flash).end_s, _boot(flash).spent) == (4294967295, EPSILON)
