"""What `hadeda board flash` and `hadeda board image` do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hadeda.board import load
from hadeda.board.problems import shown
from hadeda.cli import output
from hadeda.errors import FlashError
from hadeda.flash import device, layout
from hadeda.flash import firmware as firmwares
from hadeda.flash import inspect as inspecting
from hadeda.provision.port import only_one_in_sight
from hadeda.provision.shipment import shipment


class _Shown(device.Progress):
    """Steps as lines, bytes as a bar."""

    def __init__(self, bar: "output.Bar") -> None:
        self._bar = bar

    def step(self, name: str) -> None:
        self._bar.begin(name)

    def written(self, done: int, total: int) -> None:
        self._bar.show(done, total)


def put(name: str, file: Path, port: str | None, keys_may_go: bool, as_json: bool) -> None:
    """Flash a board."""
    board = load(name)
    firmware = firmwares.read(file, board)
    place = port or only_one_in_sight()
    try:
        with _shown() as progress:
            done = device.flash(place, board, firmware, progress, keys_may_go=keys_may_go)
    except KeyboardInterrupt:
        output.say("stopped: a board that was being erased or written starts again when it has been flashed anew")
        raise
    answer = {
        "board": board.name,
        "port": place,
        "chip": done.chip,
        "flash_mb": done.flash_mb,
        "micropython": firmware.version,
        "sha256": firmware.sha256,
        "bytes": done.bytes_written,
        "restarted": done.restarted,
    }
    if as_json:
        output.print_json(answer)
        return
    output.say(f"MicroPython {firmware.version} is on the board on {place}, written and verified")
    if not done.restarted:
        output.say("this port cannot reset a board: press RESET, or plug it out and in")
    output.say(f"next: hadeda node provision --port {place} --board {board.name}")


@contextmanager
def _shown() -> Iterator[device.Progress]:
    with output.bar() as bar:
        yield _Shown(bar)


def make(name: str, file: Path, target: Path, as_json: bool) -> None:
    """Write a flash image."""
    board = load(name)
    firmware = firmwares.read(file, board)
    regions = [*layout.regions(board, firmware), layout.files_region(board, shipment(board))]
    data = layout.flash_image(board, regions)
    try:
        target.write_bytes(data)
    except OSError as error:
        raise FlashError(f"{shown(target)} cannot be written: {error.strerror}", "name another file") from error
    answer = {
        "board": board.name,
        "image": target,
        "bytes": len(data),
        "micropython": firmware.version,
        "regions": [{"name": row.name, "address": row.address, "bytes": len(row.data)} for row in regions],
    }
    output.emit(answer, as_json, lambda: f"{target}: {board.flash_mb} MB, MicroPython {firmware.version} and the node")


def take_apart(file: Path, as_json: bool) -> None:
    """Show what is in a flash image; fails where something in it is not whole."""
    found = inspecting.inspect(file)

    def rows() -> list[tuple[object, ...]]:
        return [(row.name, f"0x{row.address:06x}", row.size, row.what) for row in found.found]

    title = f"{shown(file)}: {found.chip}, {found.size} bytes"
    output.emit(found.answer(), as_json, lambda: output.table(title, ("what", "address", "bytes", "found"), rows()))
    if not as_json and found.files:
        files = [(path, len(data)) for path, data in sorted(found.files.items())]
        output.console().print(output.table("Files", ("path", "bytes"), files))
    if not found.whole:
        wrong = ", ".join(row.name for row in found.found if not row.whole)
        raise FlashError(f"{shown(file)} is not whole: {wrong}", "make it again with `hadeda board image`")
