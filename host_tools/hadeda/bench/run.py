"""A whole measurement: the board's part (on_board.py), called for one key after another."""

from pathlib import Path

from hadeda.bench.build import Yardstick
from hadeda.bench.figures import parse
from hadeda.bench.machine import Machine
from hadeda.paths import FIRMWARE

ON_BOARD = Path(__file__).with_name("on_board.py")
CROWDED = 32 * 1024  # bytes free
MODULES = "import envelope.cose, envelope.ecdh, envelope.ecdh_es, envelope.hkdf, node.ready"


def measure(yardstick: Yardstick, keys: int, firmware: Path = FIRMWARE) -> dict[str, list[int]]:
    """Values by name, one for every key. Heap figures come from boards of their own: they leave a heap in shreds."""
    calls = ["measure_field(1)"]
    for number in range(1, keys + 1):
        calls.append(f"measure_signatures({number})")
        calls.append(f"measure_symmetric({number})")
        calls.append(f"measure_seal({number})")
        calls.append(f"measure_downlink({number})")
    calls.extend(f"measure_crowded({number}, {CROWDED})" for number in range(1, keys + 1))
    boards = [calls, ["measure_heap()"], ["measure_downlink_heap()"]]
    return parse("".join(_printed(yardstick, calls, firmware) for calls in boards))


def _printed(yardstick: Yardstick, calls: list[str], firmware: Path) -> str:
    with Machine(yardstick) as machine:
        node = firmware / "node"
        machine.load([*sorted((firmware / "envelope").glob("*.py")), node / "__init__.py", node / "ready.py"])
        machine.run(MODULES)  # before the text of ON_BOARD takes its part of the heap
        machine.run("vfs.umount('/lib')\ndel folder, Folder\ngc.collect()")
        machine.run(ON_BOARD.read_text())
        return "".join(machine.run(call) for call in calls)
