"""Letters and commands: the independent node opens what the city seals, and nobody else's."""

import os

import cbor2
import pycddl
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from sealing import SealingNode, dumps, letter_number, point

from hadeda.envelope import (
    Candidate,
    Command,
    Letter,
    Unopened,
    epoch_keys,
    labels,
    open_report,
    parse_sealed,
    seal_letter,
    sign_command,
)
from hadeda.envelope.sealing import read_command
from hadeda.errors import CityError
from hadeda.paths import FIRMWARE

RECEIPT = ec.generate_private_key(ec.SECP256R1())
COMMAND = ec.generate_private_key(ec.SECP256R1())
ENVELOPE_CDDL = (FIRMWARE / "envelope" / "envelope.cddl").read_text()


def make_node() -> SealingNode:
    node = SealingNode()
    node.authorities = {2: point(RECEIPT), 3: point(COMMAND)}
    node.enrol(point(ec.generate_private_key(ec.SECP256R1())), os.urandom(16))
    return node


NODE = make_node()


def sealed(letter: Letter, number: int = 9, key: ec.EllipticCurvePrivateKey = RECEIPT) -> bytes:
    return seal_letter(epoch_keys(NODE.root, 1), 1, number, key, NODE.node_id, letter)


@pytest.mark.parametrize("number", [0, 255, 256, 2**31, 2**40 - 1])
def test_the_node_opens_a_letter(number: int) -> None:
    message = sealed(Letter(7, b"command", bytes(8)), number)
    assert NODE.open_letter(message) == {1: 7, 2: b"command", 3: bytes(8)}
    assert letter_number(message) == number
    pycddl.Schema(ENVELOPE_CDDL).validate_cbor(message)


def test_most_letters_have_the_length_of_a_report() -> None:
    lengths = {len(sealed(letter)) for letter in (Letter(0), Letter(65_535), Letter(3, challenge=bytes(8)))}
    report = NODE.seal({1: 1}, 9)
    assert lengths == {len(report)}


def test_a_letter_by_another_key_or_for_another_node_does_not_open() -> None:
    with pytest.raises(InvalidSignature):
        NODE.open_letter(sealed(Letter(0), key=COMMAND))
    other = make_node()
    assert other.open_letter(sealed(Letter(0))) is None
    other.root = NODE.root
    other.derive(1)
    with pytest.raises(InvalidSignature):
        other.open_letter(sealed(Letter(0)))


def test_a_letter_reflected_to_the_city_does_not_open() -> None:
    """Not even with a number that a report could have, and signed as one."""
    keys = epoch_keys(NODE.root, 1)
    candidate = Candidate(NODE.node_id, NODE.public, NODE.collector_id, 1, keys)
    for letter in (sealed(Letter(0)), seal_letter(keys, 1, 9, NODE.identity, NODE.collector_id, Letter(0))):
        with pytest.raises(Unopened) as refusal:
            open_report(parse_sealed(letter), [candidate])
        assert refusal.value.reason == "not sealed by the key its kid names"


def test_a_letter_too_long_for_a_node_is_not_made() -> None:
    with pytest.raises(CityError, match="too long for a node"):
        sealed(Letter(0, bytes(900)))


def test_a_number_that_does_not_fit_is_not_used() -> None:
    with pytest.raises(OverflowError):
        sealed(Letter(0), 2**40)


def test_the_node_checks_a_command_and_it_matches_the_cddl() -> None:
    keys = {labels.ROLE_COLLECTOR: NODE.public, labels.ROLE_RELEASE: NODE.public}
    schema = pycddl.Schema("start = command\n" + ENVELOPE_CDDL)
    for command in (
        Command(1, labels.OPERATION_REBOOT, 3),
        Command(2**40 - 1, labels.OPERATION_SET_PERIOD, 2**32 - 1, {labels.SET_PERIOD_WINDOW: 3600}),
        Command(5, labels.OPERATION_ROTATE, 9, {labels.ROTATE_KEYS: keys, labels.ROTATE_IDENTITY: 1}),
    ):
        signed = sign_command(COMMAND, NODE.node_id, command)
        fields = NODE.check_command(signed)
        assert fields == {1: command.number, 2: command.operation, 3: command.last_epoch, 4: command.arguments}
        assert read_command(signed) == command
        pycddl.Schema("start = signed\n" + ENVELOPE_CDDL).validate_cbor(signed)
        schema.validate_cbor(dumps(fields))
        assert cbor2.loads(signed).value[2] == dumps(fields), "deterministic"


def test_a_rotation_of_every_role_fits_a_letter() -> None:
    keys = dict.fromkeys(labels.ROLES, NODE.public)
    command = Command(2**39, labels.OPERATION_ROTATE, 2**31, {labels.ROTATE_KEYS: keys, labels.ROTATE_IDENTITY: 1})
    letter = Letter(65_535, sign_command(COMMAND, NODE.node_id, command), os.urandom(8))
    assert len(sealed(letter, 2**39)) <= labels.SEALED_MAX


def test_a_command_by_another_key_or_for_another_node_is_not_taken() -> None:
    reboot = Command(1, labels.OPERATION_REBOOT, 3)
    for signed in (sign_command(RECEIPT, NODE.node_id, reboot), sign_command(COMMAND, bytes(32), reboot)):
        with pytest.raises(InvalidSignature):
            NODE.check_command(signed)


@pytest.mark.parametrize("command", [Command(0, 1, 1), Command(2**40, 1, 1), Command(1, 0, 1), Command(1, 8, 1)])
def test_commands_that_no_node_takes_are_not_signed(command: Command) -> None:
    with pytest.raises(CityError):
        sign_command(COMMAND, NODE.node_id, command)
