"""A day's charge: times and currents add up, and what cannot work asleep is said to be left out."""

import math
from pathlib import Path

import pytest

from hadeda.board import load, load_parts, names
from hadeda.board.chips import CHIPS
from hadeda.board.energy import CHIPS as CURRENTS
from hadeda.board.energy import DAY_S, HOUR_S, STATES, charge_mah, energy_mj
from hadeda.errors import BoardError
from hadeda.power import winter
from hadeda.power.budget import BOOT_S, Awake, Budget, budgets
from hadeda.power.picture import draw
from hadeda.power.winter import Site, live, sun_w

AWAKE = Awake(seconds=3600, window_s=900, radio_s=8, sessions=4, sent_bytes=1400, wakes=3300)
SITE = Site(latitude_deg=50.9, sun=0.25, panel_w=20, battery_wh=100)


def of(name: str, awake: Awake = AWAKE, boot_s: float = BOOT_S) -> list[Budget]:
    return budgets(load(name), load_parts(), awake, boot_s)


def test_every_chip_has_its_currents_and_more_work_takes_more() -> None:
    assert set(CURRENTS) == set(CHIPS)
    for chip in CURRENTS.values():
        currents = [chip.of(state) for state in STATES]
        assert currents == sorted(currents)
        assert currents[0] < 0.1 < currents[1]


def test_charge_is_current_by_time() -> None:
    assert charge_mah("esp32c3", {"idle": HOUR_S}) == CURRENTS["esp32c3"].idle_ma
    both = charge_mah("esp32c3", {"idle": 1800, "listening": 1800})
    assert both == pytest.approx((CURRENTS["esp32c3"].idle_ma + CURRENTS["esp32c3"].listening_ma) / 2)
    assert energy_mj("esp32c3", {"idle": 1}) == pytest.approx(CURRENTS["esp32c3"].idle_ma * 3.3)


@pytest.mark.parametrize("name", names())
def test_a_chips_states_fill_the_day_in_every_budget(name: str) -> None:
    title = load(name).silicon.title
    for budget in of(name):
        states = [line for line in budget.lines if line.what.startswith(f"{title}:")]
        assert sum(line.seconds for line in states) == pytest.approx(DAY_S)
        assert all(line.seconds >= 0 for line in states)
        assert budget.mah == pytest.approx(sum(line.current_ma * line.seconds / 3600 for line in budget.lines))
        assert budget.wh == pytest.approx(budget.mah * 5 / 1000)


@pytest.mark.parametrize("name", names())
def test_what_has_to_stay_awake_is_left_out_by_name(name: str) -> None:
    parts = load_parts()
    awake = {parts[sensor.part].title for sensor in load(name).sensors if parts[sensor.part].stays_awake}
    always, *asleep = of(name)
    assert always.without == ()
    assert awake <= {line.what for line in always.lines}
    for budget in asleep:
        assert set(budget.without) == awake
        assert not awake & {line.what for line in budget.lines}
        assert budget.mah < always.mah


def test_the_fan_of_a_dust_sensor_goes_on_while_the_chip_sleeps() -> None:
    _, often, _ = of("esp32-devkitc-v4")
    (fan,) = [line for line in often.lines if line.what == "PMS5003"]
    assert (fan.current_ma, fan.seconds) == (100.0, DAY_S)


def test_a_day_by_hand() -> None:
    """The C3 asleep, a sample a minute: the figures of the docstrings, multiplied out."""
    budget = of("esp32-c3-devkitm-1")[2]
    computing_s = 1440 * (1.5 + 0.002) + 96 * 12.4e6 / 160e6
    sending_s = 1400 * 24 * 8 / 1e6
    listening_s = (8 + 4 * 2) * 24 - sending_s
    asleep_s = DAY_S - computing_s - sending_s - listening_s
    by_hand = 0.005 * asleep_s + 23 * computing_s + 335 * sending_s + 84 * listening_s + (0.0036 + 10) * DAY_S
    assert budget.mah == pytest.approx(by_hand / 3600)


