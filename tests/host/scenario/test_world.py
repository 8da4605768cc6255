"""The world a node stands in: continuous air and single passages out of hourly files."""

import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hadeda.errors import ScenarioError
from hadeda.scenario import World
from hadeda.scenario.air import humidity_percent as humidity_by_magnus
from hadeda.scenario.world import DATA

HOUR_S = 3600
WORLD = World(seed=1)
MONTH = WORLD.passages(WORLD.start_s, WORLD.end_s)


def hour_at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def street_rows() -> Iterator[dict[str, str]]:
    with (DATA / "street-hourly.csv").open() as file:
        yield from csv.DictReader(file)


def test_starts_and_ends_with_the_street_file() -> None:
    assert hour_at("2022-06-01T00:00:00") == WORLD.start_s
    assert hour_at("2022-06-29T00:00:00") == WORLD.end_s


def test_every_hour_has_the_counts_of_the_file() -> None:
    for row in street_rows():
        start = hour_at(row["local_time"])
        counted = Counter((passage.kind, passage.direction) for passage in WORLD.passages(start, start + HOUR_S))
        for kind in ("car", "heavy", "bike", "pedestrian"):
            assert counted[kind, "approaching"] == int(row[f"{kind}_lft"]), row["local_time"]
            assert counted[kind, "receding"] == int(row[f"{kind}_rgt"]), row["local_time"]
            assert abs(counted[kind, "approaching"] + counted[kind, "receding"] - int(row[kind])) <= 1


def test_same_seed_same_street_other_seed_other_street() -> None:
    start = hour_at("2022-06-01T08:00:00")
    again, other = World(seed=1), World(seed=2)
    assert again.passages(start, start + HOUR_S) == WORLD.passages(start, start + HOUR_S)
    assert other.passages(start, start + HOUR_S) != WORLD.passages(start, start + HOUR_S)
    assert other.air(start + 100) == WORLD.air(start + 100)


def test_the_order_of_questions_does_not_change_the_street() -> None:
    start = hour_at("2022-06-02T07:00:00")
    backwards = World(seed=1)
    minutes = [backwards.passages(start + 60 * minute, start + 60 * minute + 60) for minute in range(119, -1, -1)]
    assert [passage for minute in reversed(minutes) for passage in minute] == WORLD.passages(start, start + 2 * HOUR_S)


def test_passages_are_sorted_and_within_the_question() -> None:
    start = hour_at("2022-06-01T07:30:00")
    found = WORLD.passages(start, start + HOUR_S)
    assert found == sorted(found, key=lambda passage: passage.time_s)
    assert all(start <= passage.time_s < start + HOUR_S for passage in found)
    assert WORLD.passages(start, start) == []


def test_no_two_vehicles_in_one_lane_at_the_same_instant() -> None:
    for direction in ("approaching", "receding"):
        times = [
            passage.time_s for passage in MONTH if passage.direction == direction and passage.kind in ("car", "heavy")
        ]
        assert min(after - before for before, after in itertools.pairwise(times)) >= 1.499


