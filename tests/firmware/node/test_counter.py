"""A sequence number is spent before it is used: whatever happens to the power, none comes back."""

from firmware.fakes import Flash, PowerCut, Random, Retained, raises

from envelope.labels import EPOCH_MESSAGES_MAX
from node import counter
from node.counter import BLOCK, Counter
from node.errors import CounterLost

KID = b"\x01\x02\x03\x04"


def _created():
    flash = Flash()
    counter.create(flash, KID)
    return flash, Retained()


def test_numbers_rise_by_one():
    flash, retained = _created()
    numbers = Counter(flash, retained, KID)
    assert [numbers.spend() for _ in range(200)] == list(range(200))


def test_the_limit_is_committed_before_the_first_number_of_a_block():
    flash, retained = _created()
    numbers = Counter(flash, retained, KID)
    for block in range(3):
        flash.cut_after(0)
        raises(PowerCut, numbers.spend)
        flash.power_on()
        before = flash.operations
        for number in range(block * BLOCK, block * BLOCK + BLOCK):
            assert numbers.spend() == number
        assert flash.operations == before + 1


def test_rtc_memory_continues_exactly():
    flash, retained = _created()
    numbers = Counter(flash, retained, KID)
    for number in range(300):
        assert numbers.spend() == number
        numbers = Counter(flash, retained, KID)


def test_a_power_cut_gives_the_rest_of_the_block_up():
    flash, retained = _created()
    numbers = Counter(flash, retained, KID)
    for _ in range(3):
        numbers.spend()
    assert Counter(flash, Retained(), KID).spend() == BLOCK


def test_no_number_comes_back_whatever_happens():
    random = Random(11)
    flash, retained = _created()
    used = set()
    numbers = Counter(flash, retained, KID)
    for _ in range(3000):
        event = random.below(40)
        if event == 0:
            retained = Retained()
        if event == 1 and retained.data:
            damaged = bytearray(retained.data)
            damaged[random.below(len(damaged))] ^= 1 << random.below(8)
            retained.data = bytes(damaged)
        if event < 4:
            numbers = Counter(flash, retained, KID)
        if event == 4:
            flash.cut_after(0)
        try:
            number = numbers.spend()
            assert number not in used
            used.add(number)
        except PowerCut:
            flash.power_on()
            numbers = Counter(flash, retained, KID)


def test_rtc_memory_of_another_key_or_older_than_the_block_is_not_believed():
    flash, retained = _created()
    numbers = Counter(flash, retained, KID)
    for _ in range(10):
        numbers.spend()
    old = retained.data
    for _ in range(100):
        numbers.spend()
    retained.data = old
    assert Counter(flash, retained, KID).spend() == 2 * BLOCK
    other = b"\x09\x09\x09\x09"
    counter.create(flash, other)
    assert Counter(flash, retained, other).spend() == 0


def test_a_lost_counter_is_an_error_never_a_restart():
    flash, retained = _created()
    counter.forget(flash, KID)
    raises(CounterLost, Counter, flash, retained, KID)


def test_every_damaged_byte_is_noticed():
    flash, retained = _created()
    (key,) = flash.values
    good = flash.values[key]
    for i in range(len(good)):
        for bit in range(8):
            damaged = bytearray(good)
            damaged[i] ^= 1 << bit
            flash.values[key] = bytes(damaged)
            raises(CounterLost, Counter, flash, retained, KID)
    for cut in range(len(good)):
        flash.values[key] = good[:cut]
        raises(CounterLost, Counter, flash, retained, KID)


def test_the_key_name_fits_nvs():
    flash, _ = _created()
    assert all(len(key) <= 15 for key in flash.values)


def test_a_key_serves_for_a_limited_number_of_messages():
    flash, retained = _created()
    flash.set("seq01020304", counter._pack(KID, EPOCH_MESSAGES_MAX - BLOCK))
    numbers = Counter(flash, retained, KID)
    for number in range(EPOCH_MESSAGES_MAX - BLOCK, EPOCH_MESSAGES_MAX):
        assert numbers.spend() == number
    raises(CounterLost, numbers.spend)
    raises(CounterLost, Counter(flash, Retained(), KID).spend)
    raises(CounterLost, Counter(flash, retained, KID).spend)
