"""What a node's boot and a whole cycle of its life take of flash and heap, on an emulated 32-bit board."""

from typing import Final

from hadeda.bench.board_life import SHIPPED, WINDOWS, Life
from hadeda.bench.conditions import Conditions
from hadeda.bench.row import Row, Target

PEAK_MAX: Final = 64 * 1024
LARGEST: Final = 6


def rows(conditions: Conditions) -> list[Row]:
    """Boot and heap, from one life."""
    life = conditions.life
    return [*_boot(conditions, life), _heap(life)]


def _boot(conditions: Conditions, life: Life) -> list[Row]:
    imports = conditions.booting["boot_import"]
    code = (
        f"importing the {len(imports)} modules that a boot of {SHIPPED} has imported by its first reading, out of "
        "memory, on RV32IMC under icount, collecting every 2 KB as a boot does. File system, "
        "configuration, keys, waiting and Wi-Fi are not counted"
    )
    flash = (
        f"reads that littlefs and the key store ask of the partition from main.py's first import to the first reading: "
        f"{life.read_bytes} bytes, mostly pieces of 32 as the port's file system has them; emulated board"
    )
    return [
        Row("boot to first sample, importing code", sum(imports), "instructions", code),
        Row("boot to first sample, flash", life.reads, "reads", flash),
    ]


def _heap(life: Life) -> Row:
    packages: dict[str, int] = {}
    for name, size in life.kept.items():
        package = name.split(".")[0]
        packages[package] = packages.get(package, 0) + size
    code = sum(packages.values())
    largest = sorted(packages.items(), key=lambda item: -item[1])[:LARGEST]
    how = (
        f"high-water mark of a boot and {WINDOWS} windows of {SHIPPED} (all its sensors: three), sealing, "
        f"sending and the city's receipt included, and garbage ({life.alive} alive); without TLS, whose memory is "
        f"not on this heap. Loaded code is {code} of it: {', '.join(f'{name} {size}' for name, size in largest)}"
    )
    return Row("peak heap of a whole cycle", life.peak, "bytes", how, Target("<=", PEAK_MAX))
