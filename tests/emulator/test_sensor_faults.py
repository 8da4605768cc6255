"""Sensors that fail: counted in the report, nothing implausible in it, everybody else goes on, windows on time."""

from collections.abc import Callable

import pytest
from lamp_post import HOUR_S, MORNING, NIGHT, LampPost

from hadeda.emulator.chips import faults
from hadeda.registry import StoredReport

BME280, PMS5003, LD2451 = range(3)
CHANNELS = {
    BME280: {"temperature", "relative_humidity", "pressure"},
    PMS5003: {"pm1_0", "pm2_5", "pm10"},
    LD2451: set(),
}
PARTS = ("bme280", "pms5003", "ld2451")
TRUTH = {
    "temperature": ("temperature_c", 2.0),
    "relative_humidity": ("humidity_percent", 6.0),
    "pressure": ("pressure_pa", 200.0),
    "pm1_0": ("pm1_0_ugm3", 10.0),
    "pm2_5": ("pm2_5_ugm3", 10.0),
    "pm10": ("pm10_ugm3", 12.0),
}
BELOW_K = "below k"
FAULT_WINDOWS = (1, 2)  # of those with a whole minute; the fault is there during both of them
WINDOWS = 6
Wrap = Callable[..., object]


def run_with(post: LampPost, sensor: int, wrap: Wrap, **settings: object) -> list[StoredReport]:
    """Six windows, with a fault in two of them; returns what the city has of them."""
    start_s = post.world.start_s + post.start + 60 + 60 * FAULT_WINDOWS[0]
    _, chip = post.emulated.wiring.parts[sensor]
    faulty = wrap(chip, start_s, start_s + 60 * len(FAULT_WINDOWS), seed=post.seed, **settings)
    post.emulated.wiring.attach(post.board, sensor, faulty)
    post.open_city()
    post.power_on()
    post.run_windows(1 + WINDOWS)
    return post.wait_stored(1 + WINDOWS)[1:]


def counted(report: StoredReport, part: str) -> dict[str, int]:
    """The faults of a part in a report, by kind."""
    return {fault.kind: fault.count for fault in report.faults if fault.part == part}


def check_the_rest(post: LampPost, reports: list[StoredReport], sensor: int) -> None:
    """Windows on time, the other sensors untouched, no value that is not the street's."""
    starts = [post.world.start_s + post.start + 60 * (1 + index) for index in range(WINDOWS)]
    assert [report.window_start.timestamp() for report in reports] == starts, post.explain("windows are not on time")
    assert {report.window_s for report in reports} == {60}
    others = set().union(*(channels for index, channels in CHANNELS.items() if index != sensor))
    for report in reports:
        late_s = report.received_at.timestamp() - report.window_start.timestamp() - 60
        assert late_s < 30, post.explain(f"a report came {late_s} s after its window")
        assert {fault.part for fault in report.faults} <= {PARTS[sensor]}, report
        readings = {reading.channel: reading for reading in report.air}
        assert all(readings[channel].n >= 4 for channel in others), report
        truth = post.world.air(report.window_start.timestamp() + 30)
        for reading in report.air:
            field, slack = TRUTH[reading.channel]
            right = pytest.approx(getattr(truth, field), abs=slack)
            assert (reading.minimum, reading.mean, reading.maximum) == (right, right, right), report


def check_recovered(reports: list[StoredReport], sensor: int) -> None:
    """The last window is as if nothing had been."""
    assert reports[-1].faults == ()
    assert {reading.channel for reading in reports[-1].air} >= CHANNELS[sensor]


@pytest.mark.parametrize(
    ("sensor", "wrap", "kind", "settings"),
    [
        pytest.param(BME280, faults.Nacking, "no answer", {}, id="bme280 does not acknowledge"),
        pytest.param(BME280, faults.Stalling, "bus hung", {}, id="bme280 holds the bus"),
        pytest.param(PMS5003, faults.Silent, "no answer", {}, id="pms5003 is silent"),
    ],
)
def test_a_sensor_that_is_gone_is_a_fault_and_comes_back(
    raise_post: Callable[..., LampPost], sensor: int, wrap: Wrap, kind: str, settings: dict[str, object]
) -> None:
    post = raise_post(start=NIGHT)
    reports = run_with(post, sensor, wrap, **settings)
    check_the_rest(post, reports, sensor)
    for index in FAULT_WINDOWS:
        assert counted(reports[index], PARTS[sensor]).get(kind), reports[index]
    blind = reports[FAULT_WINDOWS[-1]]
    assert not {reading.channel for reading in blind.air} & CHANNELS[sensor], blind
    check_recovered(reports, sensor)


