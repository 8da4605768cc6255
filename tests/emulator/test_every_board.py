"""Every board of boards/: emulated, provisioned over its serial port, and at work for a window; and its self-test."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hadeda import randomness
from hadeda.board import load, names
from hadeda.emulator.board import EmulatedBoard
from hadeda.paths import ROOT
from hadeda.policy.files import read_policy
from hadeda.power.measure import measure
from hadeda.registry.nodes import nodes
from hadeda.scenario import World
from hadeda.selftest import Status, self_test_at
from hadeda.simulate.city_side import make_city
from hadeda.simulate.clock import SimulatedTime
from hadeda.simulate.provisioning import Workshop
from hadeda.simulate.serial_line import plugged_in

RISCV = ["esp32-c3-devkitm-1", "esp32-c6-devkitc-1"]


@pytest.mark.parametrize("name", names())
def test_an_emulated_board_is_provisioned_as_the_chip_it_is_and_passes_its_self_test(name: str, tmp_path: Path) -> None:
    board, now_s, clock = load(name), World().start_s, SimulatedTime()
    with randomness.seeded(name), make_city(tmp_path / "city", 1, datetime.fromtimestamp(now_s, UTC)) as city:
        Workshop(board, city, tmp_path, now_s).node(tmp_path / "node.bin", "corner", World(seed=1))
        (node,) = nodes(city.database)
        assert node.name == "corner"
        emulated = EmulatedBoard(board, World(seed=1), seed=1, clock=clock, flash_file=tmp_path / "node.bin")
        try:
            emulated.power_on()
            with plugged_in(emulated, clock) as port:
                said = port.run("import os, machine\nprint(os.uname().machine)\nprint(machine.unique_id()[:3])")
                now = datetime.fromtimestamp(emulated.now(), UTC)
                checks = self_test_at(port, city, node, offline=True, clock=lambda: now)
        finally:
            emulated.close()
    assert said.splitlines()[0] == board.silicon.machine
    assert board.silicon.machine.endswith(" with " + board.chip.upper())
    passed = {check.name for check in checks if check.status == Status.PASS}
    plain = {name for name, bus in board.buses.items() if bus.kind == "gpio"}  # at night nobody comes to tell it
    wanted = {f"sensor {sensor.part} on {sensor.bus}" for sensor in board.sensors if sensor.bus not in plain}
    assert all(any(line.startswith(sensor) for line in passed) for sensor in wanted), checks
    assert {"sealed report", "flash"} <= passed
    assert [check for check in checks if check.status == Status.FAIL and check.name != "clock"] == []


@pytest.mark.parametrize("name", RISCV)
def test_a_risc_v_board_samples_seals_and_sends(name: str, tmp_path: Path) -> None:
    file = tmp_path / "quick.toml"
    text = (ROOT / "policies" / "street.toml").read_text(encoding="utf-8").replace("seconds = 900", "seconds = 300")
    file.write_text(text.replace("epsilon_per_release = 0.5", "epsilon_per_release = 0.25"), encoding="utf-8")
    seen = measure(load(name), read_policy(file), 2, 3, lambda _us: None)
    assert seen.sessions == 2
    assert seen.sent_bytes > 2 * 200