def test_a_board_that_starts_slower_than_it_samples_never_sleeps() -> None:
    often = of("esp32-c3-devkitm-1", boot_s=30)[1]
    (asleep,) = [line for line in often.lines if "deep sleep" in line.what]
    assert asleep.seconds == pytest.approx(0)


def test_a_radio_that_never_sleeps_leaves_no_time_for_anything_else() -> None:
    busy = Awake(seconds=3600, window_s=900, radio_s=3600, sessions=0, sent_bytes=0, wakes=10**7)
    for budget in of("esp32-c3-devkitm-1", busy):
        assert all(line.seconds >= 0 for line in budget.lines)


def test_footfall_is_counted_where_the_policy_has_it(tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    text = 'base = "esp32-c3-devkitm-1"\nname = "mine"\n'
    text += '[[sensor]]\npart = "bme280"\nbus = "i2c0"\naddress = 0x76\nperiod_s = 10\n'
    file.write_text(text + '[[sensor]]\npart = "ble_footfall"\nperiod_s = 0\n')
    for wanted in (False, True):
        always = budgets(load(file), load_parts(), AWAKE, footfall=wanted)[0]
        assert ("Bluetooth LE footfall" in {line.what for line in always.lines}) == wanted


# --- the winter's day ---


def test_the_sun_on_the_shortest_day() -> None:
    lit = [hour / 4 for hour in range(96) if sun_w(SITE, hour / 4) > 0]
    assert 7.5 < lit[0] < 8.5  # Brussels: the sun rises 4 hours before noon
    assert lit[-1] == 24 - lit[0]
    assert max(sun_w(SITE, hour / 4) for hour in range(96)) == sun_w(SITE, 12)
    assert sun_w(SITE, 12) == pytest.approx(20 * 0.24 * 0.25 * 0.75, rel=0.02)  # 240 W/m2 under a clear sky


def test_winter_is_on_both_halves_of_the_earth_and_the_tropics_have_little_of_it() -> None:
    north, south = (live(Site(latitude, 0.25, 20, 100), 1).gained_wh for latitude in (40, -40))
    assert north == pytest.approx(south)
    gained = [live(Site(latitude, 0.25, 20, 100), 1).gained_wh for latitude in (5, 25, 45, 65)]
    assert gained == sorted(gained, reverse=True)


def test_the_battery_adds_up() -> None:
    day = live(Site(40, 0.25, 20, 1000), 0.5)  # it is neither full nor empty on the way
    assert day.stored_wh[-1] - day.stored_wh[0] == pytest.approx(day.gained_wh - day.needed_wh)
    assert day.needed_wh == pytest.approx(0.5 * 24 / winter.CONVERTER)
    assert live(Site(40, 0.25, day.panel_w, 1000), 0.5).gained_wh == pytest.approx(day.needed_wh)


def test_a_battery_is_never_more_than_full_nor_less_than_empty() -> None:
    assert max(live(Site(0, 1, 500, 10), 0.1).stored_wh) == 10
    assert min(live(Site(60, 0.1, 1, 10), 5).stored_wh) == 0


def test_how_long_it_lasts() -> None:
    dark = live(Site(50, 0, 20, 100), 1)
    assert dark.lasts_days == dark.dark_days == pytest.approx(100 / (24 / winter.CONVERTER))
    assert dark.panel_w == math.inf
    assert live(Site(10, 1, 100, 100), 1).lasts_days == math.inf


def test_the_picture_has_every_budget_in_words(tmp_path: Path) -> None:
    found = of("esp32-c3-devkitm-1")
    file = tmp_path / "power.svg"
    draw(load("esp32-c3-devkitm-1"), found, [live(SITE, row.load_w) for row in found], file)
    text = file.read_text()
    for row in found:
        assert f"{row.name}" in text
        assert f"{row.mah:.0f} mAh a day" in text
    assert "latitude 50.9" in text
    with pytest.raises(BoardError, match="is no picture's name"):
        draw(load("esp32-c3-devkitm-1"), found, [live(SITE, row.load_w) for row in found], tmp_path / "power.txt")
