"""A board with an energy meter and a Doppler radar: the city reads an hour's energy in coarse steps, and who drove by.

The city is the attacker where it wants the energy of less than an hour.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pycddl
import pytest
from lamp_post import HOUR_S, NAME, NIGHT, LampPost, Template, make_template
from mosquitto_process import free_port
from test_a_morning import whole_item
from test_commands_on_boards import answered

from hadeda.board import load
from hadeda.collect.collector import Status
from hadeda.emulator.chips import faults
from hadeda.emulator.chips.ops243a import Ops243a
from hadeda.emulator.chips.pzem004t import used_wh
from hadeda.envelope import labels
from hadeda.paths import FIRMWARE
from hadeda.policy import read_floor, read_policy
from hadeda.policy.schema import Window
from hadeda.policy.signing import sign_floor, sign_policy, sign_release
from hadeda.registry import StoredReport
from hadeda.registry.nodes import find_node

BOARD = "esp32-devkitc-v4-meter"
METER, RADAR = 1, 2
STEP_WH = 100
PERIOD_WH = 612 / 60  # what a reading of the meter may come late
EVENING = 17 * HOUR_S - 60


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A provisioned node whose policy has energy, and windows of an hour."""
    return make_template(load(BOARD), tmp_path_factory.mktemp("metered"), free_port(), energy=True)


@pytest.fixture
def post(metered: Template, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LampPost]:
    """A lamp post, powered off, a minute before the hour that the test asks for; broker and collector run."""
    with ExitStack() as standing:
        post = standing.enter_context(LampPost(metered, tmp_path, start=getattr(request, "param", NIGHT)))
        post.window_s = HOUR_S
        post.open_city()
        yield post


def energy_of(report: StoredReport) -> float | None:
    """Wh that a report tells."""
    told = [reading for reading in report.air if reading.channel == "energy"]
    assert [(each.n, each.minimum, each.maximum) for each in told] == [(1, each.mean, each.mean) for each in told]
    return told[0].mean if told else None


def faults_of(report: StoredReport) -> set[tuple[str, str]]:
    """What went wrong with the radar and the meter."""
    return {(fault.part, fault.kind) for fault in report.faults if fault.part in ("ops243a", "pzem004t")}


def counted(report: StoredReport, direction: str) -> int:
    return sum(cell.count or 0 for cell in report.traffic if cell.direction == direction)


def check_sums(reports: list[StoredReport]) -> None:
    """Whole steps, only of whole hours, and their sum the truth to a step and the late reading at either end."""
    told = truth = 0.0
    for report in reports:
        wh = energy_of(report)
        if wh is None:
            assert report.window_s < HOUR_S
            told = truth = 0.0
            continue
        assert report.window_s >= HOUR_S - 2
        assert wh % STEP_WH == 0
        start = report.window_start.timestamp()
        told, truth = told + wh, truth + used_wh(start, start + report.window_s)
        assert -PERIOD_WH <= truth - told < STEP_WH + PERIOD_WH, report


