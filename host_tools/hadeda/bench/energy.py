"""The energy model: what one 15-minute report costs an ESP32-C3, from instructions, radio seconds and its currents.

Currents, with their sources, and the time from deep sleep to the first line are those of hadeda/board/energy.py; what
more is assumed stands here. Sensors, regulator and the board's other parts are not in it: a whole
node's day is `hadeda board power`.

Instructions are the bench's own rows. Instructions a cycle: assumed, the interpreter runs from flash through a cache.
Radio: association is what the emulated radio takes (one to three seconds are usual), TLS and MQTT are assumed, and how
much of that is spent sending: some kilobytes of handshake and report at a few Mbit/s, with what Wi-Fi adds.
"""

from dataclasses import dataclass
from typing import Final

from hadeda.board.energy import BOOT_S, energy_mj

CHIP: Final = "esp32c3"
CLOCK_HZ: Final = 160e6
INSTRUCTIONS_A_CYCLE: Final = 0.5
WINDOW_S: Final = 900.0
RADIO_S: Final = 1.5 + 2.5  # association; TLS and MQTT
SENDING_S: Final = 0.02  # of these

# How often in a window: sensors every ten seconds, the radar's line every two
SAMPLES: Final = {"sample_bme280": 90, "sample_pms5003": 90, "sample_ld2451_nobody": 358, "sample_ld2451": 92}


@dataclass(frozen=True)
class Work:
    """Instructions: `samples` of each sensor by name, `window` (noise, threshold, ledger), `report` (encode and seal),
    `boot` (importing the code).
    """

    samples: dict[str, int]
    window: int
    report: int
    boot: int

    def awake(self) -> float:
        """CPU seconds of a window in which all sensors are asked as they are today."""
        sampling = sum(count * self.samples[name] for name, count in SAMPLES.items())
        return _seconds(sampling + self.window + self.report)

    def one_sample(self) -> float:
        """CPU seconds of a window with one sample of the air, from deep sleep: boot, sample, seal."""
        return BOOT_S + _seconds(self.boot + self.samples["sample_bme280"] + self.window + self.report)


def always_on_j(work: Work) -> float:
    """Joules a report of a node that never sleeps deeply, because a radar and a fan are on."""
    return _joules(work.awake(), "idle")


def deep_sleep_j(work: Work) -> float:
    """Joules a report of a node that only measures the air, once a window, and sleeps deeply in between."""
    return _joules(work.one_sample(), "deep_sleep")


def _joules(computing_s: float, meanwhile: str) -> float:
    """Of a window: computing, radio, and the rest in the state `meanwhile`."""
    seconds = {
        "computing": computing_s,
        "listening": RADIO_S - SENDING_S,
        "transmitting": SENDING_S,
        meanwhile: WINDOW_S - computing_s - RADIO_S,
    }
    return energy_mj(CHIP, seconds) / 1000


def _seconds(instructions: float) -> float:
    return instructions / INSTRUCTIONS_A_CYCLE / CLOCK_HZ
