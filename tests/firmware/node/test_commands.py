"""The closed table of commands: executed once, by the command key, for this node; everything else does nothing."""

import sys

from firmware.city_pen import Led, Node, Pen, floor_map
from firmware.fakes import PowerCut, raises

from envelope import cbor, labels, p256
from envelope.errors import Rejected
from node.commands import Commands
from node.keystore import Secrets, open_keystore
from node.report import Owed

PEN = Pen()
STRANGER = Pen(b"x")
WINDOW_S = 900
NUMBER = 0x1234567890
LOW = NUMBER & 0xFFFF


class Stage:
    """A node with its commands, and what they did."""

    def __init__(self, node=None, led=True):
        self.node = node or Node(PEN)
        self.keychain = self.node.boot()
        self.owed = Owed()
        self.led = Led()
        self.reports = []
        self.resets = 0
        lamp = self.led if led else None
        self.commands = Commands(self.keychain, self.owed, self.node.drbg, lamp, self._reset, lambda _public: b"")
        self.commands.report_now = self._report

    def _report(self):
        self.reports.append(self.owed.take()[0])

    def _reset(self):
        self.resets += 1

    def command(self, operation, arguments=None, number=NUMBER, **settings):
        return PEN.command(self.keychain.node_id, number, operation, arguments, **settings)

    def order(self, operation, arguments=None, number=NUMBER, heard=0, **settings):
        """The answer to a command."""
        return self.commands.take(self.command(operation, arguments, number, **settings), heard)

    def kept(self):
        """All that is kept but a command's number and result, to see whether something changed."""
        secrets = self.node.boot().secrets
        names = [name for name in Secrets.NAMES if name not in ("command", "result")]
        return [getattr(secrets, name) for name in names], dict(self.node.flash.values), self.node.retained.data

    def done(self):
        """How often anything was done."""
        return len(self.reports) + self.resets + len(self.led.blinks) + bool(self.keychain.secrets.pending)


def _refused(call, *args):
    """The message was not accepted, and nothing that is kept has changed."""
    stage = Stage()
    before = stage.node.memory()
    raises(Rejected, stage.commands.take, call(stage, *args), 0)
    assert stage.node.memory() == before
    assert stage.done() == 0
    assert stage.owed.take() == (None, None)


def test_rotate_makes_a_ready_and_is_done_in_the_same_write():
    stage = Stage()
    assert stage.order(labels.OPERATION_ROTATE) == (LOW, labels.RESULT_DONE)
    assert stage.keychain.pending_ready() is not None
    assert stage.owed.take()[0] == (LOW, labels.RESULT_DONE)
    again = stage.node.boot()
    assert (again.command, again.result) == (NUMBER, labels.RESULT_DONE)
    assert again.pending_ready() == stage.keychain.pending_ready()


def test_rotate_brings_new_keys_and_a_new_identity():
    stage = Stage()
    new = Pen(b"2").keys[labels.ROLE_RECEIPT][1]
    arguments = {labels.ROTATE_KEYS: {labels.ROLE_RECEIPT: new}, labels.ROTATE_IDENTITY: 1}
    assert stage.order(labels.OPERATION_ROTATE, arguments) == (LOW, labels.RESULT_DONE)
    assert stage.keychain.pending_authorities[labels.ROLE_RECEIPT] == new
    assert stage.keychain.pending_authorities[labels.ROLE_COMMAND] == PEN.authorities[labels.ROLE_COMMAND]
    assert stage.keychain.pending_node_id != stage.keychain.node_id
    assert stage.keychain.authorities == PEN.authorities


def test_set_period_is_kept_over_a_reset():
    stage = Stage()
    assert stage.order(labels.OPERATION_SET_PERIOD, {1: 1800}) == (LOW, labels.RESULT_DONE)
    again = stage.node.boot()
    assert (again.window_s(WINDOW_S), again.command, again.result) == (1800, NUMBER, labels.RESULT_DONE)


