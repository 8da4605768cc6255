"""A board with more of the air on one I2C bus: the city reads what was there, or faults, and never a made-up value."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

import pycddl
import pytest
from lamp_post import NIGHT, LampPost, Template, make_template
from mosquitto_process import free_port
from test_a_morning import whole_item

from hadeda.board import load
from hadeda.board.parts import load_parts
from hadeda.collect.collector import Status
from hadeda.emulator.chips import faults
from hadeda.emulator.chips.sensirion import arguments, words
from hadeda.emulator.chips.sgp41 import Sgp41
from hadeda.envelope import labels
from hadeda.paths import FIRMWARE
from hadeda.registry import StoredReport
from hadeda.scenario import World

BOARD = "esp32-c6-devkitc-1-air"
PARTS = ("bme280", "sps30", "scd41", "ens160", "sgp41", "ld2451")
BME280, SPS30, SCD41, ENS160, SGP41, LD2451 = range(len(PARTS))
NEW = (SPS30, SCD41, ENS160, SGP41)
CHANNELS = {part: {channel.name for channel in load_parts()[part].channel} for part in PARTS[:-1]}
# The world's name of each channel, and how far off a value may be: the datasheets' accuracy there, and for CO2 the
# pressure of the place, 1 % under the sea's
TRUTH = {
    "temperature": ("temperature_c", 1.0),
    "relative_humidity": ("humidity_percent", 3.0),
    "pressure": ("pressure_pa", 100.0),
    "pm1_0": ("pm1_0_ugm3", 10.0),
    "pm2_5": ("pm2_5_ugm3", 10.0),
    "pm10": ("pm10_ugm3", 25.0),
    "co2": ("co2_ppm", 60.0),
    "tvoc": ("tvoc_ppb", 10.0),
}
# The world knows no ticks: these are held against another unit in the same air, one without noise
TICKS = ("voc_raw", "nox_raw")
TICKS_NOISE = 60.0
EVERY = {*TRUTH, *TICKS}
HEAP_KB = 156  # of the board's 160, with six drivers


class Supplied(Protocol):
    """A chip that can lose its supply."""

    def brown_out(self) -> None: ...


@pytest.fixture(scope="module")
def airy(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A provisioned node with every channel of its parts in its policy."""
    return make_template(load(BOARD), tmp_path_factory.mktemp("airy"), free_port(), channels=(*TRUTH, *TICKS))


@pytest.fixture
def post(airy: Template, tmp_path: Path) -> Iterator[LampPost]:
    """A lamp post a minute before two in the night, powered off; broker and collector run."""
    with ExitStack() as standing:
        post = standing.enter_context(LampPost(airy, tmp_path, start=NIGHT))
        post.open_city()
        yield post


def ideal_ticks(world: World, at: float) -> tuple[int, ...]:
    """What an SGP41 without noise says; its first value is to be thrown away."""
    chip = Sgp41(world, noise=False)
    for now in (at - 1, at):
        chip.write(b"\x26\x19" + words(0x8000, 0x6666), now)
    return arguments(chip.read(6, at + 1))


def check_true(post: LampPost, report: StoredReport) -> None:
    """No value that is not the street's."""
    at = report.window_start.timestamp() + 30
    truth, ticks = post.world.air(at), dict(zip(TICKS, ideal_ticks(post.world, at), strict=True))
    for reading in report.air:
        field, slack = TRUTH.get(reading.channel, ("", TICKS_NOISE))
        right = pytest.approx(getattr(truth, field) if field else ticks[reading.channel], abs=slack)
        assert (reading.minimum, reading.mean, reading.maximum) == (right, right, right), report


def counted(report: StoredReport) -> dict[str, set[str]]:
    """Kinds of faults by part."""
    kinds: dict[str, set[str]] = {}
    for fault in report.faults:
        kinds.setdefault(fault.part or "", set()).add(fault.kind)
    return kinds


def spoil(post: LampPost, sensor: int, wrap: type, **settings: object) -> None:
    """Put a fault before a chip from the third window to the end of the fourth."""
    start_s = post.world.start_s + post.start + 60 + 120
    _, chip = post.emulated.wiring.parts[sensor]
    post.emulated.wiring.attach(post.board, sensor, wrap(chip, start_s, start_s + 120, seed=post.seed, **settings))


