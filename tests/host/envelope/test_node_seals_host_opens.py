"""The node's envelope code and the host's, which share nothing but labels: what one makes, the other takes."""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sealing import SealingNode, cose_thumbprint, dumps, example_report, point

from envelope import cose, ecdh, ecdsa, keys, labels
from envelope.drbg import Drbg
from envelope.errors import Rejected as NodeRejected
from hadeda.envelope import (
    Candidate,
    Command,
    Letter,
    SealedMessage,
    epoch_keys,
    open_enrolment,
    open_rekey,
    open_report,
    parse_rekey,
    parse_sealed,
    root_key,
    seal_letter,
    sign_command,
)
from hadeda.envelope.opening import open_self_test
from hadeda.errors import Rejected
from node import ready


def test_enrolment_and_reports_of_the_nodes_code_open_on_the_host() -> None:
    collector, nonce, drbg = ec.generate_private_key(ec.SECP256R1()), os.urandom(16), Drbg(os.urandom(32))
    collector_id = cose_thumbprint(point(collector))
    private, public = ecdsa.make_key(drbg)
    ephemeral_private, ephemeral = ecdsa.make_key(drbg)
    fields = {
        labels.ENROL_IDENTITY: public,
        labels.ENROL_EPHEMERAL: ephemeral,
        labels.ENROL_BOARD: "board",
        labels.ENROL_FIRMWARE: "1",
        labels.ENROL_NONCE: nonce,
        labels.ENROL_COLLECTOR: collector_id,
    }
    enrolment = open_enrolment(cose.enrol(dumps(fields), private, drbg), nonce, collector_id)
    assert enrolment.node_id == keys.thumbprint(public)

    node_root = keys.root(ecdh.agree(ephemeral_private, point(collector), drbg), nonce, enrolment.node_id, collector_id)
    root = root_key(collector, enrolment.ephemeral, nonce, enrolment.node_id, collector_id)
    assert root == node_root

    sealed = cose.seal(
        dumps(example_report()), keys.epoch(node_root, 1), 1, 0, 300, enrolment.node_id, collector_id, private, drbg
    )
    candidate = Candidate(enrolment.node_id, enrolment.identity, collector_id, 1, epoch_keys(root, 1))
    opened = open_report(parse_sealed(sealed), [candidate])
    assert (opened.sequence, opened.report.air[0].mean) == (300, 18.34)
    with pytest.raises(Rejected):
        open_report(parse_sealed(sealed), [replace(candidate, recipient=bytes(32))])


def test_what_the_nodes_code_seals_for_a_self_test_is_no_report_and_a_report_no_self_test() -> None:
    drbg, root, nonce = Drbg(os.urandom(32)), os.urandom(32), os.urandom(16)
    private, public = ecdsa.make_key(drbg)
    parties = keys.thumbprint(public), os.urandom(32)
    candidate = Candidate(parties[0], public, parties[1], 1, epoch_keys(root, 1))

    def sealed(payload: object, direction: int, number: int) -> SealedMessage:
        message = cose.seal(dumps(payload), keys.epoch(root, 1), 1, direction, number, *parties, private, drbg)
        return parse_sealed(message)

    tested = sealed({labels.SELF_TEST_NONCE: nonce}, labels.DIRECTION_SELF_TEST, 1)
    assert open_self_test(tested, [candidate], nonce) == candidate
    refused = [
        (lambda: open_report(tested, [candidate]), "not sealed by the key"),
        (lambda: open_self_test(tested, [candidate], os.urandom(16)), "another nonce"),
        (lambda: open_self_test(tested, [replace(candidate, epoch=2)], nonce), "no key"),
        (lambda: open_self_test(sealed(example_report(), labels.DIRECTION_UP, 2), [candidate], nonce), "not sealed by"),
        # A node that takes one for the other: what is inside is refused all the same
        (lambda: open_report(sealed({labels.SELF_TEST_NONCE: nonce}, labels.DIRECTION_UP, 3), [candidate]), "report"),
    ]
    for opening, reason in refused:
        with pytest.raises(Rejected) as caught:
            opening()
        assert reason in caught.value.reason


@pytest.mark.parametrize("new_identity", [False, True])
def test_readies_of_the_nodes_code_open_on_the_host(new_identity: bool) -> None:
    collector, drbg = ec.generate_private_key(ec.SECP256R1()), Drbg(os.urandom(32))
    private, public = ecdsa.make_key(drbg)
    following = ecdsa.make_key(drbg) if new_identity else (None, None)
    secrets = SimpleNamespace(private=private, public=public)
    root, message = ready.make(secrets, 65, {labels.ROLE_COLLECTOR: point(collector)}, *following, 77, drbg)
    collectors = [(cose_thumbprint(point(collector)), collector)]
    opened = open_rekey(parse_rekey(message), collectors, {keys.thumbprint(public): public}.get)
    assert (opened.root, opened.epoch, opened.command) == (root, 65, 77)
    assert opened.identity == (following[1] or public)


def test_letters_and_commands_of_the_host_open_with_the_nodes_code() -> None:
    receipt, command_key, node = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    node_id, receipt_id = (cose_thumbprint(point(key)) for key in (node, receipt))
    root = os.urandom(32)
    command = sign_command(command_key, node_id, Command(2**39, labels.OPERATION_REBOOT, 9))
    sealed = seal_letter(epoch_keys(root, 3), 3, 2**39, receipt, node_id, Letter(7, command, bytes(8)))
    verifier = ecdsa.Verifier(point(receipt))
    number, payload = cose.open(sealed, keys.epoch(root, 3), 3, labels.DIRECTION_DOWN, receipt_id, node_id, verifier)
    assert (number, payload) == (2**39, dumps({1: 7, 2: command, 3: bytes(8)}))
    aad = dumps(["hadeda-1", "command", node_id])
    fields = cose.open_sign1(command, aad, ecdsa.Verifier(point(command_key)))
    assert fields == dumps({1: 2**39, 2: 5, 3: 9, 4: {}})
    with pytest.raises(NodeRejected):
        cose.open(sealed, keys.epoch(root, 3), 3, labels.DIRECTION_UP, receipt_id, node_id, verifier)


def test_the_reference_sealers_messages_open_with_the_nodes_code() -> None:
    collector = ec.generate_private_key(ec.SECP256R1())
    node = SealingNode()
    node.enrol(point(collector), os.urandom(16))
    epoch_keys = keys.epoch(node.root, 1)
    verifier = ecdsa.Verifier(node.public)

    def opened(sealed: bytes) -> tuple[int, bytes]:
        sequence, payload = cose.open(sealed, epoch_keys, 1, 0, node.node_id, node.collector_id, verifier)
        return sequence, payload

    assert opened(node.seal(example_report(), 7)) == (7, dumps(example_report()))
    with pytest.raises(NodeRejected):
        opened(node.seal(example_report(), 7, high_s=True))
