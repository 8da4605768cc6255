"""The ATECC608's driver: the right commands in the right order, and never an answer that is damaged or none."""

from firmware.board_fakes import Board  # noqa: F401 (installs machine)
from firmware.element_chip import Chip
from firmware.fakes import PowerCut, raises

from elements import claim
from elements.atecc608 import SLOTS, Atecc608, ElementFault, crc16
from envelope import ecdsa, labels
from node.errors import NodeError

DIGEST = bytes(range(32))
_READ, _WRITE, _LOCK, _NONCE, _GEN_KEY, _SIGN = 0x02, 0x12, 0x17, 0x16, 0x40, 0x41


def _driver(chip):
    return Atecc608(chip, chip.wait_ms)


def _ours():
    """A chip that is configured and locked."""
    chip = Chip()
    claim.take_over(_driver(chip))
    chip.said.clear()
    chip.waited_ms = 0
    return chip


def _fault(call, *args):
    try:
        call(*args)
    except ElementFault as error:
        return error.kind
    raise AssertionError("no fault")


def test_checksums_that_are_known_in_public():
    # Of drivers and their test benches: after waking, success, execution error, miscompare; Info, DeriveKey, GenDig as
    # they are sent; what an ATECC608A says to Info
    for packet in (
        b"\x04\x11\x33\x43",
        b"\x04\x00\x03\x40",
        b"\x04\x0f\x23\x42",
        b"\x04\x01\x00\xc3",
        b"\x07\x30\x00\x00\x00\x03\x5d",
        b"\x07\x1c\x00\x00\x00\x0a\x4d",
        b"\x07\x15\x02\x00\x00\x30\x08",
        b"\x07\x00\x00\x60\x02\x80\x38",
    ):
        assert crc16(packet[:-2]) == packet[-2:]


def test_a_key_is_made_asked_for_and_signs_in_one_waking_each():
    chip = _ours()
    driver = _driver(chip)
    made = driver.make_key(2)
    assert driver.public_key(2) == made
    assert chip.said == ["wake", _GEN_KEY, "sleep"] * 2
    chip.said.clear()
    signature = driver.sign(2, DIGEST)
    assert chip.said == ["wake", _NONCE, _SIGN, "sleep"]
    assert len(signature) == 64
    assert chip.waited_ms < 1300 // 2  # the watchdog's time, and it is put to sleep long before


def test_a_chip_that_is_awake_already_is_put_to_sleep_first_so_that_its_time_begins_anew():
    chip = _ours()
    chip.keys[0] = ecdsa.make_key(chip.drbg)
    chip.awake = True  # by what was said to another part
    _driver(chip).public_key(0)
    assert chip.said == ["sleep", "wake", _GEN_KEY, "sleep"]


def test_what_goes_wrong_has_a_name_and_an_end():
    chip = _ours()
    driver = _driver(chip)
    driver.make_key(0)
    chip.status = 0x0F
    assert _fault(driver.sign, 0, DIGEST) == labels.FAULT_IMPLAUSIBLE
    for status in (0xEE, 0xFF):
        chip.status = status
        assert _fault(driver.sign, 0, DIGEST) == labels.FAULT_BAD_FRAME
    chip.status = None
    chip.busy_polls = 10000
    chip.waited_ms = 0
    assert _fault(driver.sign, 0, DIGEST) == labels.FAULT_NO_ANSWER
    assert chip.waited_ms < 1000
    chip.busy_polls = 2
    chip.hung = True
    assert _fault(driver.sign, 0, DIGEST) == labels.FAULT_BUS_HUNG
    chip.hung, chip.dead = False, True
    assert _fault(driver.sign, 0, DIGEST) == labels.FAULT_NO_ANSWER
    chip.dead = False
    assert len(driver.sign(0, DIGEST)) == 64


def test_no_flipped_bit_of_an_answer_gets_through():
    chip = _ours()
    driver = _driver(chip)
    driver.make_key(0)
    for place in range(67):
        flipped = []

        def flip(wire, place=place, flipped=flipped):
            if len(wire) == 67:
                wire[place] ^= 1 << place % 8
                flipped.append(place)

        chip.damage = flip
        assert _fault(driver.public_key, 0) == labels.FAULT_BAD_FRAME
        assert flipped == [place]