@pytest.mark.parametrize("post", [EVENING], indirect=True)
def test_an_evening_s_energy_is_told_by_the_hour_and_the_street_is_counted(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(4, limit_s=200)
    reports = post.stored
    assert energy_of(reports[0]) is None  # a minute's window
    assert [energy_of(report) for report in reports[1:]] in ([0, 600, 600], [0, 600, 700])
    check_sums(reports)
    schema = pycddl.Schema((FIRMWARE / "node" / "report.cddl").read_text())
    for sealed in post.collector.reports:
        schema.validate_cbor(whole_item(post.opened(sealed).payload))
    rush = reports[1]
    start = rush.window_start.timestamp()
    passed = [p for p in post.world.passages(start, start + HOUR_S) if p.kind in ("car", "heavy", "bike")]
    for direction in ("approaching", "receding"):
        truth = sum(passage.direction == direction for passage in passed)
        assert truth > 200
        assert counted(rush, direction) == pytest.approx(truth, rel=0.2)
    assert [faults_of(report) for report in reports] == [set()] * 4
    peak = max(report.health.heap_high_water_bytes for report in reports)
    assert peak < post.board.budgets.heap_kb * 1024


def test_no_command_of_the_city_gets_the_energy_of_less_than_an_hour(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(1)
    orders = [
        post.command(labels.OPERATION_SET_PERIOD, {labels.SET_PERIOD_WINDOW: 60}),
        post.command(labels.OPERATION_REPORT_NOW),
        post.command(labels.OPERATION_REBOOT),
    ]
    post.run_windows(5, limit_s=300)
    results = [post.results()[number] for number in orders]
    assert results[0] == labels.RESULT_REFUSED
    assert labels.RESULT_DONE in results[1:], results
    reports = post.stored
    assert any(report.window_s < HOUR_S for report in reports)
    assert any(energy_of(report) for report in reports)
    check_sums(reports)


def finer_policy(post: LampPost, version: int) -> dict[int, bytes]:
    """The same policy in windows of a quarter of an hour, signed by the city."""
    model = read_policy(post.city.directory / "policy.toml").model
    changed = model.model_copy(update={"version": version, "window": Window(seconds=900)})
    return {labels.SET_POLICY_POLICY: sign_policy(changed, post.city.keyring.private(labels.ROLE_POLICY))}


def finer_floor(post: LampPost, **energy: int) -> dict[int, bytes]:
    """A floor that allows energy to be finer than any floor can, by both keys."""
    keyring = post.city.keyring
    model = read_floor(post.city.directory / "floor.toml").model
    assert model.energy is not None
    floor = model.model_copy(update={"version": 2, "energy": model.energy.model_copy(update=energy)})
    node_id = bytes.fromhex(find_node(post.city.database, NAME).node_id)
    return {
        labels.SET_POLICY_FLOOR: sign_floor(floor, keyring.private(labels.ROLE_POLICY)),
        labels.SET_POLICY_RELEASE: sign_release(floor, keyring.private(labels.ROLE_RELEASE), node_id),
    }


def test_finer_energy_is_refused_over_the_air_with_every_key_of_the_city(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(1)
    for arguments, why in (
        (finer_policy(post, 3), "below the floor: energy"),
        (finer_floor(post, min_seconds=60), "energy's shortest window"),
        (finer_floor(post, min_step_wh=1), "energy's smallest step"),
    ):
        assert answered(post, labels.OPERATION_SET_POLICY, arguments) == "refused"
        assert "policy refused: " + why in post.console, post.explain("the node does not say why")
    assert {report.policy_version for report in post.stored} == {2}
    check_sums(post.stored)


def spoil(post: LampPost, sensor: int, start_s: float, length_s: float) -> None:
    """Cut a part's cable from so many seconds after the first full hour on."""
    begin = post.world.start_s + post.start + 60 + start_s
    _, chip = post.emulated.wiring.parts[sensor]
    post.emulated.wiring.attach(post.board, sensor, faults.Silent(chip, begin, begin + length_s))


def test_a_meter_that_is_not_heard_for_a_while_loses_no_energy(post: LampPost) -> None:
    spoil(post, METER, 600, 1200)
    post.power_on()
    post.run_until_stored(4, limit_s=200)
    reports = post.stored
    assert [faults_of(report) for report in reports] == [set(), {("pzem004t", "no answer")}, set(), set()]
    check_sums(reports)


@pytest.mark.parametrize("post", [EVENING], indirect=True)
def test_a_radar_that_is_gone_withholds_its_hour_and_one_that_forgot_is_told_again(post: LampPost) -> None:
    spoil(post, RADAR, 600, 300)
    post.power_on()
    post.run_until_stored(2, limit_s=120)
    chip = post.emulated.wiring.parts[RADAR][1].chip  # type: ignore[union-attr]
    assert isinstance(chip, Ops243a)
    post.run_until(post.clock_s + 1200)
    chip.brown_out(post.emulated.now())
    post.run_until_stored(4, limit_s=200)
    reports = post.stored
    assert {cell.withheld for cell in reports[1].traffic} == {"sensor blind"}
    assert faults_of(reports[1]) == {("ops243a", "no answer")}
    assert chip.settings.unit == "K"
    assert faults_of(reports[2]) <= {("ops243a", "bad frame")}
    start = reports[2].window_start.timestamp()
    passed = [p for p in post.world.passages(start, start + HOUR_S) if p.kind in ("car", "heavy", "bike")]
    told = counted(reports[2], "approaching") + counted(reports[2], "receding")
    assert told == pytest.approx(len(passed), rel=0.2)
    assert faults_of(reports[3]) == set()
    assert post.count(Status.REJECTED) == 0
