"""The ear of a locked node, and what it takes for the command key's answer: to one challenge, of one node."""

import asyncio
from binascii import hexlify

from firmware import board_fakes
from firmware.city_pen import Pen
from firmware.fakes import raises

from envelope import cbor, cose, ecdsa, labels
from envelope.errors import Rejected
from node import lock, opening
from node.commands import Commands

assert board_fakes  # puts machine and esp32 in place
PEN = Pen()
STRANGER = Pen(b"x")
NODE_ID = bytes(range(32))
DRAWN = bytes(range(16))
KEY = ecdsa.Verifier(PEN.authorities[labels.ROLE_COMMAND])
MINUTE_MS = 60000


def answer(pen=PEN, payload=DRAWN, context="open", role=labels.ROLE_COMMAND, node_id=NODE_ID):
    return hexlify(pen.sign(payload, context, role, node_id))


def opens(line):
    return opening.opens(line, DRAWN, NODE_ID, KEY)


def test_the_command_keys_answer_opens():
    assert opens(answer())
    assert opens(answer().upper())


def test_an_answer_for_another_challenge_node_or_purpose_or_by_another_key_does_not():
    assert not opens(answer(payload=DRAWN[:-1]))
    assert not opens(answer(payload=DRAWN + b"\0"))
    assert not opens(answer(payload=bytes(16)))
    assert not opens(answer(node_id=bytes(32)))
    for context in ("command", "policy", "floor", "release", "enrol", "Open", ""):
        assert not opens(answer(context=context)), context
    for role in labels.ROLES:
        assert opens(answer(role=role)) == (role == labels.ROLE_COMMAND)
    assert not opens(answer(STRANGER))


def test_a_command_does_not_open_and_an_answer_is_no_command():
    command = PEN.command(NODE_ID, 1, labels.OPERATION_REBOOT)
    assert not opens(hexlify(command))
    # Even where the challenge is a command's encoding
    payload = cose.open_sign1(command, cbor.encode([labels.PROFILE, "command", NODE_ID]), KEY)
    assert not opening.opens(hexlify(command), payload, NODE_ID, KEY)

    class Chain:
        authorities = PEN.authorities
        node_id = NODE_ID

    commands = Commands(Chain(), None, None, None, None, lambda _public: b"")
    raises(Rejected, commands.take, PEN.sign(payload, "open", labels.ROLE_COMMAND, NODE_ID), 0)


def test_garbage_is_no_answer():
    whole = answer()
    for at in range(0, len(whole), 7):
        assert not opens(whole[:at])
        assert not opens(whole[:at] + b"0" + whole[at + 1 :]) or whole[at : at + 1] == b"0"
    for line in (b"", b"0", b"zz", b"\xff\x00", b"d2" * 90, b"x" + whole, whole + b"00"):
        assert not opens(line), line


class Cable:
    """In place of the serial port's lines, of node.opening and of the clock: each sleep is a period of half a second.

    `typed` has lines by the number of the sleep after which they are there.
    """

    def __init__(self, typed, fails=False):
        self.typed = typed
        self.fails = fails
        self.now = 0
        self.said = []
        self.drawn = 0
        self.answered_ms = []

    def next(self):
        for at in sorted(self.typed):
            if at <= self.now:
                return self.typed.pop(at)
        return b""

    def challenge(self, drawn):
        if self.fails:
            raise OSError(5)
        if not drawn:
            self.drawn += 1
        self.said.append(("challenge", self.drawn))
        return bytes((self.drawn,)) * 16

    def answer(self, line, drawn):
        self.said.append((line, drawn[0]))
        self.answered_ms.append(self.now)

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, later, earlier):
        return later - earlier

    async def sleep_ms(self, milliseconds):
        self.now += milliseconds
        if not self.typed and self.now > 30 * MINUTE_MS:
            raise StopAsyncIteration

    def listen(self):
        """Let the ear listen until nothing is typed any more; what came of it."""

        class Seldom:
            def __init__(inner, name):
                assert name == "node.opening"

            def __enter__(inner):
                return self

            def __exit__(inner, *_error):
                pass

        lock.Lines, lock.seldom, lock.print = (lambda: self), Seldom, lambda *_words: None
        raises(StopAsyncIteration, asyncio.run, lock.listen(self))
        return self.said


def test_a_challenge_is_the_same_until_it_is_answered_and_good_for_one_answer():
    asks = {1000: b"hadeda?", 2000: b"hadeda?", 3000: b"open 00", 4000: b"open 01", 20000: b"hadeda?"}
    assert Cable(asks).listen() == [("challenge", 1), ("challenge", 1), (b"00", 1), ("challenge", 2)]


def test_nothing_is_answered_that_was_not_asked_or_too_late():
    late = {1000: b"open 00", 2000: b"hadeda?", 2000 + 2 * MINUTE_MS + 1000: b"open 01"}
    assert Cable(late).listen() == [("challenge", 1)]
    in_time = {2000: b"hadeda?", 2 * MINUTE_MS: b"open 01"}
    assert Cable(in_time).listen() == [("challenge", 1), (b"01", 1)]


def test_after_a_wrong_answer_it_does_not_listen_for_ten_seconds():
    cable = Cable({at: b"hadeda?" if at % 1000 else b"open 00" for at in range(500, 60000, 500)})
    cable.listen()
    assert len(cable.answered_ms) == 59
    for at in range(1, len(cable.answered_ms)):
        assert cable.answered_ms[at] - cable.answered_ms[at - 1] >= 10000


def test_other_lines_are_nobodys():
    lines = (b"hadeda", b"hadeda??", b"HADEDA?", b"open", b"\x03\x01\x04", b"import os")
    assert Cable({500 * at: line for at, line in enumerate(lines)}).listen() == []


def test_keys_that_cannot_be_read_do_not_end_the_listening():
    assert Cable({1000: b"hadeda?", 30000: b"hadeda?"}, fails=True).listen() == []
