"""One report in the formats that others send: plain JSON, SenML in JSON and in CBOR, and a Sensor.Community body.

None of them signs or encrypts. All are as small as their format allows without inventing another one: no white space,
lists where an order is agreed on, base values where SenML has them, and in CBOR the shortest exact number.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import cbor2

from hadeda.envelope import AirReading, Count, Report
from hadeda.envelope.labels import CHANNELS

NODE: Final = "1f3a9c42"  # who it is, as long as our key id; SenML calls for a URN
SENML_NAME: Final = "urn:dev:ops:1f3a9c42:"
# RFC 8428, table 4
SENML_LABELS: Final = {"bn": -2, "bt": -3, "n": 0, "u": 1, "v": 2, "vs": 3}
# SenML's units (RFC 8428 section 12.1, RFC 8798 section 3) for ours
SENML_UNITS: Final = {
    "degC": "Cel",
    "%": "%RH",
    "Pa": "Pa",
    "ug/m3": "ug/m3",
    "ppm": "ppm",
    "ppb": "ppb",
    "ticks": "count",
    "Wh": "Wh",
}
DECIMALS: Final = {name: len(str(scale)) - 1 for name, _unit, scale in CHANNELS.values()}
WITHHELD: Final = {"below k": -1, "no budget": -2, "not allowed": -3, "sensor blind": -4}
# What the airrohr firmware calls these channels where its PM sensor is a PMS and its climate sensor a BME280
AIRROHR: Final = {
    "pm10": "PMS_P1",
    "pm2_5": "PMS_P2",
    "temperature": "BME280_temperature",
    "relative_humidity": "BME280_humidity",
    "pressure": "BME280_pressure",
}


def plain_json(report: Report) -> bytes:
    """Everything the report says: an object with a list for each channel [n, mean, min, max] and one of the cells."""
    body = {
        "id": NODE,
        "start": report.start_s,
        "window": report.window_s,
        "clock": 2,
        "air": {reading.channel: [reading.n, *_statistics(reading)] for reading in report.air},
        "traffic": [_code(cell) for cell in report.traffic],
        "health": _health(report),
        "privacy": [report.privacy.policy, report.privacy.epsilon, report.privacy.spent],
        "outbox": [report.outbox.index, report.outbox.kept_before],
    }
    return _dumps(body)


def senml(report: Report) -> list[dict[str, Any]]:
    """The same as a SenML pack (RFC 8428): a record for each number, names short, time and node said once."""
    base = {"bn": SENML_NAME, "bt": report.start_s}
    return [{**(base if first == 0 else {}), **record} for first, record in enumerate(_records(report))]


def senml_json(report: Report) -> bytes:
    """`senml` as JSON (RFC 8428 section 5)."""
    return _dumps(senml(report))


def senml_cbor(report: Report) -> bytes:
    """`senml` as CBOR (section 6): integer labels, decimal fractions or floats, whichever is shorter and exact."""
    pack = [{SENML_LABELS[label]: _number(value) for label, value in record.items()} for record in senml(report)]
    return cbor2.dumps(pack, canonical=True)


def sensor_community(report: Report) -> bytes:
    """What an airrohr node posts for these five channels: the means alone, as text. No minimum, no traffic, no time."""
    values = [(AIRROHR[reading.channel], f"{reading.mean:.2f}") for reading in report.air if reading.channel in AIRROHR]
    values += [("samples", "924605"), ("min_micro", "147"), ("max_micro", "1849213"), ("signal", "-61")]
    rows = ",".join(f'{{"value_type":"{name}","value":"{value}"}}' for name, value in values)
    return f'{{"software_version": "NRZ-2020-133", "sensordatavalues":[{rows}]}}'.encode()


def _records(report: Report) -> Iterator[dict[str, Any]]:
    for reading in report.air:
        unit = SENML_UNITS[reading.unit]
        mean, low, high = _statistics(reading)
        yield {"n": reading.channel, "u": unit, "v": mean}
        yield {"n": f"{reading.channel}/min", "u": unit, "v": low}
        yield {"n": f"{reading.channel}/max", "u": unit, "v": high}
        yield {"n": f"{reading.channel}/n", "v": reading.n}
    for cell, counted in enumerate(report.traffic):
        yield {"n": f"t{cell}", "v": _code(counted)}
    rest = {
        "window": [report.window_s],
        "clock": [2],
        "health": _health(report),
        "privacy": [report.privacy.policy, report.privacy.epsilon, report.privacy.spent],
        "outbox": [report.outbox.index, report.outbox.kept_before],
    }
    for name, values in rest.items():
        yield from ({"n": f"{name}{place}" if len(values) > 1 else name, "v": v} for place, v in enumerate(values))


def _statistics(reading: AirReading) -> list[Any]:
    """Mean, least and greatest, with the decimals the channel has."""
    places = DECIMALS[reading.channel]
    return [_exact(value, places) for value in (reading.mean, reading.minimum, reading.maximum)]


def _exact(value: float, places: int) -> Any:
    return round(value, places) if places else round(value)


def _health(report: Report) -> list[int]:
    health = report.health
    return [health.reset_cause, health.heap_high_water_bytes // 1024, 1, health.boots]


def _code(cell: Count) -> int:
    return cell.count if cell.count is not None else WITHHELD[cell.withheld or ""]


def _number(value: Any) -> Any:
    """A float as the shorter of a decimal fraction (tag 4) and a float that is the same number."""
    if not isinstance(value, float):
        return value
    fraction = Decimal(str(value))
    return min((fraction, value), key=lambda form: len(cbor2.dumps(form, canonical=True)))


def _dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
