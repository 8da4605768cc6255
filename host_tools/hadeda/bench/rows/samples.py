"""What one sample of each sensor costs, through driver and accumulator, and that none of them grows the heap."""

from typing import Final

from hadeda.bench.conditions import Conditions
from hadeda.bench.figures import SUBJECTS, summarise
from hadeda.bench.row import Row, Target

SENSORS: Final = (
    "sample_bme280",
    "sample_pms5003",
    "sample_ld2451_nobody",
    "sample_ld2451",
    "sample_grove_vision",
    "sample_ble_footfall",
)
NOT_COUNTED: Final = "the chip's bytes come from memory; the bus, waiting and asyncio are not counted"


def rows(conditions: Conditions) -> list[Row]:
    """A row for each sensor, and one for the heap."""
    values = conditions.sampling
    found = [
        Row(SUBJECTS[name], summarise(values[name]).median, "instructions", f"RV32IMC, icount; {NOT_COUNTED}")
        for name in SENSORS
    ]
    grown = max(values["growth_bytes"])
    how = (
        "most of all sensors: bytes in use after a score of samples and a collection, less those before; least of three"
    )
    return [*found, Row("heap growth in twenty samples", grown, "bytes", how, Target("<=", 0))]