def test_an_answer_of_another_length_is_none():
    chip = _ours()
    driver = _driver(chip)
    chip.carry_out = lambda *_: bytes(32)
    assert _fault(driver.public_key, 0) == labels.FAULT_IMPLAUSIBLE
    chip.carry_out = lambda *_: bytes(200)  # longer than was asked for
    assert _fault(driver.public_key, 0) == labels.FAULT_BAD_FRAME
    for count in (0x00, 0x03, 0xFF):

        def say(wire, count=count):
            if len(wire) > 4:
                wire[0] = count

        chip.damage = say
        assert _fault(driver.public_key, 0) == labels.FAULT_BAD_FRAME


def test_a_new_chip_is_configured_and_locked_and_what_it_was_told_is_what_was_meant():
    chip = Chip()
    serial = bytes(chip.config[:16])
    assert claim.standing(_driver(chip)) == ["new", "0102030405060708ee"]
    claim.take_over(_driver(chip))
    config = bytes(chip.config)
    assert claim.standing(_driver(chip)) == ["ours", "0102030405060708ee"]
    assert config[:16] == serial
    for slot in range(16):
        slot_config = config[20 + 2 * slot] | config[21 + 2 * slot] << 8
        key_config = config[96 + 2 * slot] | config[97 + 2 * slot] << 8
        private = slot < SLOTS
        assert slot_config & 0x80, "a slot can be read"
        assert key_config & 1 == private
        assert bool(slot_config >> 12 & 2) == private, "GenKey: in ours and nowhere else"
        assert not slot_config >> 12 & 4, "something else can write the slot"
        if private:
            assert slot_config & 0xF == 1, "it signs what comes from outside, and nothing else"
            assert key_config >> 2 & 7 == 4, "P-256"
            assert key_config & 2, "its public key may be asked for"
            assert not key_config & 0xE0, "no condition, and no lock of its own"
        else:
            assert slot_config >> 12 & 0xF == 8, "it can be written"


def test_taking_it_again_changes_nothing():
    chip = _ours()
    before = bytes(chip.config)
    claim.take_over(_driver(chip))
    assert bytes(chip.config) == before
    assert not [word for word in chip.said if word in (_WRITE, _LOCK)]


def test_cut_short_at_any_change_it_is_taken_up_again():
    changes = 0
    while True:
        chip = Chip()
        chip.cut_after = changes
        try:
            claim.take_over(_driver(chip))
            break
        except PowerCut:
            pass
        assert claim.standing(_driver(chip))[0] in ("new", "halfway")
        chip.cut_after = None
        claim.take_over(_driver(chip))
        assert claim.standing(_driver(chip))[0] == "ours"
        changes += 1
    assert changes == 6  # four words, two locks


def test_a_chip_that_others_have_locked_is_foreign_whatever_the_difference():
    ours = bytes(_ours().config)
    for place in (16, 19, 20, 21, 27, 28, 51, 68, 71, 88, 90, 92, 96, 103, 104, 127, 6):
        config = bytearray(ours)
        config[place] ^= 1
        chip = Chip(config)
        assert claim.standing(_driver(chip))[0] == "foreign", place
        raises(NodeError, claim.take_over, _driver(chip))
        assert bytes(chip.config) == bytes(config)


def test_what_a_bad_wire_made_of_the_configuration_is_not_locked():
    chip = Chip()
    right = chip.carry_out

    def wrong(opcode, mode, param, data):
        return right(opcode, mode, param, bytes([data[0] ^ 2]) + data[1:] if opcode == _WRITE else data)

    chip.carry_out = wrong
    raises(NodeError, claim.take_over, _driver(chip))
    assert chip.config[86:88] == b"\x55\x55"


def test_a_chip_that_is_not_there_is_absent():
    chip = Chip()
    chip.dead = True
    assert claim.standing(_driver(chip)) == ["absent", str(labels.FAULT_NO_ANSWER)]