def test_a_close_follower_drives_about_as_fast_as_the_one_in_front() -> None:
    start = hour_at("2022-06-01T10:00:00")
    lane = [p for p in WORLD.passages(start, start + HOUR_S) if p.direction == "receding" and p.kind != "bike"]
    close = [(a, b) for a, b in itertools.pairwise(lane) if b.time_s - a.time_s < 4 and a.kind != "pedestrian"]
    assert close
    speeds = [abs(a.speed_kmh - b.speed_kmh) for a, b in close if b.kind != "pedestrian"]
    assert sorted(speeds)[len(speeds) // 2] < 2


def test_car_speeds_follow_the_bins_of_the_month() -> None:
    expected, played = [0.0] * 25, [0.0] * 25
    for row in street_rows():
        vehicles = sum(int(row[name]) for name in ("car_lft", "car_rgt", "heavy_lft", "heavy_rgt"))
        for place, share in enumerate(row["car_speed_percent_by_5kmh"].split(";")):
            expected[place] += vehicles * float(share) / 100
    for passage in MONTH:
        if passage.kind in ("car", "heavy"):
            played[min(24, int(passage.speed_kmh // 5))] += 1
    for place, count in enumerate(expected):
        assert played[place] == pytest.approx(count, abs=5 * count**0.5 + 5), f"bin {place}"


def test_bikes_and_pedestrians_have_speeds_of_their_own() -> None:
    assert all(8 <= passage.speed_kmh <= 35 for passage in MONTH if passage.kind == "bike")
    assert all(2 <= passage.speed_kmh <= 9 for passage in MONTH if passage.kind == "pedestrian")
    assert all(3 <= passage.speed_kmh <= 125 for passage in MONTH if passage.kind in ("car", "heavy"))


def test_nights_are_unknown_and_not_invented() -> None:
    midnight = hour_at("2022-06-02T00:00:00")
    assert not WORLD.known(midnight)
    assert WORLD.passages(midnight, midnight + 5 * HOUR_S) == []
    assert WORLD.known(midnight + 12 * HOUR_S)
    missing = hour_at("2022-06-08T14:00:00")
    assert not WORLD.known(missing)
    assert WORLD.passages(missing, missing + HOUR_S) == []
    assert not WORLD.known(WORLD.end_s)
    assert WORLD.passages(WORLD.end_s, WORLD.end_s + HOUR_S) == []


def test_air_of_june_2016_is_played_in_june_2022() -> None:
    with (DATA / "air-hourly.csv").open() as file:
        for row in csv.DictReader(file):
            air = WORLD.air(hour_at(row["local_time"].replace("2016", "2022")))
            assert air.temperature_c == pytest.approx(float(row["temperature_c"]))
            assert air.pressure_pa == pytest.approx(100 * float(row["pressure_hpa"]))
            if row["pm2_5_ugm3"]:
                assert air.pm2_5_ugm3 == pytest.approx(float(row["pm2_5_ugm3"]))
                assert air.pm1_0_ugm3 == pytest.approx(0.75 * float(row["pm2_5_ugm3"]))
            if row["no2_ugm3"]:
                assert air.no2_ppb == pytest.approx(float(row["no2_ugm3"]) * 24.45 / 46.01)
            if row["pm10_ugm3"] and row["pm2_5_ugm3"]:
                assert air.pm10_ugm3 == pytest.approx(float(row["pm10_ugm3"]))


@settings(deadline=None)
@given(st.floats(WORLD.start_s - HOUR_S, WORLD.end_s + HOUR_S), st.floats(0, 5))
def test_air_is_continuous_and_plausible(t: float, step_s: float) -> None:
    air, later = WORLD.air(t), WORLD.air(t + step_s)
    assert abs(later.temperature_c - air.temperature_c) < 0.05
    assert abs(later.pressure_pa - air.pressure_pa) < 5
    assert abs(later.humidity_percent - air.humidity_percent) < 0.5
    assert 0 < air.humidity_percent <= 100
    assert 0 < air.pm1_0_ugm3 < air.pm2_5_ugm3 <= air.pm10_ugm3
    assert 420 < air.co2_ppm < 700
    assert abs(later.co2_ppm - air.co2_ppm) < 1
    assert 0 < air.tvoc_ppb < 300
    assert 0 < air.no2_ppb < 200


@pytest.mark.parametrize(
    ("temperature_c", "dew_point_c", "humidity_percent"),
    # Saturation pressures over water of the WMO tables: 31.67 hPa at 25, 12.27 at 10, 23.37 at 20, 42.43 at 30 degC.
    [(25, 25, 100), (25, 10, 100 * 12.27 / 31.67), (30, 20, 100 * 23.37 / 42.43)],
)
def test_humidity_from_dew_point(temperature_c: float, dew_point_c: float, humidity_percent: float) -> None:
    assert humidity_by_magnus(temperature_c, dew_point_c) == pytest.approx(humidity_percent, rel=0.002)


AIR_HEADER = "local_time,temperature_c,dew_point_c,pressure_hpa,pm2_5_ugm3,pm10_ugm3,no2_ugm3,co_ugm3"
STREET_HEADER = (
    "local_time,uptime,car_lft,car_rgt,heavy_lft,heavy_rgt,bike_lft,bike_rgt,pedestrian_lft,pedestrian_rgt,"
    "car_speed_percent_by_5kmh"
)
SHARES = ";".join(["0"] * 8 + ["100"] + ["0"] * 16)
STREET = [f"2020-02-28T{hour:02}:00:00,1,10,20,1,2,3,0,0,1,{SHARES}" for hour in (8, 9, 11)]
AIR = [
    f"2019-02-28T{hour:02}:00:00,{hour},1,1000,{pm},20,46.01,2801"
    for hour, pm in ((8, 10), (9, ""), (10, 12), (11, ""))
]


def write(path: Path, header: str, lines: list[str]) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_any_street_in_the_same_format_plays(tmp_path: Path) -> None:
    street = write(tmp_path / "street.csv", STREET_HEADER, STREET)
    air = write(tmp_path / "air.csv", AIR_HEADER, AIR)
    world = World(street, air, seed=5)
    assert world.end_s - world.start_s == 4 * HOUR_S
    assert len(world.passages(world.start_s, world.end_s)) == 3 * 37
    assert {40 <= p.speed_kmh < 45 for p in world.passages(world.start_s, world.end_s) if p.kind == "car"} == {True}
    assert world.air(world.start_s + HOUR_S).pm2_5_ugm3 == pytest.approx(11)
    assert world.air(world.start_s + 1.5 * HOUR_S).temperature_c == pytest.approx(9.5)
    assert world.air(world.end_s).pm2_5_ugm3 == 12
    assert world.air(world.end_s).no2_ppb == pytest.approx(24.45)
    assert world.air(world.end_s).co2_ppm == pytest.approx(420 + 2445 / 20)
    assert world.air(world.end_s).tvoc_ppb == pytest.approx(2445 / 20)
    assert not world.known(world.start_s + 2 * HOUR_S)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no hours"),
        ([STREET[0].replace(",10,", ",ten,")], ":2: car_lft is 'ten'"),
        ([STREET[0].replace(",10,", ",1.5,")], ":2: car_lft is 1.5, not a whole"),
        ([STREET[0].replace(",10,", ",-1,")], ":2: car_lft is -1, not between"),
        ([STREET[0].replace(",10,", ",nan,")], ":2: car_lft is nan, not between"),
        ([STREET[0].replace(",10,", ",,")], ":2: car_lft is ''"),
        ([STREET[0], STREET[0]], ":3: local_time"),
        ([STREET[0].replace("08:00:00", "08:30:00")], ":2: local_time is '2020-02-28T08:30:00'"),
        ([STREET[0].replace("2020-02-28T", "yesterday ")], ":2: local_time is"),
        ([STREET[0].replace(":00,1,", ":00+02:00,1,")], ":2: local_time is"),
        ([STREET[0] + ",1"], ":2: 12 cells"),
        ([STREET[0].replace(":00,1,", ":00,0,")], ":2: uptime is 0, yet"),
        ([STREET[0].replace(":00,1,", ":00,1.2,")], ":2: uptime is 1.2"),
        ([STREET[0].replace("100", "0")], ":2: car_speed_percent_by_5kmh is all 0"),
        ([STREET[0].replace("100", "50")], ":2: car_speed_percent_by_5kmh is not a distribution"),
        ([STREET[0].replace(";100", "")], ":2: car_speed_percent_by_5kmh has 24 bins"),
        ([STREET[0].replace("100", "x")], ":2: car_speed_percent_by_5kmh has a bin that is not"),
    ],
)
def test_a_street_that_cannot_be_played_is_named_with_file_and_line(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    street = write(tmp_path / "street.csv", STREET_HEADER, lines)
    with pytest.raises(ScenarioError) as caught:
        World(street=street)
    assert str(caught.value).startswith(str(street))
    assert message in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([AIR[0].replace(",8,", ",warm,")], ":2: temperature_c is 'warm'"),
        ([AIR[0].replace("1000", "100000")], ":2: pressure_hpa is 100000, not between"),
        ([AIR[0], AIR[0].replace("2019", "2020")], ":3: the same day and hour as line 2"),
        ([AIR[0].replace("2019-02", "2019-07")], "no day and hour in common"),
        ([AIR[1]], "column pm2_5_ugm3 is empty"),
    ],
)
def test_air_that_cannot_be_played_is_named_with_file_and_line(tmp_path: Path, lines: list[str], message: str) -> None:
    street = write(tmp_path / "street.csv", STREET_HEADER, STREET)
    air = write(tmp_path / "air.csv", AIR_HEADER, lines)
    with pytest.raises(ScenarioError) as caught:
        World(street, air)
    assert str(caught.value).startswith(str(air))
    assert message in str(caught.value)


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    (tmp_path / "empty.csv").touch()
    for name in ("missing.csv", "picture.csv", "empty.csv", "."):
        with pytest.raises(ScenarioError, match=r"missing|picture|empty|directory"):
            World(street=tmp_path / name)
    wrong = write(tmp_path / "wrong.csv", "local_time,uptime", [])
    with pytest.raises(ScenarioError, match=r"wrong\.csv:1: no column car_lft"):
        World(street=wrong)
