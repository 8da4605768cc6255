"""What a node draws: the chips' currents by state with their sources, and the arithmetic from time to charge.

Everything that speaks of current, charge or energy (board pages, `hadeda board power`, the bench) takes it from here.
A part's own current stands in its row of parts.toml.

Sources: the "Current Consumption Characteristics" of the ESP32, ESP32-S3, ESP32-C3 and ESP32-C6 Series Datasheets:
`listening` is receiving 802.11b/g/n at HT20, `transmitting` 802.11b at full power, the most a chip draws; `idle` and
`computing` are modem-sleep at 160 MHz, peripherals clocked as far as the table tells, CPU waiting and CPU running
(both cores of an ESP32: its table gives 27 to 44 mA, of which the ends are taken). `deep_sleep` keeps timer and RTC
memory. The datasheets themselves could not be opened here: the figures are as we know them, and these were seen quoted:
deep sleep 5 uA (C3) and 7 uA (S3); 17.4 mA idle and 30.6 mA computing on a C3 module, measured by others. Those of the
C6 were seen nowhere. A development board's regulator, USB bridge and power LED come on top: BOARD_MA, an estimate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HOUR_S: Final = 3600
DAY_S: Final = 86400
CHIP_V: Final = 3.3
SUPPLY_V: Final = 5.0
BOOT_S: Final = 1.5  # assumed: from deep sleep through MicroPython's start to the first line of the sampler
BOARD_MA: Final = 10.0  # what a development board draws beside chip and parts; a node's own board has none of it
WI_FI_LISTENING, WI_FI_TRANSMITTING = "listening", "transmitting"
STATES: Final = ("deep_sleep", "idle", "computing", WI_FI_LISTENING, WI_FI_TRANSMITTING)


@dataclass(frozen=True)
class ChipCurrent:
    """Supply current of a chip in mA, at 3.3 V, by what it does."""

    deep_sleep_ma: float
    idle_ma: float
    computing_ma: float
    listening_ma: float
    transmitting_ma: float

    def of(self, state: str) -> float:
        """The current in a state of STATES."""
        return float(getattr(self, f"{state}_ma"))


CHIPS: Final[Mapping[str, ChipCurrent]] = {
    "esp32": ChipCurrent(0.010, 27.0, 44.0, 100.0, 240.0),
    "esp32s3": ChipCurrent(0.007, 27.6, 39.9, 88.0, 340.0),
    "esp32c3": ChipCurrent(0.005, 16.0, 23.0, 84.0, 335.0),
    "esp32c6": ChipCurrent(0.007, 17.0, 27.0, 78.0, 382.0),
}


def charge_mah(chip: str, seconds: Mapping[str, float]) -> float:
    """What a chip takes for so many seconds in each state, in mAh at its own supply."""
    return sum(CHIPS[chip].of(state) * held_s for state, held_s in seconds.items()) / HOUR_S


def energy_mj(chip: str, seconds: Mapping[str, float]) -> float:
    """The same in millijoules at 3.3 V, the chip alone."""
    return charge_mah(chip, seconds) * HOUR_S * CHIP_V
