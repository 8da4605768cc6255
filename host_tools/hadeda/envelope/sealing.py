"""What the city says to a node: letters, sealed like reports in the other direction, and the commands inside them.

    command = sign_command(command_key, node_id, Command(number, labels.OPERATION_REBOOT, last_epoch))
    sealed = seal_letter(epoch_keys, epoch, number, receipt_key, node_id, Letter(heard, command))

The letter is signed by the receipt key, which the collector has; the command by the command key, which may be
elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hadeda.envelope import cose, labels, strict_cbor
from hadeda.envelope.keys import EpochKeys, public_point, thumbprint
from hadeda.envelope.padding import pad
from hadeda.errors import CityError

OPERATIONS: Final = range(labels.OPERATION_ROTATE, labels.OPERATION_SET_NETWORK + 1)


@dataclass(frozen=True)
class Command:
    """A command before it is signed; `operation` is one of labels.OPERATION_*, `arguments` its map."""

    number: int
    operation: int
    last_epoch: int
    arguments: Mapping[int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Letter:
    """`heard`: one more than the highest sequence number received in this epoch; `command` is signed.

    `through` is the receipt: the city has every report up to this index, or knows that it will never get it. `time_s`
    is when that number was received, in Unix seconds; None where there is none.
    """

    heard: int
    command: bytes | None = None
    challenge: bytes | None = None
    through: int = 0
    time_s: int | None = None


def sign_command(key: ec.EllipticCurvePrivateKey, node_id: bytes, command: Command) -> bytes:
    """The COSE_Sign1 of a command for the node with the thumbprint `node_id`; CityError where no node could take it."""
    if not 0 < command.number <= labels.COMMAND_NUMBER_MAX or command.operation not in OPERATIONS:
        raise CityError(f"command {command.number} cannot be made", "check this machine's clock")
    payload = strict_cbor.encode(
        {
            labels.COMMAND_NUMBER: command.number,
            labels.COMMAND_OPERATION: command.operation,
            labels.COMMAND_LAST_EPOCH: command.last_epoch,
            labels.COMMAND_ARGUMENTS: dict(command.arguments),
        }
    )
    return cose.sign(key, payload, strict_cbor.encode([labels.PROFILE, "command", node_id]))


def sign_opening(key: ec.EllipticCurvePrivateKey, node_id: bytes, challenge: bytes) -> bytes:
    """The answer that opens a locked node's serial port: the command key over its challenge, for nothing else."""
    return cose.sign(key, challenge, strict_cbor.encode([labels.PROFILE, "open", node_id]))


def read_command(signed: bytes) -> Command:
    """A command of our own, read again. Its signature is not looked at: do not use it on what others sent."""
    payload = strict_cbor.decode(cose.parse_sign1(signed).payload)
    if not isinstance(payload, dict):
        raise TypeError("a command is a map")
    return Command(
        payload[labels.COMMAND_NUMBER],
        payload[labels.COMMAND_OPERATION],
        payload[labels.COMMAND_LAST_EPOCH],
        payload[labels.COMMAND_ARGUMENTS],
    )


def seal_letter(
    keys: EpochKeys, epoch: int, number: int, receipt_key: ec.EllipticCurvePrivateKey, node_id: bytes, letter: Letter
) -> bytes:
    """The sealed letter. `number` is its partial IV and is used once only under these keys; CityError when too long."""
    fields: dict[int, object] = {labels.LETTER_HEARD: letter.heard}
    if letter.command is not None:
        fields[labels.LETTER_COMMAND] = letter.command
    if letter.challenge is not None:
        fields[labels.LETTER_CHALLENGE] = letter.challenge
    if letter.through:
        fields[labels.LETTER_THROUGH] = letter.through
    if letter.time_s is not None:
        fields[labels.LETTER_TIME] = letter.time_s
    message = cose.SealedMessage(
        keys.kid, shortest(number, labels.PARTIAL_IV_MAX), shortest(epoch, labels.EPOCH_MAX), b"", 0
    )
    sender = thumbprint(public_point(receipt_key.public_key()))
    inner_aad = cose.sign1_aad(message, labels.DIRECTION_DOWN, sender, node_id)
    inner = cose.sign(receipt_key, pad(strict_cbor.encode(fields), labels.PAYLOAD_MIN), inner_aad)
    aead = AESCCM(keys.key_down, tag_length=labels.TAG_SIZE)
    outer_aad = cose.encrypt0_aad(message, labels.DIRECTION_DOWN)
    sealed = cose.render_sealed(message, aead.encrypt(message.nonce(keys.iv_down), inner, outer_aad))
    if len(sealed) > labels.SEALED_MAX:
        raise CityError(f"a letter of {len(sealed)} bytes is too long for a node", "rotate fewer keys at once")
    return sealed


def shortest(number: int, size_max: int) -> bytes:
    """`number` big-endian without leading zeros (zero is one byte); raises OverflowError beyond `size_max` bytes."""
    size = max(1, (number.bit_length() + 7) // 8)
    if size > size_max:
        raise OverflowError(f"{number} does not fit {size_max} bytes")
    return number.to_bytes(size, "big")
