"""The air: hourly station values made continuous.

What is done with the file, and what is not in it:

- A row's values hold at the start of its hour; between two known values every quantity runs on a straight line. An
  empty cell is a gap and is bridged by the same line, however long; before the first and after the last known
  value, that value is held.
- Air of one year is played on the street's calendar by month, day and hour (the files shipped: air of June 2016 over
  a street of June 2022). An hour of the street that the air does not have is a gap like any other; no hour in
  common is an error.
- Relative humidity comes from temperature and dew point by the Magnus formula over water with the constants of the
  WMO (Guide to Instruments and Methods of Observation, WMO-No. 8, annex 4.B): ln e = 17.62 t / (243.12 + t) + const.
- PM1.0 is **not in the data**. It is played as a fixed 75 % of PM2.5, a choice and not a measurement.
- CO2 is **not in the data**. It is played as 420 ppm, the air far from any city, and 1 ppm on top for each 20 ppb of
  the station's CO, as incomplete combustion in a city gives off both. Plants, which breathe at night, are left out.
- Volatile organic compounds are **not in the data**. Together they are played as 5 % of CO, by volume: the order of
  magnitude of traffic and heating, a choice and not a measurement.
- NO2 is the station's. Volumes come from masses at 25 degC and 1013 hPa, where a mole has 24.45 litres.
- PM10 contains PM2.5 by definition; where a line between two gaps would say otherwise, PM10 is raised to PM2.5.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from hadeda.errors import ScenarioError
from hadeda.scenario import table

PM1_SHARE_OF_PM2_5 = 0.75
CO2_BACKGROUND_PPM = 420.0
CO_PPB_FOR_A_PPM_CO2 = 20.0
TVOC_SHARE_OF_CO = 0.05
# Of a microgram in a cubic metre: litres of a mole over grams of a mole
CO_PPB_PER_UGM3 = 24.45 / 28.01
NO2_PPB_PER_UGM3 = 24.45 / 46.01

# Column, lowest and highest value believed.
_COLUMNS = {
    "temperature_c": (-60.0, 60.0),
    "dew_point_c": (-80.0, 60.0),
    "pressure_hpa": (300.0, 1100.0),
    "pm2_5_ugm3": (0.0, 5000.0),
    "pm10_ugm3": (0.0, 10000.0),
    "no2_ugm3": (0.0, 5000.0),
    "co_ugm3": (0.0, 100_000.0),
}


@dataclass(frozen=True)
class Air:
    """The air at one moment. Humidity is relative, over water; ug/m3 is mass, ppm and ppb are shares of the volume."""

    temperature_c: float
    humidity_percent: float
    pressure_pa: float
    pm1_0_ugm3: float
    pm2_5_ugm3: float
    pm10_ugm3: float
    co2_ppm: float
    tvoc_ppb: float
    no2_ppb: float


class Series:
    """One quantity over time: straight lines between known values, held at both ends."""

    def __init__(self, points: list[tuple[int, float]]) -> None:
        self._times = [time for time, _ in points]
        self._values = [value for _, value in points]

    def at(self, t: float) -> float:
        """The value at Unix time t."""
        right = bisect_right(self._times, t)
        if right == 0:
            return self._values[0]
        if right == len(self._times):
            return self._values[-1]
        before, after = self._times[right - 1], self._times[right]
        share = (t - before) / (after - before)
        return self._values[right - 1] * (1 - share) + self._values[right] * share


class AirOfStreet:
    """The air file, laid over the street's hours."""

    def __init__(self, path: Path, street_hours: list[int]) -> None:
        """`street_hours` are the starts of the street's hours in Unix seconds; raises ScenarioError."""
        rows: dict[tuple[int, int, int], table.Row] = {}
        for row in table.read(path, tuple(_COLUMNS)):
            key = table.calendar(row.start_s)
            if key in rows:
                raise row.error(f"the same day and hour as line {rows[key].line}, one year later")
            rows[key] = row
        placed = [(hour, rows[table.calendar(hour)]) for hour in street_hours if table.calendar(hour) in rows]
        if not placed:
            raise ScenarioError(f"{path}: no day and hour in common with the street", "play air of the same season")
        self._series = {name: _series(path, name, placed) for name in _COLUMNS}

    def at(self, t: float) -> Air:
        """The air at Unix time t."""
        now = {name: series.at(t) for name, series in self._series.items()}
        pm2_5 = now["pm2_5_ugm3"]
        co_ppb = CO_PPB_PER_UGM3 * now["co_ugm3"]
        return Air(
            temperature_c=now["temperature_c"],
            humidity_percent=humidity_percent(now["temperature_c"], now["dew_point_c"]),
            pressure_pa=100 * now["pressure_hpa"],
            pm1_0_ugm3=PM1_SHARE_OF_PM2_5 * pm2_5,
            pm2_5_ugm3=pm2_5,
            pm10_ugm3=max(now["pm10_ugm3"], pm2_5),
            co2_ppm=CO2_BACKGROUND_PPM + co_ppb / CO_PPB_FOR_A_PPM_CO2,
            tvoc_ppb=TVOC_SHARE_OF_CO * co_ppb,
            no2_ppb=NO2_PPB_PER_UGM3 * now["no2_ugm3"],
        )


def _series(path: Path, column: str, placed: list[tuple[int, table.Row]]) -> Series:
    low, high = _COLUMNS[column]
    values = [(hour, row.number_or_gap(column, low, high)) for hour, row in placed]
    points = [(hour, value) for hour, value in values if value is not None]
    if not points:
        raise ScenarioError(f"{path}: column {column} is empty in the street's hours", "play another air file")
    return Series(points)


def humidity_percent(temperature_c: float, dew_point_c: float) -> float:
    """Relative humidity over water by the Magnus formula, at most 100."""
    return min(100.0, 100 * math.exp(_magnus(dew_point_c) - _magnus(temperature_c)))


def _magnus(celsius: float) -> float:
    return 17.62 * celsius / (243.12 + celsius)