def test_the_city_can_make_windows_longer_and_undo_that_but_never_shorter():
    stage = Stage()
    number = 1
    for window_s in (86400, 43200, 1800, 900):
        assert stage.order(labels.OPERATION_SET_PERIOD, {1: window_s}, number) == (number, labels.RESULT_DONE)
        assert stage.keychain.window_s(WINDOW_S) == window_s
        number += 1
    for window_s in (0, 1, 60, 450, 899, 901, 1000, 7000, 86401, 172800, 1 << 63, -900, True, None, "900", b"900", {}):
        before = stage.kept()
        assert stage.order(labels.OPERATION_SET_PERIOD, {1: window_s}, number) == (number, labels.RESULT_REFUSED)
        assert stage.kept() == before
        number += 1


def test_set_policy_is_done_in_the_write_that_takes_it():
    stage = Stage()
    arguments = {1: PEN.policy(version=2, window=1800, k=10), 2: PEN.floor(version=2, k=10)}
    assert stage.order(labels.OPERATION_SET_POLICY, arguments) == (LOW, labels.RESULT_DONE)
    for keychain in (stage.keychain, stage.node.boot()):
        assert (keychain.command, keychain.result) == (NUMBER, labels.RESULT_DONE)
        assert keychain.secrets.policy == cbor.encode(PEN.policy_map(version=2, window=1800, k=10))
        assert keychain.secrets.floor == cbor.encode(floor_map(version=2, k=10))
    assert stage.order(labels.OPERATION_SET_PERIOD, {1: 900}, NUMBER + 1)[1] == labels.RESULT_REFUSED
    assert stage.order(labels.OPERATION_SET_PERIOD, {1: 1800}, NUMBER + 2)[1] == labels.RESULT_DONE
    if sys.implementation.name == "micropython":  # here nothing else has imported it
        assert "node.accept" not in sys.modules


def test_the_same_policy_again_is_done_and_changes_nothing_else():
    stage = Stage()
    before = stage.keychain.secrets
    assert stage.order(labels.OPERATION_SET_POLICY, {1: PEN.policy()}) == (LOW, labels.RESULT_DONE)
    after = stage.keychain.secrets
    assert (after.policy, after.floor, after.command) == (before.policy, before.floor, NUMBER)


def test_a_policy_or_floor_that_is_refused_changes_nothing():
    stage = Stage()
    before = stage.kept()
    number = 1
    for arguments in (
        {},
        {1: b"policy"},
        {1: PEN.policy(version=2, k=1)},
        {1: PEN.policy(version=1, k=9)},
        {1: PEN.policy(version=2, k=0)},
        {1: STRANGER.policy(version=2)},
        {1: PEN.policy(labels.ROLE_COMMAND, version=2)},
        {2: PEN.floor(version=2, k=1)},
        {1: PEN.policy(version=2), 2: PEN.floor(version=2, k=1), 3: PEN.floor(version=2, k=1)},
        {1: PEN.policy(version=2), 2: PEN.floor(version=2, k=50)},
    ):
        assert stage.order(labels.OPERATION_SET_POLICY, arguments, number) == (number, labels.RESULT_REFUSED)
        assert stage.kept() == before
        number += 1
    if sys.implementation.name == "micropython":  # here nothing else has imported it
        assert "node.accept" not in sys.modules


def test_the_command_key_cannot_bring_its_own_release_key():
    stage = Stage()
    point = STRANGER.authorities[labels.ROLE_RELEASE]
    before = stage.kept()
    number = 1
    for keys in ({labels.ROLE_RELEASE: point}, STRANGER.authorities):
        assert stage.order(labels.OPERATION_ROTATE, {1: keys}, number) == (number, labels.RESULT_REFUSED)
        assert stage.kept() == before
        number += 1


def test_report_now_reports_at_once_and_tells_its_own_answer():
    stage = Stage()
    assert stage.order(labels.OPERATION_REPORT_NOW) == (LOW, labels.RESULT_DONE)
    assert stage.reports == [(LOW, labels.RESULT_DONE)]
    assert stage.owed.take() == (None, None)
    assert stage.keychain.result == labels.RESULT_DONE


def test_reboot_waits_for_the_end_of_the_session():
    stage = Stage()
    assert stage.order(labels.OPERATION_REBOOT) == (LOW, labels.RESULT_DONE)
    assert (stage.resets, stage.keychain.result) == (0, labels.RESULT_INTERRUPTED)
    stage.commands.session_over()
    stage.commands.session_over()
    assert stage.resets == 1
    after = Stage(stage.node)
    assert after.order(labels.OPERATION_REBOOT) == (LOW, labels.RESULT_DONE)
    after.commands.session_over()
    assert after.resets == 0