@pytest.mark.parametrize(
    ("sensor", "wrap", "settings"),
    [
        pytest.param(BME280, faults.Corrupting, {"probability": 0.05}, id="bme280 with bits flipping"),
        pytest.param(BME280, faults.Corrupting, {"nth": 0}, id="bme280 with a bit of every first byte flipping"),
        pytest.param(PMS5003, faults.Garbling, {"probability": 0.05}, id="pms5003 with bits flipping"),
    ],
)
def test_corrupt_data_is_a_fault_and_never_a_plausible_wrong_value(
    raise_post: Callable[..., LampPost], sensor: int, wrap: Wrap, settings: dict[str, object]
) -> None:
    post = raise_post(start=NIGHT)
    reports = run_with(post, sensor, wrap, **settings)
    check_the_rest(post, reports, sensor)
    for index in FAULT_WINDOWS:
        assert counted(reports[index], PARTS[sensor]), reports[index]
    check_recovered(reports, sensor)


@pytest.mark.parametrize("wrap", [faults.Splitting, faults.Garbage])
def test_torn_frames_and_noise_between_them_cost_no_particle_reading(
    raise_post: Callable[..., LampPost], wrap: Wrap
) -> None:
    post = raise_post(start=NIGHT)
    reports = run_with(post, PMS5003, wrap)
    check_the_rest(post, reports, PMS5003)
    for report in reports[FAULT_WINDOWS[0] : FAULT_WINDOWS[-1] + 1]:
        n = {reading.channel: reading.n for reading in report.air}
        assert n["pm2_5"] + sum(counted(report, "pms5003").values()) >= 5, report
        assert n["pm2_5"] >= 3, report
    check_recovered(reports, PMS5003)


def vehicles(post: LampPost, start_s: float, end_s: float) -> int:
    """How many vehicles the world let pass."""
    return sum(passage.kind in ("car", "heavy") for passage in post.world.passages(start_s, end_s))


def total(report: StoredReport) -> int | None:
    """Passages in a report; None where the node withheld them, other than for being so few."""
    told = all(cell.withheld in (None, BELOW_K) for cell in report.traffic)
    return sum(cell.count or 0 for cell in report.traffic) if told else None


def test_a_silent_radar_withholds_its_cells_instead_of_counting_zero(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post(start=MORNING)
    reports = run_with(post, LD2451, faults.Silent)
    check_the_rest(post, reports, LD2451)
    assert any(counted(reports[index], "ld2451").get("no answer") for index in FAULT_WINDOWS), reports
    assert total(reports[FAULT_WINDOWS[-1]]) is None, reports[FAULT_WINDOWS[-1]]
    assert total(reports[-1]) is not None
    assert reports[-1].faults == ()


@pytest.mark.parametrize(
    ("wrap", "settings"), [(faults.Splitting, {}), (faults.Garbage, {}), (faults.Dropping, {"probability": 0.01})]
)
def test_a_noisy_radar_line_never_counts_vehicles_that_were_not_there(
    raise_post: Callable[..., LampPost], wrap: Wrap, settings: dict[str, object]
) -> None:
    post = raise_post(start=MORNING)
    reports = run_with(post, LD2451, wrap, **settings)
    check_the_rest(post, reports, LD2451)
    start_s = post.world.start_s + 7 * HOUR_S
    seen = sum(total(report) or 0 for report in reports)
    there = vehicles(post, start_s - 20, start_s + 60 * WINDOWS + 20)
    assert there * 0.7 <= seen <= there * 1.05 + 1, f"{seen} counted, {there} passed"


def test_a_sensor_taken_off_the_board_is_a_fault_from_then_on(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post(start=NIGHT)
    post.open_city()
    post.power_on()
    post.run_windows(2)
    post.emulated.wiring.remove(post.board, BME280)
    post.run_windows(2)
    report = post.wait_stored(4)[-1]
    assert counted(report, "bme280").get("no answer"), report
    assert {reading.channel for reading in report.air} == CHANNELS[PMS5003]


def test_a_node_without_any_sensor_still_reports(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post(start=NIGHT)
    post.emulated.wiring.remove(post.board, BME280)
    for index in (PMS5003, LD2451):
        _, chip = post.emulated.wiring.parts[index]
        post.emulated.wiring.attach(post.board, index, faults.Silent(chip))
    post.open_city()
    post.power_on()
    post.run_windows(3)
    report = post.wait_stored(3)[-1]
    assert {fault.part for fault in report.faults} == set(PARTS)
    assert report.air == ()
    assert total(report) is None
