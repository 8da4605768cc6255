"""A whole measurement: the board's part (on_board.py), called for one key after another."""

from pathlib import Path

from hadeda.bench.build import Yardstick
from hadeda.bench.figures import parse
from hadeda.bench.machine import CHUNK, Machine
from hadeda.paths import FIRMWARE
from hadeda.provision.combs import file

ON_BOARD = Path(__file__).with_name("on_board.py")
CROWDED = 32 * 1024  # bytes free
# envelope.labels is for ON_BOARD: in what is shipped its numbers stand for its names
MODULES = (
    "import envelope.cose, envelope.ecdh, envelope.ecdh_es, envelope.hkdf, envelope.labels, node.combs, node.ready"
)
PARTS = ("signatures", "symmetric", "seal", "downlink")


def measure(yardstick: Yardstick, keys: int, firmware: Path = FIRMWARE) -> dict[str, list[int]]:
    """Values by name, one for every key. Heap figures come from boards of their own: they leave a heap in shreds."""
    numbers = range(1, keys + 1)
    whole = [
        (0, "measure_field(1)"),
        *[(number, f"measure_{part}({number})") for number in numbers for part in PARTS],
        *[(0, f"measure_crowded({number}, {CROWDED})") for number in numbers],
    ]
    boards = [whole, [(1, "measure_heap()")], [(1, "measure_downlink_heap()")]]
    return parse("".join(_printed(yardstick, calls, firmware) for calls in boards))


def _printed(yardstick: Yardstick, calls: list[tuple[int, str]], firmware: Path) -> str:
    """What `calls` print, each with the combs of the keys of its number on the board (0: none)."""
    with Machine(yardstick) as machine:
        node = firmware / "node"
        modules = [node / f"{name}.py" for name in ("__init__", "combs", "ready")]
        machine.load([*sorted((firmware / "envelope").glob("*.py")), *modules])
        machine.run(MODULES)  # before the text of ON_BOARD takes its part of the heap
        machine.run("vfs.umount('/lib')\ndel folder, Folder\ngc.collect()")
        machine.run(ON_BOARD.read_text())
        printed, put = [], 0
        for number, call in calls:
            if number != put:
                _put_combs(machine, number)
                put = number
            printed.append(machine.run(call))
        return "".join(printed)


def _put_combs(machine: Machine, number: int) -> None:
    """Leave the combs of the keys of `number` on the board, as provisioning does, and no others."""
    machine.run("COMBS.clear()\ngc.collect()")
    if not number:
        return
    for public in machine.run(f"publics({number})").split():
        path, data = file(bytes.fromhex(public))
        machine.run(f"COMBS[{path!r}] = bytearray({len(data)})")
        for at in range(0, len(data), CHUNK):
            piece = data[at : at + CHUNK]
            machine.run(f"COMBS[{path!r}][{at}:{at + len(piece)}] = {piece!r}")
