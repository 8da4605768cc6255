"""What a report costs in energy, estimated by the model in bench/energy.py from what other rows measured."""

from hadeda.bench.conditions import Conditions
from hadeda.bench.energy import Work, always_on_j, deep_sleep_j
from hadeda.bench.figures import summarise
from hadeda.bench.row import Row

MODEL = "estimate (bench/energy.py: every assumption; board/energy.py: currents and sources); ESP32-C3 alone, 3.3 V"


def rows(conditions: Conditions) -> list[Row]:
    """As the firmware is, and with deep sleep."""
    work = Work(
        samples={name: summarise(values).median for name, values in conditions.sampling.items()},
        window=summarise(conditions.minimising["window"]).median,
        report=summarise(conditions.sealing["cbor_encode"]).median + summarise(conditions.sealing["seal"]).median,
        boot=sum(conditions.booting["boot_import"]),
    )
    on = (
        f"{MODEL}; three sensors sampled all the time: CPU busy {work.awake():.1f} s of 900, idle the rest, radio on "
        "for 4 s; nearly all of it is the idle CPU"
    )
    asleep = (
        f"{MODEL}; air alone, once a window, from deep sleep: awake {work.one_sample():.1f} s, radio on for 4 s. A "
        "radar cannot sleep"
    )
    return [
        Row("energy per report, as it runs", round(always_on_j(work), 1), "J", on),
        Row("energy per report, with deep sleep", round(deep_sleep_j(work), 2), "J", asleep),
    ]
