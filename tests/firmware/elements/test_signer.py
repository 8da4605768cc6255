"""Keys and signatures of a chip: which slot, whose key, and nothing let out that the city would refuse."""

from firmware.board_fakes import Board  # noqa: F401 (installs machine)
from firmware.element_chip import Chip
from firmware.fakes import Flash, raises

from elements import claim
from elements.atecc608 import Atecc608, ElementFault
from elements.signer import Signer
from envelope import ecdsa, labels
from envelope.errors import KeyInvalid
from node.keystore import Pending, Secrets, open_keystore

PLACE = b"\x00\x07\x06"
MESSAGE = b"what the city is told"


class Node:
    """A chip, and a flash for the records."""

    def __init__(self):
        self.chip = Chip()
        self.driver = Atecc608(self.chip, self.chip.wait_ms)
        claim.take_over(self.driver)
        self.keystore = open_keystore(Flash(), None)

    def signer(self):
        return Signer(self.driver, self.keystore, PLACE)

    def enrol(self):
        private, public = self.signer().make_key(None)
        self.keystore.save_pending_enrolment(Secrets(private, public, {}, 1, bytes(32), 1, 1))
        return private, public

    def commit(self):
        self.keystore.commit()

    def prepare(self):
        """A re-key with a new identity, pending."""
        private, public = self.signer().make_key(None)
        pending = Pending(65, bytes(32), b"ready", 3, None, private, public)
        self.keystore.save(self.keystore.load().changed(pending=pending))
        return private, public


def test_the_place_of_a_key_is_all_that_the_record_has_of_it():
    node = Node()
    private, public = node.enrol()
    assert private == b"\x00" + PLACE
    assert public == b"\x04" + node.driver.public_key(0)
    (key,) = [key for key, _ in node.chip.keys.values()]
    assert key not in b"".join(node.keystore._record._files.files.values())


def test_a_signature_is_the_keys_and_its_s_is_low_whatever_the_chip_says():
    node = Node()
    private, public = node.enrol()
    node.commit()
    signer = node.signer()
    highs = 0
    right = node.chip.sign

    def watched(*args):
        nonlocal highs
        signature = right(*args)
        highs += not ecdsa.is_low(signature)
        return signature

    node.chip.sign = watched
    for _ in range(4):
        signature = signer.sign(private, MESSAGE, None)
        assert ecdsa.is_low(signature)
        assert ecdsa.verify(public, MESSAGE, signature)
    assert highs


def test_what_it_verifies_with_is_the_comb_of_the_key_that_the_city_knows():
    node = Node()
    private, public = node.enrol()
    asked = []

    def comb(of):
        asked.append(of)
        return ()

    signer = Signer(node.driver, node.keystore, PLACE, comb)
    assert ecdsa.verify(public, MESSAGE, signer.sign(private, MESSAGE, None))
    assert asked == [public]


def test_a_new_key_never_takes_a_slot_that_a_record_counts_on():
    node = Node()
    current, _ = node.enrol()
    node.commit()
    pending, pending_public = node.prepare()
    enrolling, _ = node.enrol()
    slots = [key[0] for key in (current, pending, enrolling)]
    assert sorted(slots) == [0, 1, 2]
    for _ in range(3):  # made and lost to a power cut, again and again
        private, _ = node.signer().make_key(None)
        assert private[0] == 3
    assert node.signer().sign(pending, MESSAGE, None)  # all of them are still there
    assert node.signer().sign(current, MESSAGE, None)
    node.commit()
    _, public = node.signer().make_key(None)
    assert public != pending_public


def test_slots_come_free_again():
    node = Node()
    seen = []
    for _ in range(6):
        private, _ = node.enrol()
        node.commit()
        seen.append(private[0])
    assert seen == [0, 1, 0, 1, 0, 1]


def test_another_key_in_the_slot_signs_nothing():
    node = Node()
    private, _ = node.enrol()
    node.commit()
    signer = node.signer()
    signer.check(private)
    node.chip.keys[0] = ecdsa.make_key(node.chip.drbg)  # another chip
    assert raises(ElementFault, signer.sign, private, MESSAGE, None).kind == labels.FAULT_IMPLAUSIBLE
    assert raises(ElementFault, signer.check, private).kind == labels.FAULT_IMPLAUSIBLE
    node.chip.keys.clear()  # a new one
    assert raises(ElementFault, signer.check, private).kind == labels.FAULT_IMPLAUSIBLE


def test_one_slip_is_mended_two_are_told():
    node = Node()
    private, public = node.enrol()
    node.commit()
    slips = [1]
    right = node.chip.sign

    def slipping(key, digest):
        if slips:
            slips.pop()
            return right(key, bytes(32))
        return right(key, digest)

    node.chip.sign = slipping
    assert ecdsa.verify(public, MESSAGE, node.signer().sign(private, MESSAGE, None))
    slips.extend([1, 1])
    raises(ElementFault, node.signer().sign, private, MESSAGE, None)


def test_a_key_that_no_record_has_is_none_of_ours():
    node = Node()
    raises(KeyInvalid, node.signer().sign, b"\x03" + PLACE, MESSAGE, None)


def test_a_chip_that_is_away_makes_no_key():
    node = Node()
    node.chip.dead = True
    assert raises(ElementFault, node.signer().make_key, None).kind == labels.FAULT_NO_ANSWER
    assert node.keystore.load_pending_enrolment() is None