def test_locate_blinks_for_a_minute_where_there_is_a_lamp():
    stage = Stage()
    assert stage.order(labels.OPERATION_LOCATE) == (LOW, labels.RESULT_DONE)
    assert stage.led.blinks == [60]
    assert Stage(led=False).order(labels.OPERATION_LOCATE) == (LOW, labels.RESULT_UNSUPPORTED)


def test_what_is_not_in_the_table_is_unsupported_and_changes_nothing():
    for operation in (0, 8, 255, 1 << 32):
        stage = Stage()
        before = stage.kept()
        assert stage.order(operation, {1: b"print('hello')"}) == (LOW, labels.RESULT_UNSUPPORTED)
        assert stage.kept() == before
        assert stage.done() == 0
        assert stage.owed.take()[0] == (LOW, labels.RESULT_UNSUPPORTED)


def test_a_replayed_command_is_answered_again_and_not_executed_again():
    for operation in (labels.OPERATION_REPORT_NOW, labels.OPERATION_LOCATE, labels.OPERATION_ROTATE):
        stage = Stage()
        message = stage.command(operation)
        assert stage.commands.take(message, 0) == (LOW, labels.RESULT_DONE)
        done = stage.done()
        stage.owed.take()
        before = stage.node.memory()
        for _ in range(3):
            assert stage.commands.take(message, 0) == (LOW, labels.RESULT_DONE)
            assert stage.owed.take()[0] == (LOW, labels.RESULT_DONE)
        assert (stage.done(), stage.node.memory()) == (done, before)
        after = Stage(stage.node)
        done = after.done()
        assert after.commands.take(message, 0) == (LOW, labels.RESULT_DONE)
        assert (after.done(), after.node.memory()) == (done, before)


def test_an_older_command_is_ignored_for_ever():
    stage = Stage()
    old = stage.command(labels.OPERATION_LOCATE, number=NUMBER - 1)
    stage.order(labels.OPERATION_REPORT_NOW)
    stage.owed.take()
    for again in (stage, Stage(stage.node)):
        before = again.node.memory()
        assert again.commands.take(old, 0) is None
        assert again.owed.take() == (None, None)
        assert again.led.blinks == []
        assert again.node.memory() == before


def test_a_command_for_another_node_is_rejected():
    _refused(lambda _: PEN.command(bytes(32), NUMBER, labels.OPERATION_REBOOT))


def test_only_the_command_key_commands():
    _refused(lambda stage: STRANGER.command(stage.keychain.node_id, NUMBER, labels.OPERATION_REBOOT))
    for role in labels.ROLES:
        if role != labels.ROLE_COMMAND:
            _refused(lambda stage, role: stage.command(labels.OPERATION_REBOOT, role=role), role)


def test_a_command_that_somebody_changed_is_rejected():
    def changed(stage, at):
        message = bytearray(stage.command(labels.OPERATION_REBOOT))
        message[at] ^= 1
        return bytes(message)

    for at in (0, 5, 12, 20, -1, -40):
        _refused(changed, at)
    _refused(lambda stage: stage.command(labels.OPERATION_REBOOT)[:-1])
    _refused(lambda _: b"")
    _refused(lambda _: bytes(1500))


def _with(command, label, value):
    changed = dict(command)
    changed[label] = value
    return changed


def test_signed_nonsense_is_rejected():
    good = {1: NUMBER, 2: labels.OPERATION_REBOOT, 3: 9, 4: {}}
    for label, value in ((1, 0), (1, 1 << 40), (1, -1), (1, True), (1, b"1"), (2, -1), (2, True), (2, "5")):
        _refused(lambda stage, changed: PEN.signed(stage.keychain.node_id, changed), _with(good, label, value))
    for label, value in ((3, -1), (3, None), (3, True), (4, None), (4, []), (4, 0), (5, 0)):
        _refused(lambda stage, changed: PEN.signed(stage.keychain.node_id, changed), _with(good, label, value))
    for payload in ({}, [], 0, [NUMBER, 5, 9, {}], {1: NUMBER, 2: 5, 3: 9}, {1: NUMBER, 2: 5, 3: 9, 6: {}}):
        _refused(lambda stage, payload: PEN.signed(stage.keychain.node_id, payload), payload)


