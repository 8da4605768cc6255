"""Letters: opened only when the city wrote them for this node; whatever else lies in the mailbox does nothing."""

from binascii import hexlify

from firmware import comb_tables
from firmware.city_pen import Address, Led, Node, Pen, topic
from firmware.fakes import Random, raises
from firmware.opened_ready import OpenedReady

from envelope import keys, labels, p256
from node import combs
from node.commands import Commands
from node.letters import Mailbox
from node.report import Owed
from node.seal import Sealer

PEN = Pen()
STRANGER = Pen(b"x")
CHALLENGE = b"8 bytes!"
FAILURES_MAX = 1000


class Stage:
    """A node with its mailbox."""

    def __init__(self, node=None):
        self.node = node or Node(PEN)
        self.keychain = self.node.boot()
        self.owed = Owed()
        self.led = Led()
        self.found = []
        self.receipts = []
        self.commands = Commands(self.keychain, self.owed, self.node.drbg, self.led, lambda: None, self.comb)
        self.mailbox = Mailbox(
            self.keychain,
            self.commands,
            self.owed,
            self.node.drbg,
            "hadeda/down",
            self.comb,
            self.receipts.append,
            self._hear,
        )
        self.mailbox.topics()
        self.heard = []

    def _hear(self, *what):
        self.heard.append(what)

    def comb(self, public):
        """As the node finds it on its flash."""
        data = combs.read(self.node.flash, public)
        self.found.append(bool(data))
        return data

    def topic(self):
        return topic(self.keychain.epoch_keys)

    def arrive(self, message):
        self.mailbox.handle(self.topic(), message)

    def locate(self, number=1):
        return PEN.command(self.keychain.node_id, number, labels.OPERATION_LOCATE)

    def pending(self):
        """Where the city writes once it has the ready message."""
        epoch, epoch_keys = self.keychain.pending_keys()
        return Address(epoch, epoch_keys, self.keychain.pending_node_id)


def _ignored(make, failures=1):
    """The message that make(stage) gives is counted as no letter, and changes nothing."""
    stage = Stage()
    message = make(stage)
    before = stage.node.memory()
    stage.arrive(message)
    assert stage.mailbox.failures == failures
    assert stage.node.memory() == before
    assert stage.led.blinks == []
    assert stage.owed.take() == (None, None)
    assert not any(stage.receipts)
    # The mailbox still works
    stage.arrive(PEN.letter(stage.keychain, 1 << 38, stage.locate()))
    assert stage.led.blinks == [60]


def test_topics_are_those_of_the_current_and_the_pending_epoch_and_change_with_them():
    stage = Stage()
    first = stage.topic()
    assert stage.mailbox.topics() == [first]
    assert len(first) == len("hadeda/down/") + 8
    stage.keychain.begin_rekey(stage.node.drbg)
    pending = topic(stage.keychain.pending_keys()[1])
    assert stage.mailbox.topics() == [first, pending]
    stage.keychain.ratchet()
    assert stage.mailbox.topics() == [stage.topic(), pending]
    assert stage.topic() != first


def test_a_letter_brings_a_command_and_a_challenge():
    stage = Stage()
    stage.arrive(PEN.letter(stage.keychain, 5, stage.locate(), challenge=CHALLENGE))
    assert stage.led.blinks == [60]
    assert stage.owed.take() == ((1, labels.RESULT_DONE), CHALLENGE)
    assert stage.mailbox.failures == 0


def test_a_letter_says_which_reports_are_not_needed_any_more():
    stage = Stage()
    stage.arrive(PEN.letter(stage.keychain, 5, through=77))
    stage.arrive(PEN.letter(stage.keychain, 5, through=77))
    stage.arrive(PEN.letter(stage.keychain, 4, through=99))
    stage.arrive(STRANGER.letter(stage.keychain, 6, through=99))
    assert stage.receipts == [77]
    after = Stage(stage.node)
    after.arrive(PEN.letter(stage.keychain, 5, through=77))
    assert after.receipts == [77], "whether that is old news is for the outbox to know"


def test_a_letter_without_anything_is_a_letter():
    stage = Stage()
    stage.arrive(PEN.letter(stage.keychain, 0))
    assert (stage.mailbox.failures, stage.owed.take()) == (0, (None, None))


