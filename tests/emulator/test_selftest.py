"""The self-test at the cable of emulated nodes: what is right passes, what is wrong is named, nothing is stored."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import serial
from lamp_post import LampPost, PluggedIn, Template, make_city, make_template, repeated_numbers
from mosquitto_process import free_port
from typer.testing import CliRunner

from hadeda.board import Sensor, load
from hadeda.city import City
from hadeda.cli.main import app
from hadeda.collect.collector import Status as Became
from hadeda.emulator.chips.bme280 import Bme280
from hadeda.errors import PortError, ProvisionError
from hadeda.provision import steps
from hadeda.registry import nodes, revoke
from hadeda.registry.quarantine import refused
from hadeda.selftest import Check, Status, reaching, self_test, visit

BME280, PMS5003, LD2451 = range(3)
# Every line of a template's node, in order
LINES = (
    "configuration",
    "sensor bme280 on i2c0 at 0x76",
    "sensor pms5003 on uart1",
    "sensor ld2451 on uart2",
    "bus i2c0",
    "bus uart1",
    "bus uart2",
    "flash",
    "flash wear",
    "key partition",
    "sealed report",
    "clock",
    "wifi",
    "radio level",
    "time server",
    "broker",
)
OF_SENSORS = LINES[1:4]


def lines_of(post: LampPost, *, offline: bool = True) -> dict[str, Check]:
    """The lines about a node that has been running, by name; it is started again and stands still."""
    lines: list[Check] = []

    def now() -> datetime:
        return datetime.fromtimestamp(post.emulated.now(), UTC)

    if not post.emulated.powered:
        post.power_on()
        post.run_until(lambda: b"hadeda: running" in post.emulated.output)
    post.run_beside(lambda: lines.extend(self_test(post.port, post.city, offline=offline, clock=now)[1]))
    return {check.name: check for check in lines}


def of_status(checks: dict[str, Check], status: Status) -> set[str]:
    """The names of the lines that came out so."""
    return {name for name, check in checks.items() if check.status == status}


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What nodes sealed for self-tests, as it came over the cable."""
    kept: list[bytes] = []
    ask = visit.ask

    def listen(*call: object) -> dict[str, object]:
        said = ask(*call)  # type: ignore[arg-type]
        if "sealed" in said:
            kept.append(bytes.fromhex(said["sealed"]))
        return said

    monkeypatch.setattr(visit, "ask", listen)
    return kept


class AnotherPart(Bme280):
    """A BMP280: the same registers, another chip id (BST-BMP280-DS001, section 4.3.1)."""

    def read(self, count: int, now: float) -> bytes:
        data = super().read(count, now)
        return b"\x58" + data[1:] if data[:1] == b"\x60" else data


def test_a_node_that_is_well_passes_every_line(post: LampPost) -> None:
    checks = lines_of(post, offline=False)
    assert tuple(checks) == LINES
    assert of_status(checks, Status.NOT_KNOWN) == {"bus uart1", "bus uart2"}, checks
    assert not of_status(checks, Status.FAIL) | of_status(checks, Status.SKIPPED), checks
    # It reports again afterwards
    before = len(post.stored)
    post.run_until_stored(before + 2)


