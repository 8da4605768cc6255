"""The downlink: letters of the city, sealed for this node, one retained message on a topic that changes every epoch.

A letter says how much the city has heard and when, and which reports the node may let go of; it may carry a command and
a challenge. Whoever fills the mailbox with something else is not answered, and cannot keep a report from leaving.
"""

from binascii import hexlify

from micropython import const

from envelope import cbor, cose, ecdsa, keys
from envelope.errors import CborError, Rejected
from envelope.labels import (
    CHALLENGE_SIZE,
    DIRECTION_DOWN,
    LETTER_CHALLENGE,
    LETTER_COMMAND,
    LETTER_HEARD,
    LETTER_THROUGH,
    LETTER_TIME,
    ROLE_RECEIPT,
)
from node.commands import is_uint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from envelope.drbg import Drbg
    from envelope.keys import EpochKeys
    from envelope.p256_comb import Comb
    from node.commands import Commands
    from node.keychain import Keychain
    from node.report import Owed

DOWN_PREFIX = "hadeda/down"
# So many messages under one key may fail to open before it is not used any more
_FAILURES_MAX = const(1000)


class _Box:
    """What the mailbox remembers of one key: the last letter's number, its answer and its challenge, and failures."""

    def __init__(self) -> None:
        self.number = -1
        self.answer: tuple[int, int] | None = None
        self.challenge: bytes | None = None
        self.failures = 0


class Mailbox:
    """Opens letters under the current and the pending epoch's key. `prefix` is the configured part of their topics.

    `comb` gives the comb of a public key, empty without. `receipt` takes the index up to which the city needs no report
    any more. `on_heard` is told of every letter: its epoch, the number of the last message that the city has heard in
    it, and its time then (Unix seconds, 0 where it does not say). `failures` counts what did not open since boot.
    """

    def __init__(
        self,
        keychain: "Keychain",
        commands: "Commands",
        owed: "Owed",
        drbg: "Drbg",
        prefix: str,
        comb: "Callable[[bytes], Comb]",
        receipt: "Callable[[int], None]",
        on_heard: "Callable[[int, int, int], None]",
    ) -> None:
        self._keychain = keychain
        self._commands = commands
        self._owed = owed
        self._drbg = drbg
        self._prefix = prefix
        self._comb = comb
        self._receipt = receipt
        self._on_heard = on_heard
        self._boxes: dict[str, _Box] = {}
        self.failures = 0

    def topics(self) -> "list[str]":
        """The topics to subscribe to in this session; what is remembered of other epochs is forgotten."""
        topics = [self._topic(self._keychain.epoch_keys)]
        pending = self._keychain.pending_keys()
        if pending is not None:
            topics.append(self._topic(pending[1]))
        self._boxes = {topic: self._boxes.get(topic) or _Box() for topic in topics}
        return topics

    def ready(self) -> "bytes | None":
        """The message that announces a pending re-key; one is begun when it is time. Only with the radio on."""
        if self._keychain.rekey_wanted:
            self._keychain.renew(self._drbg)
        return self._keychain.pending_ready()

    def handle(self, topic: str, message: bytes) -> None:
        """Take one message from a topic of topics(). What is no letter for this node is counted and forgotten."""
        box = self._boxes.get(topic)
        if box is None or not message or box.failures >= _FAILURES_MAX:
            return
        try:
            number = cose.header(message)[2]
            if number == box.number:
                self._owe_again(box)
            elif number > box.number:
                self._open(topic, box, number, message)
        except Rejected as error:
            box.failures += 1
            self.failures += 1
            print("hadeda: not a letter for this node:", self.failures, "so far:", error.reason)

    def session_over(self) -> None:
        """The radio is off: what a command left for then."""
        self._commands.session_over()

    def _topic(self, epoch_keys: "EpochKeys") -> str:
        return self._prefix + "/" + hexlify(epoch_keys.kid).decode()

    def _owe_again(self, box: _Box) -> None:
        """The city has not taken its letter back: it has not had what the letter asked for."""
        self._owed.answer = box.answer or self._owed.answer
        self._owed.echo = box.challenge or self._owed.echo

    def _open(self, topic: str, box: _Box, number: int, message: bytes) -> None:
        """Open a letter and do what it says; its number is noted unless something unforeseen happened."""
        keychain = self._keychain
        pending = keychain.pending_keys()
        epoch = keychain.epoch
        if topic == self._topic(keychain.epoch_keys):
            letter = self._letter(
                message, epoch, keychain.epoch_keys, keychain.node_id, keychain.authorities[ROLE_RECEIPT]
            )
        elif pending is not None and topic == self._topic(pending[1]):
            receipt = keychain.pending_authorities[ROLE_RECEIPT]
            epoch = pending[0]
            letter = self._letter(message, epoch, pending[1], keychain.pending_node_id, receipt)
            keychain.confirm()  # the city has the new keys: only who has them can have written this
        else:
            return  # the epoch ended while the letter was on its way
        self._receipt(letter.get(LETTER_THROUGH, 0))
        self._on_heard(epoch, letter[LETTER_HEARD] - 1, letter.get(LETTER_TIME, 0))
        box.answer = None
        box.challenge = letter.get(LETTER_CHALLENGE)
        self._owed.echo = box.challenge or self._owed.echo
        if LETTER_COMMAND in letter:
            try:
                box.answer = self._commands.take(letter[LETTER_COMMAND], letter[LETTER_HEARD])
            except Rejected:
                box.number = number
                raise
        box.number = number

    def _letter(
        self, message: bytes, epoch: int, epoch_keys: "EpochKeys", node_id: bytes, receipt: bytes
    ) -> "dict[Any, Any]":
        """The letter's map, checked; Rejected when it is not from the city, not for this node or not in form."""
        verifier = ecdsa.Verifier(receipt, self._comb(receipt))
        _, payload = cose.open(message, epoch_keys, epoch, DIRECTION_DOWN, keys.thumbprint(receipt), node_id, verifier)
        letter: Any = None
        try:
            letter = cbor.decode(payload)
        except CborError:
            pass
        if not isinstance(letter, dict) or not is_uint(letter.get(LETTER_HEARD)):
            raise Rejected("not a letter")
        if not is_uint(letter.get(LETTER_THROUGH, 0)):
            raise Rejected("receipt of a letter")
        for label in letter:
            if label not in (LETTER_HEARD, LETTER_COMMAND, LETTER_CHALLENGE, LETTER_THROUGH, LETTER_TIME):
                raise Rejected("label of a letter")
        if not is_uint(letter.get(LETTER_TIME, 0)):
            raise Rejected("time of a letter")
        if not isinstance(letter.get(LETTER_COMMAND, b""), bytes):
            raise Rejected("command of a letter")
        challenge = letter.get(LETTER_CHALLENGE, bytes(CHALLENGE_SIZE))
        if not isinstance(challenge, bytes) or len(challenge) != CHALLENGE_SIZE:
            raise Rejected("challenge of a letter")
        return letter
