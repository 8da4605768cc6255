"""A sealed message explained layer by layer: what anyone on the way sees, and what the city sees with its keys.

Explaining stores nothing and moves no replay window.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from hadeda.city import City
from hadeda.collect.footfall import MEANING, about
from hadeda.envelope import (
    Opened,
    Ready,
    Report,
    SealedMessage,
    labels,
    open_rekey,
    open_report,
    parse_rekey,
    parse_sealed,
    thumbprint,
)
from hadeda.envelope.cose import ENCRYPT0_PROTECTED, SIGN1_PROTECTED
from hadeda.envelope.ready import RekeyMessage
from hadeda.envelope.report import NO_KERNEL
from hadeda.policy.schema import decimal_text, spent_text
from hadeda.registry.commands import RESULTS
from hadeda.registry.epochs import Chain, Epoch, candidates, node_of_identity
from hadeda.registry.nodes import Node, whole_index
from hadeda.registry.policies import policy_of_version
from hadeda.registry.rekey import identity_of
from hadeda.registry.reports import CellCount, ReportRow, name_cells, name_faults

REKEY_HEAD: Final = bytes([0xD8, labels.TAG_ENCRYPT])
RESET_CAUSES: Final = {
    1: "power on",
    2: "hard reset",
    3: "watchdog",
    4: "deep sleep",
    5: "soft reset",
    labels.RESET_BROWN_OUT: "brown-out or reset button",
    labels.RESET_PANIC: "panic",
    labels.RESET_ERROR: "error in the node's program",
    labels.RESET_OPENED: "its serial port was opened",
}


@dataclass(frozen=True)
class Field:
    """One thing a layer says: its name, its value, and what that means."""

    name: str
    value: str
    meaning: str = ""


@dataclass(frozen=True)
class Layer:
    """One layer, from the outside in."""

    title: str
    fields: tuple[Field, ...]


def read(message: bytes) -> SealedMessage | RekeyMessage:
    """A message off the wire, by its tag; raises Rejected."""
    return parse_rekey(message) if message.startswith(REKEY_HEAD) else parse_sealed(message)


def outside(message: SealedMessage | RekeyMessage) -> Layer:
    """The COSE_Encrypt0 or COSE_Encrypt: all that the broker, or whoever listens, can read."""
    if isinstance(message, RekeyMessage):
        return _outside_rekey(message)
    length = len(message.ciphertext)
    return Layer(
        "COSE_Encrypt0 (tag 16): visible to anyone",
        (
            Field("message", f"{message.size} bytes"),
            Field("protected", ENCRYPT0_PROTECTED.hex(), "algorithm 30: AES-CCM-16-128-128"),
            Field("kid", message.kid.hex(), "derived from the epoch's key, changes with it"),
            Field("partial IV", message.partial_iv.hex(), f"sequence number {message.sequence}"),
            Field("epoch", message.epoch_bytes.hex(), f"epoch {message.epoch}"),
            Field("ciphertext", f"{length} bytes", f"{length - labels.TAG_SIZE} encrypted, {labels.TAG_SIZE} of tag"),
        ),
    )


def inside(city: City, message: SealedMessage | RekeyMessage) -> list[Layer]:
    """The layers below, opened with the city's keys; raises Rejected (its reason may be told: this is the city).

    A re-key needs the collector's private key: CityError where it cannot be had.
    """
    if isinstance(message, RekeyMessage):
        return [_ready_layer(city, message)]
    with city.database.read() as session:
        known = candidates(session, message.kid, message.epoch)
        opened = open_report(message, known)
        epoch = session.get_one(Epoch, opened.candidate.handle)
        node = session.get_one(Node, epoch.node)
        stored = _stored(session, epoch, opened)
        return [_signature_layer(node, opened, len(known), stored), _report_layer(session, node, opened)]


def _outside_rekey(message: RekeyMessage) -> Layer:
    length = len(message.ciphertext)
    return Layer(
        "COSE_Encrypt (tag 96): visible to anyone",
        (
            Field("message", f"{message.size} bytes", "a re-key: nothing in it says whose"),
            Field("protected", ENCRYPT0_PROTECTED.hex(), "algorithm 30: AES-CCM-16-128-128"),
            Field("IV", message.iv.hex(), "random"),
            Field("recipient", "algorithm -25", "ECDH-ES + HKDF-256, to the collector's key"),
            Field("ephemeral key", f"{message.ephemeral.hex()[:16]}...", "P-256, used for this message only"),
            Field("ciphertext", f"{length} bytes", f"{length - labels.TAG_SIZE} encrypted, {labels.TAG_SIZE} of tag"),
        ),
    )


def _ready_layer(city: City, message: RekeyMessage) -> Layer:
    collectors = city.keyring.privates(labels.ROLE_COLLECTOR)
    with city.database.read() as session:
        ready = open_rekey(message, collectors, lambda node_id: identity_of(session, node_id))
        node = node_of_identity(session, ready.signer.hex())
        name = "" if node is None else node.name
        chain = session.scalar(select(Chain).where(Chain.ephemeral == ready.ephemeral))
    collector = "current" if ready.collector_id == thumbprint(city.collector_public) else "retiring"
    return Layer(
        "COSE_Sign1 (tag 18) and ready: visible with the collector's key",
        (
            Field("signer", name, f"{ready.signer.hex()[:16]}..., verified with that identity key"),
            Field("epoch", str(ready.epoch), "the new chain's first"),
            Field("collector key", f"{ready.collector_id.hex()[:16]}...", collector),
            Field("command", str(ready.command), "asked for it" if ready.command else "none: the node began it"),
            _identity_field(ready),
            Field("city", "not in the registry" if chain is None else f"chain is {chain.state}"),
        ),
    )


def _identity_field(ready: Ready) -> Field:
    if ready.node_id == ready.signer:
        return Field("identity", "stays")
    return Field("identity", f"{ready.node_id.hex()[:16]}...", "new, and has signed for itself")


def _stored(session: Session, epoch: Epoch, opened: Opened) -> str:
    row = session.scalar(select(ReportRow).where(ReportRow.epoch == epoch.id, ReportRow.sequence == opened.sequence))
    return "not in the report store" if row is None else f"stored {row.received_at:%Y-%m-%d %H:%M:%S} UTC"


def _signature_layer(node: Node, opened: Opened, known: int, stored: str) -> Layer:
    shared = "" if known == 1 else f"; {known} nodes share this kid"
    standing = "" if node.revoked_at is None else f", revoked {node.revoked_at:%Y-%m-%d}"
    return Layer(
        "COSE_Sign1 (tag 18): visible with the epoch's key",
        (
            Field("protected", SIGN1_PROTECTED.hex(), "algorithm -9: ESP256, ECDSA on P-256 with SHA-256"),
            Field("signer", node.name, f"{node.node_id[:16]}..., board {node.board}{standing}{shared}"),
            Field("signature", f"{opened.signature.hex()[:16]}...", "verified with the node's identity key"),
            Field("payload", f"{len(opened.payload)} bytes", "the report, padded to whole blocks of 32"),
            Field("city", stored),
        ),
    )


def _report_layer(session: Session, node: Node, opened: Opened) -> Layer:
    report = opened.report
    measured = _measured(node, report, name_cells(session, report))
    privacy = _privacy(session, report)
    return Layer(
        "Report", (*_when(report), *privacy, *measured, *_health(report), *_outbox(node, report), *_said(report))
    )


def _when(report: Report) -> Iterator[Field]:
    start = datetime.fromtimestamp(report.start_s, UTC)
    end = start + timedelta(seconds=report.window_s)
    yield Field("window", f"{start:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S}", f"UTC, {report.window_s} s")
    yield Field("clock", report.clock)


def _privacy(session: Session, report: Report) -> Iterator[Field]:
    privacy = report.privacy
    if privacy.policy == 0:
        yield Field("policy", "none", "the node holds no valid policy and releases nothing")
    else:
        name = policy_of_version(session, privacy.policy).name
        yield Field("policy", f"{name} {privacy.policy}", "what the city signed, and the node counted under")
    spent = f"{spent_text(privacy.spent)} in the node's ledger day, for one passage in one window"
    yield Field("epsilon", decimal_text(privacy.epsilon), spent)


def _measured(node: Node, report: Report, cells: Iterable[CellCount]) -> Iterator[Field]:
    for reading in report.air:
        spread = f"{reading.minimum:g} to {reading.maximum:g}, {reading.n} readings"
        yield Field(reading.channel, f"{reading.mean:g} {reading.unit}", spread)
    for cell in cells:
        name = f"{cell.road_user} {cell.direction} {cell.speed_band_kmh}".strip()
        if cell.count is None:
            yield Field(name, "withheld", cell.withheld or "")
        else:
            yield Field(name, str(cell.count), "passages, noise included")
    if report.footfall is not None:
        yield Field("footfall", about(report.footfall), report.footfall.withheld or MEANING)
    for fault in name_faults(node, report.faults):
        yield Field(f"fault {fault.part}", str(fault.count), fault.kind)


def _health(report: Report) -> Iterator[Field]:
    health = report.health
    yield Field("last reset", RESET_CAUSES.get(health.reset_cause, str(health.reset_cause)), f"{health.boots} boots")
    if health.safe_mode is not None:
        yield Field("safe mode", health.safe_mode, "its sensors are off; it tries again by itself")
    yield Field("heap high water", f"{health.heap_high_water_bytes} bytes")
    yield Field("key store", health.key_store)
    if health.kernel != NO_KERNEL:
        yield Field("RISC-V kernel", health.kernel)


def _outbox(node: Node, report: Report) -> Iterator[Field]:
    outbox = report.outbox
    index = whole_index(node, outbox.index)
    yield Field("outbox", f"report {index}", f"{outbox.kept_before} before it wait for the city's receipt")
    for gap in outbox.gaps:
        yield Field("gap", f"{index - gap.below - gap.count + 1} to {index - gap.below}", "reports that the node lost")


def _said(report: Report) -> Iterator[Field]:
    """What the node answers to the city's letters."""
    if report.answer is not None:
        yield Field("answer", RESULTS[report.answer.result], f"to a command; low bits {report.answer.number}")
    if report.echo is not None:
        yield Field("echo", report.echo.hex(), "the challenge of a letter")
