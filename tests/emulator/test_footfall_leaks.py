"""Known addresses are planted in the street of an emulated node that listens: nothing of them stays anywhere.

The firmware as it is shipped runs its radio driver, its sketch and its report, for several windows, on a board whose
street has nobody but the planted devices and what passes. What leaves is looked at before it is sealed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import cbor2
import flash_image
import pytest

from hadeda.board import load
from hadeda.collect.footfall import estimate
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.chips.ble_footfall import PassingDevices, Standing
from hadeda.emulator.clock import VirtualTime
from hadeda.envelope import labels
from hadeda.provision.shipment import shipment
from hadeda.scenario import World

BOARD = "esp32-s3-devkitc-1"
PLANTED = [bytes.fromhex(f"dec0de{number:06x}") for number in range(0xA10001, 0xA10029)]
WINDOWS = 3
WINDOW_S = 60

# The stages as node/pipeline.py calls them, but for seal and store; RTC memory is used as the node uses it
MAIN = f"""
import asyncio, gc, machine
from envelope.drbg import Drbg
from node import report, sample
from node.minimise import Minimiser
from node.policy import Policy
from ports.clock import Clock
from ports.flash import Files
from ports.power import Retained
import sensors

POLICY = {{1: bytes(32), 2: 1, 3: {WINDOW_S}, 4: [], 5: {{1: ["vehicle"], 2: ["approaching"], 3: []}},
          6: 1, 7: 500000, 8: 48000000, 9: "test", 10: {{1: 1, 2: 2000000}}, 11: [1]}}
FLOOR = {{1: 60, 2: 1, 3: 2000000, 4: 48000000, 5: [], 6: [], 7: 1}}

async def run():
    clock, policy = Clock(), Policy(POLICY, FLOOR)
    entry = {{"part": "ble_footfall", "period_s": 0}}
    minimiser = Minimiser(policy, 1, {{}}, 0)
    sampler = sample.Sampler([sensors.open_sensor(entry, {{}}, clock)], [0], clock)
    sampler.use(policy, minimiser.footfall)
    drbg, event = Drbg(b"s" * 32), sample.empty_event()
    sampler.start()
    for window in range({WINDOWS}):
        minimiser.open(drbg)
        await clock.sleep_ms({WINDOW_S}000)
        while sampler.take(event):
            print("event", list(event))
            minimiser.add(event)
        Retained().write(drbg.state())
        told = report.encode(clock.unix_s(), {WINDOW_S}, 2, minimiser.release(minimiser.cost({WINDOW_S}) > 0),
                             [1, 1, 1, 1], [1, gc.mem_alloc(), 0, 1], [window + 1, 0])
        Files().append("/wire", len(told).to_bytes(2, "big") + told)
    print("done")

asyncio.run(run())
"""


def _clues() -> set[bytes]:
    """The planted addresses as they might be written down, and their plain hashes."""
    found: set[bytes] = set()
    for address in PLANTED:
        pieces = [f"{byte:02x}" for byte in address]
        raw = [address, address[::-1], b"\x00" + address, b"\x01" + address]
        texts = [
            "".join(pieces),
            ":".join(pieces),
            "-".join(pieces),
            "".join(reversed(pieces)),
            str(int.from_bytes(address)),
        ]
        found.update(raw[:2])
        found.update(text.encode() for text in [*texts, *(text.upper() for text in texts)])
        for name in ("md5", "sha1", "sha256"):
            for form in [*raw, *(text.encode() for text in texts)]:
                digest = hashlib.new(name, form).digest()
                found.update((digest[:8], digest.hex()[:16].encode()))
    return found


@pytest.fixture(scope="module")
def listened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmulatedBoard, Path]]:
    """A board that has listened for WINDOWS windows."""
    file = tmp_path_factory.mktemp("leaks") / "flash.bin"
    board, world = load(BOARD), World(seed=5)
    emulated = EmulatedBoard(
        board, world, seed=5, clock=VirtualTime(), start_s=world.start_s + 8 * 3600, flash_file=file
    )
    emulated.bluetooth.street = PassingDevices(world, 5, standing=Standing(rotating=5, fixed=0, addresses=PLANTED))
    emulated.power_on()
    emulated.run(lambda: emulated.output.endswith(b">>> "))
    parcels = {**shipment(), "/main.py": MAIN.encode()}
    folders = sorted({str(parent) for path in parcels for parent in PurePosixPath(path).parents} - {"/"})
    emulated.type(f"import os; [os.mkdir(folder) for folder in {folders}]; print('made')\r".encode())
    emulated.run(lambda: b"\nmade" in emulated.output)
    emulated.power_off()
    flash_image.change(file, board, parcels)
    emulated.output.clear()
    emulated.power_on()
    emulated.run(lambda: b"done" in emulated.output or b"Traceback" in emulated.output)
    assert b"Traceback" not in emulated.output, bytes(emulated.output).decode()
    yield emulated, file
    emulated.close()


def test_the_radio_has_heard_them(listened: tuple[EmulatedBoard, Path]) -> None:
    emulated, file = listened
    assert emulated.bluetooth.heard_in_all > 20 * len(PLANTED), "nobody listened: this test sees nothing"
    told = [cbor2.loads(report)[labels.REPORT_FOOTFALL] for report in _wire(file)]
    assert len(told) == WINDOWS
    for bits in told:
        devices = estimate(bits)
        assert devices is not None
        assert len(PLANTED) - 10 < devices < 10 * len(PLANTED)


def test_nothing_of_them_is_in_flash_in_rtc_memory_in_the_log_or_in_what_leaves(
    listened: tuple[EmulatedBoard, Path],
) -> None:
    emulated, file = listened
    places = {
        "flash": emulated.flash.image(),
        "RTC memory": emulated.rtc.memory,
        "log": bytes(emulated.output),
        "reports": b"".join(_wire(file)),
    }
    assert all(places.values())
    assert not _found(places)


def test_a_leak_would_be_found() -> None:
    for leak in (PLANTED[3], PLANTED[4][::-1], PLANTED[5].hex(":").encode(), hashlib.sha256(PLANTED[6]).digest()):
        assert _found({"somewhere": bytes(5000) + leak + bytes(7)})


def _found(places: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """(where, which clue); erased flash is passed over."""
    clues = _clues()
    looked_at = {place: held.replace(b"\xff" * 64, b"") for place, held in places.items()}
    return [(place, clue) for place, held in looked_at.items() for clue in clues if clue in held]


def _wire(file: Path) -> list[bytes]:
    """What the board's reports were before they would have been sealed."""
    data = flash_image.files(file, load(BOARD))["/wire"]
    reports = []
    while data:
        size = int.from_bytes(data[:2])
        reports.append(data[2 : 2 + size])
        data = data[2 + size :]
    return reports
