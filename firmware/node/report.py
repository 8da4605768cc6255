"""A window becomes a report: one CBOR map of integers, described in report.cddl."""

from envelope import cbor
from envelope.labels import (
    REPORT_AIR,
    REPORT_CLOCK,
    REPORT_FAULTS,
    REPORT_HEALTH,
    REPORT_START,
    REPORT_TRAFFIC,
    REPORT_WINDOW,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.minimise import Aggregates


def encode(start_s: int, length_s: int, quality: int, aggregates: "Aggregates", health: "list[int]") -> bytes:
    """Return the report's CBOR: at most 128 bytes for five channels, eight cells and no faults."""
    report = {
        REPORT_START: start_s,
        REPORT_WINDOW: length_s,
        REPORT_CLOCK: quality,
        REPORT_AIR: aggregates.air,
        REPORT_TRAFFIC: aggregates.traffic,
        REPORT_HEALTH: health,
    }
    if aggregates.faults:
        report[REPORT_FAULTS] = aggregates.faults
    return cbor.encode(report)
