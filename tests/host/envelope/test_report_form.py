"""The report: decoded into units, refused outside its types and ranges, and described by its CDDL."""

from typing import Any

import cbor2
import pycddl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sealing import SealingNode, cells, dumps, example_report

from hadeda.envelope import Count, Outbox, Privacy, parse_report
from hadeda.envelope.report import SPENT_UNKNOWN, MissingReports
from hadeda.errors import Rejected
from hadeda.paths import FIRMWARE

REPORT_CDDL = pycddl.Schema((FIRMWARE / "node" / "report.cddl").read_text())
ENVELOPE_CDDL = (FIRMWARE / "envelope" / "envelope.cddl").read_text()


def test_integers_become_units() -> None:
    report = parse_report(dumps(example_report(r6={0 * 8 + 1: 3, 2 * 8 + 4: 1})))
    temperature = report.air[0]
    assert (temperature.channel, temperature.unit, temperature.n) == ("temperature", "degC", 90)
    assert (temperature.mean, temperature.minimum, temperature.maximum) == (18.34, 17.82, 18.95)
    assert report.air[2].mean == 101_325.0
    assert report.air[4].maximum == 20.0
    assert report.clock == "synchronised"
    assert [cell.count for cell in report.traffic] == [12, 30, 7, None, 11, 28, 9, 5]
    assert [cell.withheld for cell in report.traffic if cell.withheld] == ["below k"]
    assert report.privacy == Privacy(policy=2, epsilon=500_000, spent=1_500_000)
    assert [(fault.sensor, fault.kind, fault.count) for fault in report.faults] == [
        (0, "no answer", 3),
        (2, "implausible value", 1),
    ]
    assert (report.health.key_store, report.health.boots) == ("file", 17)


def test_energy_is_one_value_of_its_window() -> None:
    (energy,) = parse_report(dumps(example_report(r2=3600, r4={11: [1, 1200, 0, 0]}))).air
    assert (energy.channel, energy.unit, energy.n) == ("energy", "Wh", 1)
    assert energy.minimum == energy.mean == energy.maximum == 1200


def test_a_node_without_readings_still_reports() -> None:
    report = parse_report(dumps(example_report(r3=0, r4={}, r5=[-4] * 8, r6={1: 90}, r10=[2, 0, 0, 1])))
    assert (report.clock, report.air, report.traffic[0]) == ("never set", (), Count(None, "sensor blind"))


def test_every_reason_for_withholding_has_its_words() -> None:
    report = parse_report(dumps(example_report(r5=[-1, -2, -3, -4])))
    assert [cell.withheld for cell in report.traffic] == ["below k", "no budget", "not allowed", "sensor blind"]


def test_the_largest_counts_are_no_reasons() -> None:
    report = parse_report(dumps(example_report(r5=[65_531, 1, -4, -1])))
    assert [cell.count for cell in report.traffic] == [65_531, 1, None, None]


def test_the_outbox_says_what_is_kept_and_what_is_missing() -> None:
    report = parse_report(dumps(example_report(r12=[700, 20, 12, 3, 2, 1])))
    assert report.outbox == Outbox(700, 20, (MissingReports(12, 3), MissingReports(2, 1)))


def test_a_node_without_a_policy_still_reports() -> None:
    report = parse_report(dumps(example_report(r4={}, r5=[], r10=[0, 0, 2**31 - 1, 1])))
    assert report.privacy == Privacy(0, 0, SPENT_UNKNOWN)


BAD = [
    {"r1": -1}, {"r1": None}, {"r1": b"x"}, {"r2": 0}, {"r2": 86_401}, {"r3": 4}, {"r3": -1}, {"r4": []},
    {"r4": {1: [0, 1, 1, 1]}}, {"r4": {1: [1, 1, 1]}}, {"r4": {1: [1, 1, -1, 1]}}, {"r4": {1: [65_536, 1, 0, 0]}},
    {"r4": {1: None}}, {"r4": {1: [1, None, 0, 0]}}, {"r5": {}}, {"r5": 1}, {"r5": "12"}, {"r5": None},
    {"r6": {}}, {"r6": []}, {"r6": {1: 0}}, {"r6": {1: 256}}, {"r6": {1: None}}, {"r7": [1, 2, 3]},
    {"r7": [1, 2, 2, 5]}, {"r7": [256, 2, 0, 5]}, {"r7": [1, -2, 0, 5]}, {"r7": [1, 2, 3, 0, 5]}, {"r8": 1}, {"r0": 1},
    {"r10": [2, 1, 2]}, {"r10": [-1, 0, 0, 1]}, {"r10": [2, -1, 0, 1]}, {"r10": [2, 0, 2**31, 1]}, {"r10": {}},
    {"r4": {11: [2, 9, 0, 0]}}, {"r4": {11: [1, 9, 1, 0]}}, {"r4": {11: [1, 9, 0, 1]}}, {"r4": {11: [1, -1, 0, 0]}},
    {"r12": []}, {"r12": [1]}, {"r12": [-1, 0]}, {"r12": [65_536, 0]}, {"r12": [1, 65_536]},
    {"r12": [1, 0, 0, 1]}, {"r12": [1, 0, 1, 0]}, {"r12": {}}, {"r12": None},
    {"r10": [2, 0, 0, 0]}, {"r10": [2, 0, 0, 2]}, {"r10": [2, None, 0, 1]}, {"r10": None},
]  # fmt: skip
# Bounds that the CDDL gives in a comment, because pycddl does not hold them
BAD_BEYOND_THE_CDDL = [
    {"r1": 2**32},
    {"r12": [1, 0, 1]},
    {"r12": [1, 9, *[1, 1] * 5]},
    {"r4": {12: [1, 1, 1, 1]}},
    {"r4": {1: [1, 2**31, 0, 0]}},
    {"r6": {512: 1}},
    {"r6": {0: 1}},
    {"r6": {6: 1}},
    {"r5": [0] * 8},
    {"r5": [5, 0]},
    {"r5": b"\0"},
    {"r5": [-4] * 65, "r10": [2, 0, 0, 1]},
    {"r5": bytes([0, 5, 0])},
    {"r10": [2**31, 0, 0, 1]},
    {"r10": [2, 2_000_000, 1_999_999, 1]},
]
# Each number is one that could be, but not beside the others
CONTRADICTIONS = [
    {"r10": [2, 0, 0, 1]}, {"r5": [-1], "r10": [2, 0, 0, 1]}, {"r5": [5, -2], "r10": [2, 0, 500_000, 1]},
    {"r10": [0, 0, 0, 1]}, {"r4": {}, "r10": [0, 0, 0, 1]}, {"r5": [], "r10": [0, 0, 0, 1]},
    {"r2": 3597, "r4": {11: [1, 100, 0, 0]}}, {"r2": 60, "r4": {11: [1, 0, 0, 0]}},
    {"r4": {}, "r5": [], "r10": [0, 1, 1, 1]}, {"r4": {}, "r5": [-4], "r10": [0, 0, 0, 1]},
]  # fmt: skip


