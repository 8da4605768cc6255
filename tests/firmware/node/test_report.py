"""A report has the shape of report.cddl and the promised size."""

from envelope import cbor, labels
from node import report
from node.minimise import Aggregates

HEALTH = [5, 160, 0, 999]
OUTBOX = [65535, 3360]
PRIVACY = [99, 500000, 48000000, labels.UNIT_PASSAGE_WINDOW]


def _aggregates(faults=None):
    air = {
        1: [90, 2345, 123, 145],
        2: [90, 10000, 4500, 0],
        3: [90, 101325, 120, 130],
        5: [90, 9999, 999, 9999],
        6: [90, 9999, 999, 9999],
    }
    return Aggregates(air, [300, 23, 300, 300, 300, 5, labels.WITHHELD_BELOW_K, 300], faults or {})


def test_five_channels_and_eight_cells_fit_into_128_bytes():
    assert len(report.encode(1900000000, 900, 2, _aggregates(), PRIVACY, HEALTH, OUTBOX)) <= 128


def test_what_was_counted_changes_no_length():
    sizes = set()
    for count in (1, 23, 24, 255, 256, 65535, 1 << 29, labels.WITHHELD_BELOW_K, labels.WITHHELD_BLIND):
        aggregates = _aggregates()
        aggregates.traffic = 8 * [count]
        sizes.add(len(report.encode(1900000000, 900, 2, aggregates, PRIVACY, HEALTH, OUTBOX)))
    assert len(sizes) == 1
    assert max(sizes) <= 128


def test_counts_end_below_the_reasons_for_saying_nothing():
    assert report.cells([1, 65531, 65532, 1 << 29]) == b"\x00\x01\xff\xfb\xff\xfb\xff\xfb"
    assert report.cells([-1, -2, -3, -4]) == b"\xff\xff\xff\xfe\xff\xfd\xff\xfc"


def test_labels_and_order():
    aggregates = _aggregates({9: 255})
    decoded = cbor.decode(report.encode(1654041600, 900, 2, aggregates, PRIVACY, HEALTH, OUTBOX))
    assert sorted(decoded) == [1, 2, 3, 4, 5, 6, 7, 10, 12]
    assert decoded[labels.REPORT_START] == 1654041600
    assert decoded[labels.REPORT_WINDOW] == 900
    assert decoded[labels.REPORT_CLOCK] == labels.CLOCK_SYNCHRONISED
    assert decoded[labels.REPORT_AIR] == aggregates.air
    assert decoded[labels.REPORT_TRAFFIC] == report.cells(aggregates.traffic)
    assert decoded[labels.REPORT_FAULTS] == {9: 255}
    assert decoded[labels.REPORT_HEALTH] == HEALTH
    assert decoded[labels.REPORT_PRIVACY] == PRIVACY
    assert decoded[labels.REPORT_OUTBOX] == OUTBOX


def test_no_faults_no_label():
    assert labels.REPORT_FAULTS not in cbor.decode(report.encode(0, 1, 0, _aggregates(), PRIVACY, HEALTH, OUTBOX))


def test_what_is_owed_is_told_once():
    owed = report.Owed()
    assert sorted(cbor.decode(report.encode(0, 1, 0, _aggregates(), PRIVACY, HEALTH, OUTBOX, owed))) == [
        1,
        2,
        3,
        4,
        5,
        7,
        10,
        12,
    ]
    owed.answer = (65535, labels.RESULT_INTERRUPTED)
    owed.echo = b"8 bytes!"
    decoded = cbor.decode(report.encode(0, 1, 0, _aggregates(), PRIVACY, HEALTH, OUTBOX, owed))
    assert decoded[labels.REPORT_ANSWER] == [65535, 3]
    assert decoded[labels.REPORT_ECHO] == b"8 bytes!"
    assert sorted(cbor.decode(report.encode(0, 1, 0, _aggregates(), PRIVACY, HEALTH, OUTBOX, owed))) == [
        1,
        2,
        3,
        4,
        5,
        7,
        10,
        12,
    ]


def test_everything_that_can_go_wrong_still_fits_a_sealed_message():
    faults = {sensor * 8 + kind: 255 for sensor in range(8) for kind in range(1, 6)}
    owed = report.Owed()
    owed.answer = (65535, 3)
    owed.echo = bytes(8)
    outbox = OUTBOX + [65535, 3360] * labels.REPORT_GAPS_MAX
    assert len(report.encode(1900000000, 900, 2, _aggregates(faults), PRIVACY, HEALTH, outbox, owed)) < 512