def test_without_a_broker_only_the_broker_fails_and_offline_nothing_does(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post()
    checks = lines_of(post, offline=False)
    assert of_status(checks, Status.FAIL) == {"broker"}, checks
    assert "localhost:" in checks["broker"].found
    checks = lines_of(post)
    assert not of_status(checks, Status.FAIL), checks
    assert of_status(checks, Status.SKIPPED) == {"wifi", "radio level", "time server", "broker"}


def test_a_login_that_the_broker_refuses_is_named(raise_post: Callable[..., LampPost]) -> None:
    def other_password(config: dict[str, Any]) -> None:
        config["broker"]["password"] = "of last year"

    post = raise_post(changed_config=other_password)
    post.open_city()
    checks = lines_of(post, offline=False)
    assert of_status(checks, Status.FAIL) == {"broker"}
    assert "refuses the node's login" in checks["broker"].found


def test_a_sensor_that_is_not_there(post: LampPost) -> None:
    post.emulated.wiring.remove(post.board, BME280)
    checks = lines_of(post)
    assert OF_SENSORS[BME280] in of_status(checks, Status.FAIL)
    assert "does not answer" in checks[OF_SENSORS[BME280]].found
    assert "SCL 9 and SDA 8" in checks[OF_SENSORS[BME280]].advice
    assert of_status(checks, Status.PASS) >= {*OF_SENSORS[1:], "sealed report"}


def test_a_sensor_that_is_another_part(post: LampPost) -> None:
    post.emulated.wiring.attach(post.board, BME280, AnotherPart(post.world, 1))
    checks = lines_of(post)
    assert of_status(checks, Status.FAIL) == {OF_SENSORS[BME280]}, checks
    assert "another part answers at 0x76" in checks[OF_SENSORS[BME280]].advice


def test_a_part_that_listens_by_radio_is_not_made_to_listen(tmp_path: Path) -> None:
    board = load("esp32-s3-devkitc-1")
    ear = Sensor(part="ble_footfall", period_s=0)
    template = make_template(board.model_copy(update={"sensors": (*board.sensors, ear)}), tmp_path, free_port())
    post_folder = tmp_path / "post"
    post_folder.mkdir()
    with LampPost(template, post_folder) as post:
        post.open_city()
        checks = lines_of(post)
    assert checks["sensor ble_footfall on the chip"].status == Status.NOT_KNOWN
    assert not of_status(checks, Status.FAIL), checks


def test_two_parts_at_each_others_place(post: LampPost) -> None:
    wiring = post.emulated.wiring
    particles, radar = wiring.parts[PMS5003][1], wiring.parts[LD2451][1]
    wiring.attach(post.board, PMS5003, radar)
    wiring.attach(post.board, LD2451, particles)
    checks = lines_of(post)
    assert of_status(checks, Status.FAIL) == {OF_SENSORS[PMS5003], OF_SENSORS[LD2451]}, checks
    assert checks[OF_SENSORS[PMS5003]].found == "answers on uart2, where ld2451 should be"
    assert checks[OF_SENSORS[LD2451]].advice == "exchange the plugs of ld2451 and pms5003"


def test_nothing_of_a_self_test_can_be_stored_and_no_number_comes_twice(post: LampPost, sealed: list[bytes]) -> None:
    lines_of(post)
    post.run_until_stored(1)
    lines_of(post)
    post.run_until_stored(3)
    assert len(sealed) == 2
    assert not repeated_numbers(post.collector.reports + sealed)
    before = len(post.stored)
    for message in sealed:
        assert post.collector.receive(message).status == Became.REJECTED
    assert len(post.stored) == before
    assert {each.reason for each in refused(post.city.database)} == {"not sealed by the key its kid names"}
    post.run_until_stored(before + 1)


def test_a_power_cut_while_it_seals_wastes_a_number_and_repeats_none(
    template: Template, tmp_path: Path, sealed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cable, which powers the board, is torn out at each flash operation of the sealing in turn."""
    flash = Path(shutil.copyfile(template.flash, tmp_path / "flash.bin"))
    ask, came_out = visit.ask, {}
    with City.open(shutil.copytree(template.city, tmp_path / "city")) as city:
        for cut_at in (1, 2, 3, 0):
            with PluggedIn(template.board, flash) as plugged:

                def cut(port: object, program: str, *call: object, at: int = cut_at, on: PluggedIn = plugged) -> object:
                    if program == "sealing" and at:
                        on._cut_at = on.changes + at
                    return ask(port, program, *call)  # type: ignore[arg-type]

                monkeypatch.setattr(visit, "ask", cut)
                plugged.emulated.clock.pace = 20.0
                _, checks = self_test(plugged.port, city, offline=True)
            came_out[cut_at] = {check.name: check.status for check in checks}["sealed report"]
    assert came_out[1] == Status.FAIL, "the cut did not come amid sealing"
    assert came_out[0] == Status.PASS
    assert len(sealed) == sum(status == Status.PASS for status in came_out.values())
    assert not repeated_numbers(sealed)


def test_unplugged_in_the_middle_it_says_so_and_leaves_the_rest_out(template: Template, tmp_path: Path) -> None:
    flash = Path(shutil.copyfile(template.flash, tmp_path / "flash.bin"))
    with City.open(template.city) as city, PluggedIn(template.board, flash) as plugged:
        plugged.emulated.clock.pace = 20.0

        def tear_out(check: Check) -> None:
            if check.name == OF_SENSORS[-1]:
                plugged._cut_at = plugged.changes + 1  # the next thing it writes is the flash's own test

        _, checks = self_test(plugged.port, city, offline=True, show=tear_out)
    by_name = {check.name: check for check in checks}
    assert plugged.cut
    assert of_status(by_name, Status.FAIL) == {"flash"}, checks
    assert by_name["flash"].found == f"the board on {plugged.port} stopped answering"
    assert of_status(by_name, Status.SKIPPED) == {"sealed report", "network"}


def test_a_port_that_somebody_else_uses_and_one_that_is_not_there(template: Template, tmp_path: Path) -> None:
    flash = Path(shutil.copyfile(template.flash, tmp_path / "flash.bin"))
    with City.open(template.city) as city, PluggedIn(template.board, flash) as plugged:
        with (
            serial.Serial(plugged.port, exclusive=True),
            pytest.raises(PortError, match="cannot be opened: close the program that uses it"),
        ):
            self_test(plugged.port, city)
        with pytest.raises(PortError, match="there is no serial port /dev/ttyNOWHERE"):
            self_test("/dev/ttyNOWHERE", city)


@pytest.mark.parametrize("erased", [False, True])
def test_a_board_that_is_not_provisioned(template: Template, tmp_path: Path, erased: bool) -> None:
    flash = tmp_path / "flash.bin"
    if not erased:
        shutil.copyfile(template.unenrolled, flash)
    with (
        City.open(template.city) as city,
        PluggedIn(template.board, flash) as plugged,
        pytest.raises(ProvisionError, match="not provisioned: run `hadeda node provision`"),
    ):
        self_test(plugged.port, city)


def test_a_node_of_another_city_and_a_revoked_one(template: Template, tmp_path: Path) -> None:
    flash = Path(shutil.copyfile(template.flash, tmp_path / "flash.bin"))
    with (
        PluggedIn(template.board, flash) as plugged,
        make_city(tmp_path / "other", 8883) as other,
        pytest.raises(ProvisionError, match="a node of another city: name its city"),
    ):
        self_test(plugged.port, other)
    with (
        City.open(shutil.copytree(template.city, tmp_path / "city")) as city,
        PluggedIn(template.board, flash) as plugged,
    ):
        (node,) = nodes(city.database)
        revoke(city.database, node.node_id)
        _, checks = self_test(plugged.port, city)
    assert [(check.name, check.status) for check in checks] == [("configuration", Status.FAIL)]
    assert "was revoked" in checks[0].found


def test_the_command_and_provisioning_say_it_and_their_status_can_be_trusted(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "shipment", lambda _board: template.parcels)
    monkeypatch.setattr(reaching, "CLOCK_OFF_S", 600)  # board time runs away from ours
    flash = Path(shutil.copyfile(template.unenrolled, tmp_path / "flash.bin"))
    City.init(
        tmp_path / "city", "Corner", wifi_ssid="street"
    ).close()  # no time server: it would tell the street's time
    with PluggedIn(template.board, flash) as plugged:
        plugged.emulated.clock.pace = 20.0
        at = ["--port", plugged.port, "--city", str(tmp_path / "city"), "--json"]
        board = ["--board", template.board.name]
        given = CliRunner().invoke(app, ["node", "provision", *at, *board])
        record = json.loads(given.stdout)
        assert given.exit_code == 0, "the broker is down, and that undoes no provisioning"
        failed = [line["check"] for line in record["selftest"]["checks"] if line["status"] == "fail"]
        assert failed == ["broker"], record
        assert "fail      broker: no broker" in given.stderr
        for more, status in ((["--offline"], 0), ([], 1)):
            given = CliRunner().invoke(app, ["node", "selftest", *at, *more])
            assert given.exit_code == status, given.output
            assert json.loads(given.stdout)["passed"] == (status == 0)


def test_provisioning_can_leave_it_out_and_the_node_has_its_label(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "shipment", lambda _board: template.parcels)
    monkeypatch.setattr(visit, "ask", None)
    flash = Path(shutil.copyfile(template.unenrolled, tmp_path / "flash.bin"))
    with make_city(tmp_path / "city", 8883), PluggedIn(template.board, flash) as plugged:
        at = ["--port", plugged.port, "--city", str(tmp_path / "city"), "--board", template.board.name]
        given = CliRunner().invoke(app, ["node", "provision", *at, "--no-selftest", "--json"])
    assert given.exit_code == 0, given.output
    record = json.loads(given.stdout)
    assert record["selftest"] is None
    given = CliRunner().invoke(
        app,
        [
            "node",
            "label",
            record["name"],
            "--city",
            str(tmp_path / "city"),
            "-o",
            str(tmp_path / "label.pdf"),
            "--json",
        ],
    )
    assert json.loads(given.stdout)["code"] == f"Hadeda sensor node {record['name']}, Corner"
    assert (tmp_path / "label.pdf").read_bytes().startswith(b"%PDF")