def test_every_channel_is_the_air_of_the_street_and_the_report_has_the_form_of_the_cddl(post: LampPost) -> None:
    post.power_on()
    post.run_windows(6)
    reports = post.wait_stored(6)
    for report in reports[4:]:  # the ENS160 says nothing for three minutes
        assert {reading.channel for reading in report.air} == EVERY, report
        assert {reading.channel: reading.n for reading in report.air}["co2"] >= 4
        assert report.faults == ()
        check_true(post, report)
    co2 = next(reading for reading in reports[-1].air if reading.channel == "co2")
    assert (co2.unit, co2.mean) == ("ppm", int(co2.mean))
    schema = pycddl.Schema((FIRMWARE / "node" / "report.cddl").read_text())
    for sealed in post.collector.reports:
        assert len(sealed) <= 320
        schema.validate_cbor(whole_item(post.opened(sealed).payload))
    pixels = post.emulated.wiring.parts[SGP41][1]
    assert isinstance(pixels, Sgp41)
    assert not pixels.overheated


def test_six_parts_leave_room_for_a_new_identity(airy: Template, tmp_path: Path) -> None:
    """On less heap than a board has."""
    budgets = airy.board.budgets.model_copy(update={"heap_kb": HEAP_KB})
    small = replace(airy, board=airy.board.model_copy(update={"budgets": budgets}))
    with LampPost(small, tmp_path, start=NIGHT) as post:
        post.open_city()
        post.power_on()
        post.run_windows(2)
        before = post.wait_stored(1)[-1].node_id
        post.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1})
        post.run_windows(8)
        assert post.stored[-1].node_id != before, post.explain("the node has no new identity")
        assert {reading.channel for reading in post.stored[-1].air} == EVERY
        assert b"Error" not in post.emulated.output, post.explain("something went wrong")


@pytest.mark.parametrize("sensor", NEW)
@pytest.mark.parametrize(("wrap", "kind"), [(faults.Nacking, "no answer"), (faults.Stalling, "bus hung")])
def test_a_part_that_is_gone_is_a_fault_and_comes_back(post: LampPost, sensor: int, wrap: type, kind: str) -> None:
    spoil(post, sensor, wrap)
    post.power_on()
    post.run_windows(8)
    reports = post.wait_stored(8)
    part = PARTS[sensor]
    gone = reports[4]
    assert counted(gone) == {part: {kind}}, gone
    told = {reading.channel for reading in gone.air}
    assert told == EVERY - CHANNELS[part], gone
    assert {reading.channel for reading in reports[-1].air} >= CHANNELS[part]
    assert reports[-1].faults == ()
    assert {reading.channel for reading in reports[-1].air} == EVERY
    for report in reports:
        check_true(post, report)


@pytest.mark.parametrize("sensor", [SPS30, SCD41, SGP41])
def test_flipping_bits_are_bad_frames_and_never_a_value(post: LampPost, sensor: int) -> None:
    spoil(post, sensor, faults.Corrupting, nth=1)
    post.power_on()
    post.run_windows(6)
    reports = post.wait_stored(6)
    part = PARTS[sensor]
    assert counted(reports[3]) == counted(reports[4]) == {part: {"bad frame"}}
    assert not {reading.channel for reading in reports[4].air} & CHANNELS[part]
    for report in reports:
        check_true(post, report)
    assert post.count(Status.REJECTED) == 0


@pytest.mark.parametrize("sensor", [SPS30, SCD41])  # the SGP41 goes on by itself, the ENS160 warms up again
def test_a_part_that_lost_its_supply_is_started_again(post: LampPost, sensor: int) -> None:
    post.power_on()
    post.run_windows(3)
    post.run_until(post.clock_s + 3.5)  # between two readings
    cast(Supplied, post.emulated.wiring.parts[sensor][1]).brown_out()
    post.run_windows(3)
    reports = post.wait_stored(6)
    assert counted(reports[3]) == {PARTS[sensor]: {"bus hung"}}, reports[3]
    assert reports[-1].faults == ()
    assert {reading.channel for reading in reports[-1].air} == EVERY
    for report in reports:
        check_true(post, report)


def test_two_parts_swapped_are_told_apart_by_what_they_are(post: LampPost) -> None:
    board = post.board
    wrong, right = (post.emulated.wiring.parts[index][1] for index in (SPS30, SCD41))
    post.emulated.wiring.attach(board, SPS30, right)
    post.emulated.wiring.attach(board, SCD41, wrong)
    post.power_on()
    post.run_windows(3)
    report = post.wait_stored(3)[-1]
    assert set(counted(report)) == {"sps30", "scd41"}, report
    assert not {reading.channel for reading in report.air} & (CHANNELS["sps30"] | CHANNELS["scd41"])
    check_true(post, report)
