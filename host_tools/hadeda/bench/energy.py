"""The energy model: what one 15-minute report costs an ESP32-C3, from instructions, radio seconds and currents.

Everything that is assumed stands here. Sensors, regulator and the board's other parts are not in it.

    charge = CPU running x its current + CPU idle x its current + radio on x its current (+ deep sleep x its current)

Sources. Currents: ESP32-C3 Series Datasheet (Espressif, version 1.6, chapter on electrical characteristics, current
consumption at 3.3 V and 25 degC). The datasheet could not be opened here: deep sleep (5 uA) and the peak while sending
(335 mA, 802.11b) are as public pages quote it, the others from memory of its tables; a published measurement of a board
(26.8 mA in an empty loop, 20.1 mA with pauses in it) agrees with those of the CPU. Instructions: the bench's own rows.
Clock: what MicroPython sets. Instructions a cycle: assumed, code runs from flash through a cache. Radio seconds:
association is what the emulated radio takes (one to three seconds are usual), TLS and MQTT are assumed.
"""

from dataclasses import dataclass
from typing import Final

SUPPLY_V: Final = 3.3
CLOCK_HZ: Final = 160e6
INSTRUCTIONS_A_CYCLE: Final = 0.5
# Milliamperes
CPU_RUNNING: Final = 28.0  # modem sleep, 160 MHz, peripherals' clocks on
CPU_IDLE: Final = 21.0  # the same, waiting for an interrupt: MicroPython's asyncio between two tasks
RADIO_LISTENING: Final = 84.0  # 802.11b/g/n, 20 MHz
RADIO_SENDING: Final = 276.0  # 802.11n, HT20, MCS7, 18.5 dBm
DEEP_SLEEP: Final = 0.005  # RTC timer and memory
# Seconds
WINDOW_S: Final = 900.0
ASSOCIATION_S: Final = 1.5
TLS_AND_MQTT_S: Final = 2.5
SENDING_S: Final = 0.02  # of these: some kilobytes of handshake and report at a few Mbit/s, with what Wi-Fi adds
POWER_UP_S: Final = 0.3  # boot loader and MicroPython's own start, before the first line of Python

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
        return POWER_UP_S + _seconds(self.boot + self.samples["sample_bme280"] + self.window + self.report)


def always_on_j(work: Work) -> float:
    """Joules a report as the firmware is today: it never sleeps deeply, because a radar and a fan are on."""
    running, radio = work.awake(), ASSOCIATION_S + TLS_AND_MQTT_S
    return _joules(running * CPU_RUNNING + (WINDOW_S - running - radio) * CPU_IDLE + _radio_charge(radio))


def deep_sleep_j(work: Work) -> float:
    """Joules a report of a node that only measures the air, once a window, and sleeps deeply in between.

    The firmware has no such mode yet: this is what it would save.
    """
    running, radio = work.one_sample(), ASSOCIATION_S + TLS_AND_MQTT_S
    return _joules(running * CPU_RUNNING + _radio_charge(radio) + (WINDOW_S - running - radio) * DEEP_SLEEP)


def _radio_charge(seconds: float) -> float:
    """Milliampere-seconds."""
    return (seconds - SENDING_S) * RADIO_LISTENING + SENDING_S * RADIO_SENDING


def _seconds(instructions: float) -> float:
    return instructions / INSTRUCTIONS_A_CYCLE / CLOCK_HZ


def _joules(milliampere_seconds: float) -> float:
    return milliampere_seconds / 1000 * SUPPLY_V
