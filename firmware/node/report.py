"""A window becomes a report: one CBOR map of integers, described in report.cddl."""

from envelope import cbor
from envelope.labels import (
    REPORT_AIR,
    REPORT_ANSWER,
    REPORT_CLOCK,
    REPORT_COUNT_MAX,
    REPORT_ECHO,
    REPORT_FAULTS,
    REPORT_FOOTFALL,
    REPORT_HEALTH,
    REPORT_OUTBOX,
    REPORT_PRIVACY,
    REPORT_START,
    REPORT_TRAFFIC,
    REPORT_WINDOW,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.minimise import Aggregates


class Owed:
    """What the next report has to tell the city: the answer to a command and the echo of a challenge, once each.

    `answer` is (low 16 bits of the command's number, labels.RESULT_*), `echo` 8 bytes; None when nothing is owed.
    """

    def __init__(self) -> None:
        self.answer: tuple[int, int] | None = None
        self.echo: bytes | None = None

    def take(self) -> "tuple[tuple[int, int] | None, bytes | None]":
        """(answer, echo) for the report that is written now; nothing is owed afterwards."""
        taken = self.answer, self.echo
        self.answer = self.echo = None
        return taken


def cells(traffic: "list[int]") -> bytes:
    """Two bytes for each cell, big-endian, so that the length says nothing of the counts."""
    told = bytearray()
    for cell in traffic:
        told.extend((min(cell, REPORT_COUNT_MAX) & 0xFFFF).to_bytes(2, "big"))
    return bytes(told)


def encode(
    start_s: int,
    length_s: int,
    quality: int,
    aggregates: "Aggregates",
    privacy: "list[int]",
    health: "list[int]",
    outbox: "list[int]",
    owed: "Owed | None" = None,
) -> bytes:
    """Return the report's CBOR: at most 128 bytes for five channels and eight cells, whatever was counted.

    Takes what is owed. `privacy` is [version of the policy, epsilon of this release, epsilon spent in the ledger day,
    unit], `outbox` what Store.row() says.
    """
    report = {
        REPORT_START: start_s,
        REPORT_WINDOW: length_s,
        REPORT_CLOCK: quality,
        REPORT_AIR: aggregates.air,
        REPORT_TRAFFIC: cells(aggregates.traffic),
        REPORT_HEALTH: health,
        REPORT_PRIVACY: privacy,
        REPORT_OUTBOX: outbox,
    }
    if aggregates.footfall is not None:
        report[REPORT_FOOTFALL] = aggregates.footfall
    if aggregates.faults:
        report[REPORT_FAULTS] = aggregates.faults
    answer, echo = owed.take() if owed is not None else (None, None)
    if answer is not None:
        report[REPORT_ANSWER] = list(answer)
    if echo is not None:
        report[REPORT_ECHO] = echo
    return cbor.encode(report)