def test_what_the_city_has_heard_and_when_is_passed_on_and_only_from_a_letter():
    stage = Stage()
    stage.arrive(PEN.letter(stage.keychain, 0, heard=8, city_s=1654041600))
    stage.arrive(PEN.letter(stage.keychain, 1, heard=9))
    stage.arrive(PEN.letter(stage.keychain, 2, heard=10, city_s=1, role=labels.ROLE_COMMAND))
    assert stage.heard == [(1, 7, 1654041600), (1, 8, 0)]


def test_the_same_letter_is_not_opened_again_but_what_it_asks_for_is_due_again():
    stage = Stage()
    letter = PEN.letter(stage.keychain, 5, stage.locate(), challenge=CHALLENGE)
    stage.arrive(letter)
    stage.owed.take()

    def opened(*_):
        raise AssertionError("decrypted")

    stage.mailbox._letter = opened
    stage.arrive(letter)
    assert stage.owed.take() == ((1, labels.RESULT_DONE), CHALLENGE)
    assert stage.owed.take() == (None, None)
    assert stage.led.blinks == [60]


def test_after_a_reboot_the_same_letter_is_answered_and_not_executed():
    stage = Stage()
    letter = PEN.letter(stage.keychain, 5, stage.locate(), challenge=CHALLENGE)
    stage.arrive(letter)
    after = Stage(stage.node)
    after.arrive(letter)
    assert after.led.blinks == []
    assert after.owed.take() == ((1, labels.RESULT_DONE), CHALLENGE)


def test_an_older_letter_is_ignored():
    stage = Stage()
    old = PEN.letter(stage.keychain, 4, stage.locate(2), challenge=b"outdated")
    stage.arrive(PEN.letter(stage.keychain, 5, stage.locate(1)))
    stage.owed.take()
    stage.arrive(old)
    assert stage.led.blinks == [60]
    assert stage.owed.take() == (None, None)


def test_an_uplink_message_reflected_by_the_broker_is_no_letter():
    _ignored(lambda stage: Sealer(stage.keychain, stage.node).seal_once(b"\xa1\x01\x00"))
    up = labels.DIRECTION_UP
    _ignored(lambda stage: PEN.sealed(stage.keychain, 3, {1: 0}, direction=up))


def test_only_the_receipt_key_signs_letters():
    for role in labels.ROLES:
        if role != labels.ROLE_RECEIPT:
            _ignored(lambda stage, role=role: PEN.letter(stage.keychain, 3, stage.locate(), role=role))
    _ignored(lambda stage: STRANGER.letter(stage.keychain, 3, stage.locate()))


def test_a_letter_for_another_node_is_no_letter():
    other = Node(PEN, b"o").boot()
    # Under its own keys, and by mistake under ours
    _ignored(lambda _: PEN.letter(other, 3, PEN.command(other.node_id, 1, labels.OPERATION_LOCATE)))
    _ignored(lambda stage: PEN.letter(Address(1, stage.keychain.epoch_keys, other.node_id), 3, stage.locate()))


def test_a_letter_of_another_epoch_is_no_letter():
    _ignored(lambda stage: PEN.letter(Address(2, stage.keychain.epoch_keys, stage.keychain.node_id), 3))

    def of_the_epoch_before(stage):
        letter = PEN.letter(stage.keychain, 3, stage.locate())
        stage.keychain.ratchet()
        stage.mailbox.topics()
        return letter

    _ignored(of_the_epoch_before)


def test_a_letter_that_was_on_its_way_when_the_epoch_ended_is_left():
    stage = Stage()
    old = stage.topic()
    letter = PEN.letter(stage.keychain, 3, stage.locate())
    stage.keychain.ratchet()
    stage.mailbox.handle(old, letter)
    assert (stage.led.blinks, stage.mailbox.failures) == ([], 0)


def test_a_command_of_somebody_else_in_a_letter_of_the_city_does_nothing():
    _ignored(
        lambda stage: PEN.letter(
            stage.keychain, 3, STRANGER.command(stage.keychain.node_id, 1, labels.OPERATION_LOCATE)
        )
    )
    _ignored(lambda stage: PEN.letter(stage.keychain, 3, PEN.command(bytes(32), 1, labels.OPERATION_LOCATE)))


def test_a_signed_letter_out_of_form_is_no_letter():
    for letter in (
        {},
        {2: b""},
        {1: -1},
        {1: True},
        {1: b"0"},
        {1: 0, 2: "command"},
        {1: 0, 2: None},
        {1: 0, 3: b"7 bytes"},
        {1: 0, 3: "8 bytes!"},
        {1: 0, 4: -1},
        {1: 0, 4: True},
        {1: 0, 4: b"9"},
        {1: 0, 4: None},
        {1: 0, 5: -1},
        {1: 0, 5: True},
        {1: 0, 5: b"1654041600"},
        {1: 0, 6: 0},
        {1: 0, "3": CHALLENGE},
    ):
        _ignored(lambda stage, letter=letter: PEN.sealed(stage.keychain, 3, letter))


