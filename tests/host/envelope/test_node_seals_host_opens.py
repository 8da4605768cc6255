"""The node's envelope code and the host's, which share nothing but labels: what one makes, the other takes."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sealing import SealingNode, cose_thumbprint, dumps, example_report, point

from envelope import cose, ecdh, ecdsa, keys, labels
from envelope.drbg import Drbg
from envelope.errors import Rejected as NodeRejected
from hadeda.envelope import Candidate, epoch_keys, open_enrolment, open_report, parse_sealed, root_key
from hadeda.errors import Rejected


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
    candidate = Candidate(enrolment.node_id, enrolment.identity, 1, epoch_keys(root, 1))
    opened = open_report(parse_sealed(sealed), [candidate], collector_id)
    assert (opened.sequence, opened.report.air[0].mean) == (300, 18.34)
    with pytest.raises(Rejected):
        open_report(parse_sealed(sealed), [candidate], bytes(32))


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
