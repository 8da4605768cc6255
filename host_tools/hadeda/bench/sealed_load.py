"""A city with many nodes and a pile of their sealed reports, to feed a collector with: node code in a few lines.

It seals with `cryptography`, as fast as this machine can, and has nothing of a node but its keys.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hadeda import randomness
from hadeda.board import load
from hadeda.board.render import node_config
from hadeda.city import City
from hadeda.city.policies import for_provisioning
from hadeda.envelope import cose, labels, strict_cbor
from hadeda.envelope.enrolment import EXTERNAL_AAD
from hadeda.envelope.keys import epoch_keys, next_root, public_point, root_key, thumbprint
from hadeda.envelope.padding import pad
from hadeda.envelope.sealing import shortest
from hadeda.registry.cells import cell_names

BOARD: Final = "esp32-s3-devkitc-1"
EPOCH: Final = 1
START_S: Final = 1_654_041_600
WINDOW_S: Final = 900
PORT: Final = 8883
DAY: Final = 96  # windows
KEPT: Final = 3  # reports that a node keeps until the next receipt, at the most


@dataclass(frozen=True)
class SealingNode:
    """Identity and first root key of one node; `collector_id` is whom it seals to. It ratchets before window `turn`."""

    identity: ec.EllipticCurvePrivateKey
    root: bytes
    collector_id: bytes
    turn: int

    def seal(self, number: int, policy: int, cells: int) -> bytes:
        """Its report of window `number`, with readings of six channels and a count in each of `cells`."""
        epoch, sequence = (EPOCH, number) if number < self.turn else (EPOCH + 1, number - self.turn)
        keys = epoch_keys(self.root if epoch == EPOCH else next_root(self.root), epoch)
        payload = pad(strict_cbor.encode(_report(number, policy, cells)), labels.PAYLOAD_MIN)
        head = cose.SealedMessage(
            keys.kid, shortest(sequence, labels.PARTIAL_IV_MAX), shortest(epoch, labels.EPOCH_MAX), b"", 0
        )
        sender = thumbprint(public_point(self.identity.public_key()))
        signed = cose.sign(self.identity, payload, cose.sign1_aad(head, labels.DIRECTION_UP, sender, self.collector_id))
        aead = AESCCM(keys.key_up, tag_length=labels.TAG_SIZE)
        aad = cose.encrypt0_aad(head, labels.DIRECTION_UP)
        return cose.render_sealed(head, aead.encrypt(head.nonce(keys.iv_up), signed, aad))


def make(folder: Path, nodes: int, reports: int, *, port: int = PORT, database: str = "") -> list[bytes]:
    """Make a city in `folder` with so many nodes; returns so many sealed reports of each, a round of all at a time.

    Of a day's `DAY` reports every node ratchets before one, one after the other; of fewer, that many fewer nodes do.
    """
    with (
        randomness.seeded("bench"),
        City.init(folder, "Bench", broker_port=port, wifi_ssid="street", database=database) as city,
    ):
        policy = for_provisioning(city).policy
        cells = len(cell_names(policy.cells))
        sealing = list(_enrolled(city, nodes))
        return [node.seal(number, policy.version, cells) for number in range(reports) for node in sealing]


def _enrolled(city: City, count: int) -> Iterator[SealingNode]:
    given = for_provisioning(city)
    configuration = node_config(load(BOARD), city.node_network(), city.authorities(), given.signed, given.floor)
    for number in range(count):
        identity, ephemeral, nonce = randomness.private_key(), randomness.private_key(), randomness.token_bytes(16)
        public, point = public_point(identity.public_key()), public_point(ephemeral.public_key())
        fields = {
            labels.ENROL_IDENTITY: public,
            labels.ENROL_EPHEMERAL: point,
            labels.ENROL_BOARD: BOARD,
            labels.ENROL_FIRMWARE: "bench",
            labels.ENROL_NONCE: nonce,
            labels.ENROL_COLLECTOR: city.collector_id,
        }
        message = cose.sign(identity, strict_cbor.encode(fields), EXTERNAL_AAD)
        city.enrol(message, nonce, name=f"node-{number}", configuration=configuration)
        root = root_key(city.collector_private, point, nonce, thumbprint(public), city.collector_id)
        yield SealingNode(identity, root, city.collector_id, 1 + number % (DAY - 1))


def _report(number: int, policy: int, cells: int) -> dict[int, object]:
    counts = b"".join((20 + (number + cell) % 50).to_bytes(2, "big") for cell in range(cells))
    return {
        labels.REPORT_START: START_S + number * WINDOW_S,
        labels.REPORT_WINDOW: WINDOW_S,
        labels.REPORT_CLOCK: labels.CLOCK_SYNCHRONISED,
        labels.REPORT_AIR: {
            1: [90, 1834, 52, 61],
            2: [90, 6120, 210, 180],
            3: [90, 101_325, 12, 9],
            4: [88, 51, 20, 33],
            5: [88, 81, 20, 33],
            6: [88, 123, 41, 77],
        },
        labels.REPORT_TRAFFIC: counts,
        labels.REPORT_HEALTH: [1, 120, 1, 17],
        labels.REPORT_PRIVACY: [policy, 500_000, 500_000 * (number + 1), labels.UNIT_PASSAGE_WINDOW],
        labels.REPORT_OUTBOX: [number + 1, min(number, KEPT)],
    }
