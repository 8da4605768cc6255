"""A whole measurement: the board's part (on_board/), called for one key or seed after another."""

from pathlib import Path

from hadeda.bench.build import PEER, Yardstick, build
from hadeda.bench.figures import BYTES, SUBJECTS, parse
from hadeda.bench.machine import Machine
from hadeda.paths import FIRMWARE
from hadeda.provision.combs import file
from hadeda.provision.shipment import module_name, sources

ON_BOARD = Path(__file__).with_name("on_board")
CROWDED = 32 * 1024  # bytes free
INSTRUCTIONS_A_TICK = 100  # of the machine timer
PEER_OPTIMISATION = "-O2"  # as the C in an ESP32 image is compiled
# envelope.labels is for on_board/: in what is shipped its numbers stand for its names
SEALING = (
    "import envelope.cose, envelope.ecdh, envelope.ecdh_es, envelope.hkdf, envelope.labels, node.combs, node.ready, "
    "on_board.counting\nenvelope.ecdsa.use_kernel()"
)
# This MicroPython has no asyncio; node.sample names it, and nothing that is measured calls it
MINIMISING = (
    "import sys\nsys.modules['asyncio'] = sys\n"
    "import envelope.drbg, envelope.labels, envelope.padding, "
    "node.minimise, node.ledger, node.report, node.policy, node.footfall, "
    "on_board.counting"
)
# Neither has it time and Bluetooth: drivers wait for nothing here, and the radio is a stand-in
STUBS = """
class Stub:
    BLE = None
    def sleep(_seconds):
        pass
sys.modules['time'] = sys.modules['bluetooth'] = Stub
"""
SAMPLING = (
    MINIMISING.replace("import envelope", STUBS + "import envelope", 1)
    + ", busio, adafruit_bus_device.i2c_device, sensors.bme280, sensors.pms5003, sensors.ld2451, "
    "sensors.grove_vision, sensors.ble_footfall"
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
    node = ("__init__", "errors", "sample", "noise", "channel", "minimise", "ledger", "report", "policy", "footfall")
    with Machine(yardstick) as machine:
        _load(machine, firmware, node, MINIMISING)
        machine.run((ON_BOARD / "minimising.py").read_text())
        printed = [machine.run("measure_bytes()")]
        for seed in range(1, seeds + 1):
            printed += [machine.run(f"measure_{part}({seed})") for part in ("noise", "window", "footfall")]
    return parse("".join(printed))


def measure_peer(keys: int) -> dict[str, list[int]]:
    """`mbedtls_sign` and `mbedtls_verify` for so many keys: mbedTLS in C at -O2, on the same core (peer/)."""
    with Machine(build(PEER_OPTIMISATION, PEER)) as machine:
        measured = [
            machine.run(f"import peer\nprint(*peer.measure({number}))").split() for number in range(1, keys + 1)
        ]
    signs, checks = ([int(ticks) * INSTRUCTIONS_A_TICK for ticks in column] for column in zip(*measured, strict=True))
    return {"mbedtls_sign": signs, "mbedtls_verify": checks}


def measure_sampling(yardstick: Yardstick, firmware: Path = FIRMWARE) -> dict[str, list[int]]:
    """Values by name: one sample of each sensor, and `growth_bytes` of each after a score of them."""
    node = ("__init__", "errors", "sample", "noise", "channel", "minimise", "ledger", "report", "policy", "footfall")
    with Machine(yardstick) as machine:
        _load(machine, firmware, node, SAMPLING, drivers=True)
        machine.run((ON_BOARD / "sampling.py").read_text())
        printed = [machine.run(f"measure_{part}()") for part in ("air", "radar", "camera", "ear")]
    return parse("".join(printed))


def measure_boot(yardstick: Yardstick, modules: list[str], firmware: Path = FIRMWARE) -> dict[str, list[int]]:
    """`boot_import` for each of `modules` that is shipped, in the order in which a boot has them."""
    shipped = {module_name(path): source for path, source in sources(firmware).items()}
    ready = [source for source in shipped.values() if source.stem == "__init__" or source.suffix != ".py"]
    printed = []
    with Machine(yardstick) as machine:
        machine.load([ON_BOARD / "counting.py", *ready])
        machine.run((ON_BOARD / "booting.py").read_text())
        for name in modules:
            if name in shipped and shipped[name] not in ready:
                machine.put(shipped[name])
                printed.append(machine.run(f"measure_import({name!r})"))
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


def _load(
    machine: Machine,
    firmware: Path,
    node: tuple[str, ...],
    imports: str,
    kernel: bool = False,
    *,
    drivers: bool = False,
) -> None:
    """Import the firmware's modules before the text that measures them takes its part of the heap.

    With `drivers`, those of all sensors and what they stand on, too.
    """
    modules = [firmware / "node" / f"{name}.py" for name in node]
    envelope = firmware / "envelope"
    tables, code = sorted(envelope.glob("*.bin")), sorted(envelope.glob("*.py"))
    if drivers:
        modules += [*sorted((firmware / "sensors").glob("*.py")), firmware / "ports" / "ble.py"]
        modules += [firmware / "busio.py", firmware / "digitalio.py", firmware / "node" / "seldom.py"]
        modules += [path for path in sources(firmware).values() if not path.is_relative_to(firmware)]
    machine.load([*tables, *code, firmware / "ports" / "table.py", *modules, ON_BOARD / "counting.py"], kernel)
    machine.run(imports)
    machine.run("vfs.umount('/lib')\ndel folder, Folder\ngc.collect()\ngc.threshold(-1)")


def _put_combs(machine: Machine, number: int) -> None:
    """Leave the combs of the keys of `number` on the board, as provisioning does, and no others."""
    machine.run("import vfs\ntry: vfs.umount('/combs')\nexcept OSError: pass\ngc.collect()")
    if number:
        combs = dict(file(bytes.fromhex(public)) for public in machine.run(f"publics({number})").split())
        machine.put_files("/combs", {path.rsplit("/", 1)[1]: data for path, data in combs.items()})
