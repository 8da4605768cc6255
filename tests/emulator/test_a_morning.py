"""A morning at the corner: what the city reads is what was there, once each, in the form the CDDL has."""

import cbor2
import pytest
from lamp_post import HOUR_S, MORNING, LampPost, Template
from pycddl import Schema

from hadeda.collect.collector import Status
from hadeda.paths import FIRMWARE
from hadeda.provision.port import NodePort
from hadeda.registry import StoredReport

pytestmark = pytest.mark.xdist_group("morning")  # with --dist loadgroup it passes only once

WINDOW_S = 300
WINDOWS_KEPT = 4  # until the receipt for the first four is read
WINDOWS = 3  # whole ones, after the minute in which the node started
LEDGER = """
from node import keychain, keystore, store
from ports.flash import Files, KeyPartition, Nvs
from ports.power import Retained
files = Files()
keys = keychain.Keychain(keystore.open_keystore(files, KeyPartition.find()), Nvs(), Retained())
print(keys.spent, store.Store(files, Nvs()).waiting)
"""
# What the parts' datasheets promise (boards/parts.toml), in the report's units
ACCURACY = {"temperature": 1.0, "relative_humidity": 3.0, "pressure": 100.0, "pm1_0": 10.0, "pm2_5": 10.0, "pm10": 10.0}
FIELDS = {
    "temperature": "temperature_c",
    "relative_humidity": "humidity_percent",
    "pressure": "pressure_pa",
    "pm1_0": "pm1_0_ugm3",
    "pm2_5": "pm2_5_ugm3",
    "pm10": "pm10_ugm3",
}


@pytest.fixture(scope="module")
def morning(template: Template, tmp_path_factory: pytest.TempPathFactory) -> LampPost:
    """A lamp post after a quarter of an hour of the morning."""
    with LampPost(template, tmp_path_factory.mktemp("morning"), start=MORNING, window_s=WINDOW_S) as post:
        post.open_city()
        post.power_on()
        post.run_until(7 * HOUR_S + WINDOWS * WINDOW_S + 25)
        post.wait_stored(1 + WINDOWS)
        yield post


def passages(post: LampPost, report: StoredReport, edge_s: float = 0.0) -> list[float]:
    """When vehicles passed in a report's window, widened by `edge_s` at both ends."""
    start = report.window_start.timestamp()
    found = post.world.passages(start - edge_s, start + report.window_s + edge_s)
    return [passage.time_s for passage in found if passage.kind in ("car", "heavy")]


def test_every_sealed_report_is_stored_exactly_once(morning: LampPost) -> None:
    answers: list[str] = []

    def ask() -> None:
        with NodePort(morning.port) as port:
            answers.append(port.run(LEDGER))

    morning.run_beside(ask)
    sealed, waiting = map(int, answers[0].split())
    assert (sealed, waiting) == (1 + WINDOWS, WINDOWS_KEPT), morning.explain("the node's own account differs")
    assert [report.sequence for report in morning.stored] == list(range(1 + WINDOWS))
    assert morning.count(Status.REJECTED) == morning.count(Status.REPLAYED) == 0


def test_windows_follow_each_other_without_a_gap(morning: LampPost) -> None:
    first, *whole = morning.stored
    assert first.window_start.timestamp() + first.window_s == pytest.approx(morning.world.start_s + 7 * HOUR_S, abs=2)
    assert [report.window_start.timestamp() for report in whole] == [
        morning.world.start_s + 7 * HOUR_S + WINDOW_S * index for index in range(WINDOWS)
    ]
    assert {report.window_s for report in whole} == {WINDOW_S}
    assert {report.clock for report in morning.stored} == {"synchronised"}


def test_values_are_the_air_of_the_street_within_the_sensors_accuracy(morning: LampPost) -> None:
    for report in morning.stored[1:]:
        start = report.window_start.timestamp()
        truth = [morning.world.air(start + second) for second in range(0, WINDOW_S, 10)]
        assert {reading.channel for reading in report.air} == set(ACCURACY)
        for reading in report.air:
            values = [getattr(air, FIELDS[reading.channel]) for air in truth]
            slack = ACCURACY[reading.channel]
            assert reading.mean == pytest.approx(sum(values) / len(values), abs=slack), reading
            assert min(values) - slack <= reading.minimum <= reading.mean <= reading.maximum <= max(values) + slack
            assert WINDOW_S // 10 - 2 <= reading.n <= WINDOW_S // 10 + 1, reading


def test_passages_counted_are_the_vehicles_that_passed(morning: LampPost) -> None:
    reports = morning.stored[1:]
    counted = sum(cell.count or 0 for report in reports for cell in report.traffic)
    passed = sum(len(passages(morning, report)) for report in reports)
    assert passed > 100
    assert counted == pytest.approx(passed, rel=0.05), f"{counted} counted, {passed} passed"
    for report in reports:
        one_window = sum(cell.count or 0 for cell in report.traffic)
        assert one_window <= len(passages(morning, report, edge_s=20)), report


def test_both_directions_are_told_apart(morning: LampPost) -> None:
    for direction in ("approaching", "receding"):
        counted = sum(c.count or 0 for r in morning.stored[1:] for c in r.traffic if c.direction == direction)
        start = morning.world.start_s + 7 * HOUR_S
        passed = morning.world.passages(start, start + WINDOW_S * WINDOWS)
        there = sum(p.kind in ("car", "heavy") and p.direction == direction for p in passed)
        assert counted == pytest.approx(there, rel=0.08), direction


def test_a_quiet_run_reports_no_faults(morning: LampPost) -> None:
    assert [report.faults for report in morning.stored] == [()] * (1 + WINDOWS)


def test_every_payload_has_the_form_of_the_cddl(morning: LampPost) -> None:
    schema = Schema((FIRMWARE / "node" / "report.cddl").read_text())
    for sealed in morning.collector.messages:
        payload = morning.opened(sealed).payload
        schema.validate_cbor(whole_item(payload))


def whole_item(payload: bytes) -> bytes:
    """A padded payload without its padding."""
    item = cbor2.loads(payload)
    encoded = cbor2.dumps(item, canonical=True)
    assert payload.startswith(encoded), "the report is not in deterministic encoding"
    return encoded


def test_sealed_messages_have_at_most_256_bytes(morning: LampPost) -> None:
    sizes = [len(sealed) for sealed in morning.collector.messages]
    assert max(sizes) <= 256, sizes


def test_a_node_fits_its_heap(morning: LampPost) -> None:
    peak = max(report.health.heap_high_water_bytes for report in morning.stored)
    assert peak < morning.board.budgets.heap_kb * 1024