def test_arguments_that_are_not_allowed_are_refused_and_change_nothing():
    point = PEN.keys[labels.ROLE_COLLECTOR][1]
    off_curve = point[:-1] + bytes((point[-1] ^ 1,))
    order = p256.P.to_bytes(32, "big")
    bad = [
        (labels.OPERATION_REPORT_NOW, {1: 1}),
        (labels.OPERATION_REBOOT, {"now": 1}),
        (labels.OPERATION_LOCATE, {1: 3600}),
        (labels.OPERATION_SET_PERIOD, {}),
        (labels.OPERATION_SET_PERIOD, {1: 1800, 2: 1}),
        (labels.OPERATION_SET_PERIOD, {2: 1800}),
        (labels.OPERATION_ROTATE, {1: {}}),
        (labels.OPERATION_ROTATE, {1: None}),
        (labels.OPERATION_ROTATE, {1: [point]}),
        (labels.OPERATION_ROTATE, {1: point}),
        (labels.OPERATION_ROTATE, {2: 0}),
        (labels.OPERATION_ROTATE, {2: 2}),
        (labels.OPERATION_ROTATE, {2: True}),
        (labels.OPERATION_ROTATE, {3: 1}),
        (labels.OPERATION_ROTATE, {"1": {1: point}}),
        (labels.OPERATION_ROTATE, {1: {0: point}}),
        (labels.OPERATION_ROTATE, {1: {6: point}}),
        (labels.OPERATION_ROTATE, {1: {"1": point}}),
    ]
    for key in (
        off_curve,
        point[:64],
        point + b"\x00",
        b"\x02" + point[1:33],
        b"\x06" + point[1:],
        b"\x00",
        bytes(65),
        b"\x04" + bytes(64),
        b"\x04" + order + point[33:],
        b"\x04" + point[1:33] + order,
        "x" * 65,
        65,
        None,
    ):
        bad.append((labels.OPERATION_ROTATE, {1: {labels.ROLE_COLLECTOR: key}}))
        bad.append((labels.OPERATION_ROTATE, {1: {labels.ROLE_COLLECTOR: point, labels.ROLE_POLICY: key}}))
    stage = Stage()
    before = stage.kept()
    number = 1
    for operation, arguments in bad:
        assert stage.order(operation, arguments, number) == (number, labels.RESULT_REFUSED), (operation, arguments)
        assert stage.owed.take()[0] == (number, labels.RESULT_REFUSED)
        assert stage.kept() == before
        number += 1
    assert stage.done() == 0


def test_what_was_refused_once_never_runs():
    """Not when the policy allows it later, not when the board has got a lamp, and the answer stays."""
    refused = Stage()
    shorter = refused.command(labels.OPERATION_SET_PERIOD, {1: 450})
    assert refused.commands.take(shorter, 0) == (LOW, labels.RESULT_REFUSED)
    policy = cbor.encode(PEN.policy_map(version=2, window=450))
    open_keystore(refused.node.flash, None).save(refused.keychain.secrets.changed(policy=policy))
    later = Stage(refused.node)
    assert later.keychain.secrets.policy == policy
    assert later.commands.take(shorter, 0) == (LOW, labels.RESULT_REFUSED)
    assert later.keychain.window_s(900) == 900
    assert later.order(labels.OPERATION_SET_PERIOD, {1: 450}, NUMBER + 1)[1] == labels.RESULT_DONE
    dark = Stage(led=False)
    locate = dark.command(labels.OPERATION_LOCATE)
    assert dark.commands.take(locate, 0) == (LOW, labels.RESULT_UNSUPPORTED)
    lit = Stage(dark.node)
    assert lit.commands.take(locate, 0) == (LOW, labels.RESULT_UNSUPPORTED)
    assert lit.led.blinks == []
    # Nor does an older one that lay in wait
    older = lit.command(labels.OPERATION_LOCATE, number=NUMBER - 1)
    assert lit.commands.take(older, 0) is None
    assert lit.led.blinks == []


