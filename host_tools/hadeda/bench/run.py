"""A whole measurement: the board's part (on_board/), called for one key or seed after another."""

from pathlib import Path

from hadeda.bench.build import Yardstick
from hadeda.bench.figures import BYTES, SUBJECTS, parse
from hadeda.bench.machine import Machine
from hadeda.paths import FIRMWARE
from hadeda.provision.combs import file

ON_BOARD = Path(__file__).with_name("on_board")
CROWDED = 32 * 1024  # bytes free
# envelope.labels is for on_board/: in what is shipped its numbers stand for its names
SEALING = (
    "import envelope.cose, envelope.ecdh, envelope.ecdh_es, envelope.hkdf, envelope.labels, node.combs, node.ready, "
    "on_board.counting\nenvelope.ecdsa.use_kernel()"
)
# This MicroPython has no asyncio; node.sample names it, and nothing that is measured calls it
MINIMISING = (
    "import sys\nsys.modules['asyncio'] = sys\n"
    "import envelope.labels, envelope.padding, node.minimise, node.ledger, node.report, node.policy, node.footfall, "
    "on_board.counting"
)
PARTS = ("signatures", "symmetric", "seal", "downlink")

Calls = list[tuple[int, str]]


def measure_sealing(yardstick: Yardstick, keys: int, firmware: Path = FIRMWARE) -> dict[str, list[int]]:
    """Values by name, one for every key. Heap figures come from boards of their own: they leave a heap in shreds."""
    numbers = range(1, keys + 1)
    whole = [
        (0, "measure_field(1)"),
        *[(number, f"measure_{part}({number})") for number in numbers for part in PARTS],
        *[(0, f"measure_crowded({number}, {CROWDED})") for number in numbers],
    ]
    boards: list[Calls] = [whole, [(1, "measure_heap()")], [(1, "measure_downlink_heap()")]]
    values = parse("".join(_sealing(yardstick, calls, firmware) for calls in boards))
    return values | _with_kernel(yardstick, keys, firmware)


def _with_kernel(yardstick: Yardstick, keys: int, firmware: Path) -> dict[str, list[int]]:
    """The same for what the RISC-V kernel does, `_kernel` behind the names; points met once are big integers' work."""
    numbers = range(1, keys + 1)
    known = [(number, f"measure_{part}({number})") for number in numbers for part in ("known", "seal")]
    crowded = [(0, f"measure_crowded({number}, {CROWDED})") for number in numbers]
    boards: list[Calls] = [[*known, *crowded], [(1, "measure_heap()")]]
    values = parse("".join(_sealing(yardstick, calls, firmware, kernel=True) for calls in boards))
    return {f"{name}_kernel": found for name, found in values.items() if f"{name}_kernel" in {**SUBJECTS, **BYTES}}


def measure_minimising(yardstick: Yardstick, seeds: int, firmware: Path = FIRMWARE) -> dict[str, list[int]]:
    """Values by name, one for every seed of the noise."""
    node = ("__init__", "errors", "sample", "noise", "minimise", "ledger", "report", "policy", "footfall")
    with Machine(yardstick) as machine:
        _load(machine, firmware, node, MINIMISING)
        machine.run((ON_BOARD / "minimising.py").read_text())
        printed = [machine.run("measure_bytes()")]
        for seed in range(1, seeds + 1):
            printed += [machine.run(f"measure_{part}({seed})") for part in ("noise", "window", "footfall")]
    return parse("".join(printed))


def load_sealing(machine: Machine, kernel: bool, firmware: Path = FIRMWARE) -> None:
    """Import what seals and opens, with the RISC-V kernel or without."""
    _load(machine, firmware, ("__init__", "combs", "ready"), SEALING, kernel)


def _sealing(yardstick: Yardstick, calls: Calls, firmware: Path, kernel: bool = False) -> str:
    """What `calls` print, each with the combs of the keys of its number on the board (0: none)."""
    with Machine(yardstick) as machine:
        load_sealing(machine, kernel, firmware)
        machine.run((ON_BOARD / "sealing.py").read_text())
        printed, put = [], 0
        for number, call in calls:
            if number != put:
                _put_combs(machine, number)
                put = number
            printed.append(machine.run(call))
        return "".join(printed)


def _load(machine: Machine, firmware: Path, node: tuple[str, ...], imports: str, kernel: bool = False) -> None:
    """Import the firmware's modules before the text that measures them takes its part of the heap."""
    modules = [firmware / "node" / f"{name}.py" for name in node]
    envelope = firmware / "envelope"
    tables, code = sorted(envelope.glob("*.bin")), sorted(envelope.glob("*.py"))
    machine.load([*tables, *code, firmware / "ports" / "table.py", *modules, ON_BOARD / "counting.py"], kernel)
    machine.run(imports)
    machine.run("vfs.umount('/lib')\ndel folder, Folder\ngc.collect()\ngc.threshold(-1)")


def _put_combs(machine: Machine, number: int) -> None:
    """Leave the combs of the keys of `number` on the board, as provisioning does, and no others."""
    machine.run("import vfs\ntry: vfs.umount('/combs')\nexcept OSError: pass\ngc.collect()")
    if number:
        combs = dict(file(bytes.fromhex(public)) for public in machine.run(f"publics({number})").split())
        machine.put_files("/combs", {path.rsplit("/", 1)[1]: data for path, data in combs.items()})