def test_changed_and_cut_letters_are_no_letters():
    def changed(stage, at):
        letter = bytearray(PEN.letter(stage.keychain, 3, stage.locate()))
        letter[at] ^= 1
        return bytes(letter)

    for at in (0, 1, 3, 9, 15, 40, -1):
        _ignored(lambda stage, at=at: changed(stage, at))
    for size in (1, 10, 60, -1):
        _ignored(lambda stage, size=size: PEN.letter(stage.keychain, 3)[:size])


def test_an_empty_message_is_a_mailbox_that_was_emptied():
    _ignored(lambda _: b"", failures=0)


def test_random_bytes_are_no_letters():
    random = Random(11)
    stage = Stage()
    before = stage.node.memory()
    for number in range(200):
        stage.arrive(random.generate(1 + random.below(400)))
        assert stage.mailbox.failures == number + 1
    assert stage.node.memory() == before


def test_a_thousand_failures_close_the_box_until_the_next_epoch():
    stage = Stage()
    good = PEN.letter(stage.keychain, 9, stage.locate())
    for _ in range(FAILURES_MAX - 1):
        stage.arrive(b"\xff")
    stage.arrive(PEN.letter(stage.keychain, 8))
    stage.arrive(b"\xff")
    assert stage.mailbox.failures == FAILURES_MAX
    for _ in range(3):
        stage.mailbox.topics()
        stage.arrive(good)
    assert (stage.led.blinks, stage.mailbox.failures) == ([], FAILURES_MAX)
    stage.keychain.ratchet()
    stage.mailbox.topics()
    stage.arrive(PEN.letter(stage.keychain, 9, stage.locate()))
    assert stage.led.blinks == [60]


def test_a_full_box_of_one_key_does_not_close_the_other():
    stage = Stage()
    stage.keychain.begin_rekey(stage.node.drbg)
    current, pending = stage.mailbox.topics()
    for _ in range(FAILURES_MAX):
        stage.mailbox.handle(current, b"\xff")
    epoch = stage.keychain.pending_keys()[0]
    stage.mailbox.handle(pending, PEN.letter(stage.pending(), 1))
    assert stage.keychain.epoch == epoch


def test_a_letter_under_the_pending_key_confirms_it():
    stage = Stage()
    stage.keychain.begin_rekey(stage.node.drbg, new_identity=True)
    stage.keychain.spend()
    current, pending = stage.mailbox.topics()
    epoch, node_id = stage.keychain.pending_keys()[0], stage.keychain.pending_node_id
    late = PEN.letter(stage.keychain, 2, stage.locate())
    command = PEN.command(node_id, 1, labels.OPERATION_LOCATE)
    stage.mailbox.handle(pending, PEN.letter(stage.pending(), 1, command, challenge=CHALLENGE))
    assert (stage.keychain.epoch, stage.keychain.node_id, stage.keychain.spent) == (epoch, node_id, 0)
    assert stage.keychain.pending_keys() is None
    assert stage.led.blinks == [60]
    assert stage.owed.take() == ((1, labels.RESULT_DONE), CHALLENGE)
    stage.mailbox.handle(current, late)
    assert stage.mailbox.topics() == [pending]
    again = Stage(stage.node)
    assert (again.keychain.epoch, again.keychain.node_id) == (epoch, node_id)


def test_nothing_but_the_citys_letter_confirms():
    new = Pen(b"2")
    stage = Stage()
    stage.keychain.begin_rekey(stage.node.drbg, {labels.ROLE_RECEIPT: new.authorities[labels.ROLE_RECEIPT]}, True)
    current, pending = stage.mailbox.topics()
    address = stage.pending()
    before = stage.node.memory()
    for where, message in (
        (pending, PEN.letter(address, 1)),  # the receipt key that is being replaced
        (pending, new.letter(address, 1, role=labels.ROLE_COMMAND)),
        (pending, new.letter(Address(address.epoch, address.epoch_keys, stage.keychain.node_id), 1)),  # the old node
        (pending, new.letter(Address(address.epoch + 1, address.epoch_keys, address.node_id), 1)),
        (pending, new.sealed(address, 1, {1: 0}, direction=labels.DIRECTION_UP)),
        (pending, new.sealed(address, 1, {})),
        (pending, PEN.letter(stage.keychain, 1)),
        (current, new.letter(address, 1)),
        (current, stage.keychain.pending_ready()),
        (pending, stage.keychain.pending_ready()),
    ):
        stage.mailbox.handle(where, message)
        assert stage.node.memory() == before
    assert stage.mailbox.failures == 10
    assert stage.keychain.epoch == 1
    stage.mailbox.handle(pending, new.letter(address, 1))
    assert stage.keychain.epoch == address.epoch