def test_a_refusal_is_one_write():
    for operation, arguments in ((labels.OPERATION_SET_PERIOD, {1: 1}), (labels.OPERATION_SET_POLICY, None)):
        outcomes = list(_power_cuts(operation, arguments))
        assert len(outcomes) == 2  # one write of two operations
        assert [(before, after) for before, after, _ in outcomes] == [(0, 0)] * 2
        assert len({result for _, _, result in outcomes}) == 1


def test_a_command_after_its_last_epoch_is_ignored():
    stage = Stage()
    message = stage.command(labels.OPERATION_LOCATE, last_epoch=2)
    stage.keychain.ratchet()
    stage.keychain.ratchet()
    before = stage.node.memory()
    assert stage.commands.take(message, 0) is None
    assert (stage.owed.take(), stage.led.blinks, stage.node.memory()) == ((None, None), [], before)
    other = Stage()
    other.keychain.ratchet()
    assert other.order(labels.OPERATION_LOCATE, last_epoch=2) == (LOW, labels.RESULT_DONE)


def test_a_command_in_a_stale_letter_is_ignored():
    stage = Stage()
    for _ in range(129):
        stage.keychain.spend()
    before = stage.node.memory()
    assert stage.order(labels.OPERATION_LOCATE, heard=0) is None
    assert (stage.owed.take(), stage.led.blinks, stage.node.memory()) == ((None, None), [], before)
    assert stage.order(labels.OPERATION_LOCATE, heard=1) == (LOW, labels.RESULT_DONE)


def _power_cuts(operation, arguments=None):
    """(executed before the cut, executed after it, answer after it) for a power cut before every flash operation."""
    cut = 0
    while True:
        stage = Stage()
        message = stage.command(operation, arguments)
        stage.node.flash.cut_after(cut)
        try:
            stage.commands.take(message, 0)
            stage.commands.session_over()
            stage.node.flash.power_on()
            assert cut
            return
        except PowerCut:
            pass
        stage.node.flash.power_on()
        stage.node.retained.data = b""
        after = Stage(stage.node)
        pending = bool(after.keychain.secrets.pending)
        answer = after.commands.take(message, 0)
        after.commands.session_over()
        yield stage.done(), after.done() - pending, answer[1]
        cut += 1


def test_power_cut_between_number_and_execution_means_interrupted_and_never_twice():
    for operation in (labels.OPERATION_REPORT_NOW, labels.OPERATION_LOCATE, labels.OPERATION_REBOOT):
        outcomes = list(_power_cuts(operation))
        assert len(outcomes) == 4  # two writes of two operations each
        for before, after, result in outcomes:
            assert before + after <= 1
            assert result == (labels.RESULT_DONE if after else labels.RESULT_INTERRUPTED)
        assert outcomes[0] == (0, 1, labels.RESULT_DONE)
        assert outcomes[2][2] == labels.RESULT_INTERRUPTED


def test_rotate_set_period_and_set_policy_take_effect_with_their_number_or_not_at_all():
    for operation, arguments in (
        (labels.OPERATION_ROTATE, None),
        (labels.OPERATION_SET_PERIOD, {1: 1800}),
        (labels.OPERATION_SET_POLICY, {1: PEN.policy(version=2)}),
    ):
        outcomes = list(_power_cuts(operation, arguments))
        assert len(outcomes) == 2  # one write
        assert [result for _, _, result in outcomes] == [labels.RESULT_DONE] * 2


def test_an_execution_that_fails_is_interrupted_and_says_nothing_else():
    stage = Stage()

    def out_of_memory():
        raise MemoryError()

    stage.commands.report_now = out_of_memory
    message = stage.command(labels.OPERATION_REPORT_NOW)
    raises(MemoryError, stage.commands.take, message, 0)
    assert stage.owed.take() == (None, None)
    assert stage.commands.take(message, 0) == (LOW, labels.RESULT_INTERRUPTED)


def test_commands_are_canonical_cbor_only():
    stage = Stage()
    loose = b"\xa4\x01\x01\x02\x18\x05\x03\x09\x04\xa0"  # the operation in two bytes
    raises(Exception, cbor.decode, loose)
    from envelope import cose

    aad = cbor.encode([labels.PROFILE, "command", stage.keychain.node_id])
    message = cose.sign1(loose, aad, PEN.keys[labels.ROLE_COMMAND][0], PEN.drbg)
    raises(Rejected, stage.commands.take, message, 0)