@pytest.mark.parametrize("changes", BAD + BAD_BEYOND_THE_CDDL + CONTRADICTIONS, ids=str)
def test_wrong_types_and_ranges_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        parse_report(dumps(example_report(**changes)))


@pytest.mark.parametrize("changes", BAD, ids=str)
def test_the_cddl_refuses_them_too(changes: dict[str, Any]) -> None:
    with pytest.raises(pycddl.ValidationError):
        REPORT_CDDL.validate_cbor(dumps(example_report(**changes)))


@pytest.mark.parametrize("field", [1, 2, 3, 4, 5, 7, 10, 12])
def test_a_missing_field_is_refused(field: int) -> None:
    report = example_report()
    del report[field]
    with pytest.raises(Rejected):
        parse_report(dumps(report))
    with pytest.raises(pycddl.ValidationError):
        REPORT_CDDL.validate_cbor(dumps(report))


statistics = st.tuples(
    st.integers(1, 2**16 - 1),
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
).map(list)
counts = st.integers(1, 2**31 - 1)
STATES = st.sampled_from([key_store + 2 * safe for safe in (0, 3, 6, 7, 8, 9) for key_store in (0, 1)])
fault_codes = st.builds(lambda sensor, kind: sensor * 8 + kind, st.integers(0, 63), st.integers(1, 5))
low_16, steps = st.integers(0, 65_535), st.integers(1, 65_535)
whole_reports = st.fixed_dictionaries(
    {
        1: st.integers(0, 2**32 - 1),
        2: st.integers(1, 86_400),
        3: st.integers(0, 3),
        4: st.dictionaries(st.integers(1, 6), statistics, max_size=6),
        5: st.lists(st.integers(-4, -1) | st.integers(1, 65_531), max_size=64).map(cells),
        7: st.tuples(st.integers(0, 255), st.integers(0, 2**20), STATES, counts).map(list),
        10: st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 10**6), st.integers(10**6, 2**31 - 1), st.just(1)).map(
            list
        ),
        12: st.tuples(low_16, low_16, st.lists(st.tuples(steps, steps), max_size=4)).map(
            lambda row: [row[0], row[1], *(number for gap in row[2] for number in gap)]
        ),
    },
    optional={6: st.dictionaries(fault_codes, st.integers(1, 255), min_size=1, max_size=4)},
)


@given(whole_reports)
def test_every_report_within_its_ranges_is_taken_by_parser_and_cddl(report: dict[int, Any]) -> None:
    parse_report(dumps(report))
    REPORT_CDDL.validate_cbor(dumps(report))


def test_sealed_messages_match_the_envelope_cddl() -> None:
    node = SealingNode()
    node.enrol(node.public, bytes(16))
    sealed = pycddl.Schema(ENVELOPE_CDDL)
    sealed.validate_cbor(node.seal(example_report(), 300))
    with pytest.raises(pycddl.ValidationError):
        sealed.validate_cbor(dumps(cbor2.CBORTag(16, [b"", {}, b""])))


def test_enrolments_match_the_envelope_cddl() -> None:
    enrolment = SealingNode().enrol(SealingNode().public, bytes(16))
    pycddl.Schema("start = signed\n" + ENVELOPE_CDDL).validate_cbor(enrolment)
    payload = cbor2.loads(enrolment).value[2]
    pycddl.Schema("start = enrolment\n" + ENVELOPE_CDDL).validate_cbor(payload)


@pytest.mark.parametrize(
    ("state", "kernel", "safe_mode"), [(1, "none", None), (33, "in use", None), (71, "failed", "watchdog")]
)
def test_health_says_what_became_of_the_kernel(state: int, kernel: str, safe_mode: str | None) -> None:
    encoded = dumps(example_report(r7=[1, 60, state, 17]))
    REPORT_CDDL.validate_cbor(encoded)
    health = parse_report(encoded).health
    assert (health.kernel, health.safe_mode, health.key_store) == (kernel, safe_mode, "raw sectors")