def test_a_letter_whose_handling_fails_is_opened_again():
    stage = Stage()
    take = stage.commands.take

    def out_of_memory(*_):
        raise MemoryError()

    stage.commands.take = out_of_memory
    letter = PEN.letter(stage.keychain, 5, stage.locate())
    raises(MemoryError, stage.arrive, letter)
    stage.commands.take = take
    stage.arrive(letter)
    assert stage.led.blinks == [60]


def test_a_topic_that_nobody_subscribed_to_is_not_read():
    stage = Stage()
    stage.mailbox.handle("hadeda/down/00000000", PEN.letter(stage.keychain, 5, stage.locate()))
    assert (stage.led.blinks, stage.mailbox.failures) == ([], 0)


def test_a_rekey_that_was_dropped_begins_again_with_all_it_was_to_bring():
    new = Pen(b"2").authorities[labels.ROLE_RECEIPT]
    stage = Stage()
    arguments = {labels.ROTATE_KEYS: {labels.ROLE_RECEIPT: new}, labels.ROTATE_IDENTITY: 1}
    command = PEN.command(stage.keychain.node_id, 9, labels.OPERATION_ROTATE, arguments)
    stage.arrive(PEN.letter(stage.keychain, 1, command))
    first = stage.mailbox.ready()
    for _ in range(labels.REKEY_GRACE):
        stage.keychain.ratchet()
    stage = Stage(stage.node)
    message = stage.mailbox.ready()
    assert message not in (None, first)
    ready = OpenedReady(message, PEN.keys[labels.ROLE_COLLECTOR], stage.keychain.secrets.public)
    assert ready.fields[labels.READY_COMMAND] == 9
    assert ready.node_id == stage.keychain.pending_node_id != stage.keychain.node_id
    assert stage.keychain.pending_authorities[labels.ROLE_RECEIPT] == new


def test_a_rekey_that_is_due_begins_with_the_session():
    stage = Stage()
    assert stage.mailbox.ready() is None
    for _ in range(labels.REKEY_EVERY):
        stage.keychain.ratchet()
    ready = stage.mailbox.ready()
    assert ready is not None
    assert stage.mailbox.ready() == ready
    assert Stage(stage.node).mailbox.ready() == ready


def _comb_file(public):
    """(path, content), as the host writes it."""
    path = "/combs/" + hexlify(keys.thumbprint(public)[:8]).decode()
    return path, b"".join(comb_tables.tables(*p256.decode(public), 2))


def test_letters_and_commands_are_checked_with_combs_where_they_are_on_the_flash():
    stage = Stage()
    for role in (labels.ROLE_RECEIPT, labels.ROLE_COMMAND):
        path, content = _comb_file(PEN.authorities[role])
        stage.node.flash.files[path] = content
        assert b"".join(comb_tables.content(combs.read(stage.node.flash, PEN.authorities[role]))) == content
    stage.arrive(PEN.letter(stage.keychain, 1, stage.locate()))
    assert (stage.found, stage.led.blinks) == ([True, True], [60])
    forged = STRANGER.command(stage.keychain.node_id, 2, labels.OPERATION_LOCATE)
    stage.arrive(PEN.letter(stage.keychain, 2, forged))
    stage.arrive(STRANGER.letter(stage.keychain, 3, stage.locate(4)))
    assert (stage.found, stage.led.blinks, stage.mailbox.failures) == ([True] * 5, [60], 2)


def test_a_damaged_comb_does_no_harm():
    path, content = _comb_file(PEN.authorities[labels.ROLE_RECEIPT])
    flipped = bytearray(content)
    for entry in range(128):
        flipped[64 * entry + entry % 64] ^= 4
    for damaged in (bytes(flipped), content[64:] + content[:64], bytes(8192), content[:-1], content + b"\x00", b""):
        stage = Stage()
        stage.node.flash.files[path] = damaged
        stage.arrive(PEN.letter(stage.keychain, 1, stage.locate()))
        assert (stage.found, stage.led.blinks) == ([len(damaged) == 8192, False], [60])
