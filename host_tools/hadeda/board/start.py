"""The start of a new board: a board.toml that inherits from another, with what is likely to differ as comments."""

import json
from pathlib import Path

from hadeda.board.files import FILE, board_file, load
from hadeda.board.problems import read_toml, shown
from hadeda.board.schema import Board
from hadeda.errors import BoardError
from hadeda.paths import BOARDS


def write(name: str, base: str, folder: Path = BOARDS) -> Path:
    """Write `folder`/`name`/board.toml; raises BoardError where it is there already or `base` cannot be one."""
    file = folder / name / FILE
    if file.exists():
        raise BoardError(f"{shown(file)} is there already", "choose another name, or change that file")
    board = load(base)
    origin = read_toml(board_file(base)).get("base", board.name)
    if board_file(str(origin)).parent.parent != BOARDS:
        raise BoardError(f"{base} is not a board of {shown(BOARDS)}", "name one of `hadeda board list`")
    text = start(name, board, str(origin))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def start(name: str, board: Board, origin: str) -> str:
    """The file's text. A variant is never a base: from one, the new board starts at the variant's own, `origin`."""
    lines = [
        f"# {name}: as {origin}, but for what is said here. Tables are merged key by key, lists are replaced whole;",
        "# a bus that no sensor of yours uses is not there. Take the # away from what differs, and put it right.",
        f"# hadeda board check {name}     says everything that is wrong with this file",
        f"# hadeda board page {name}      writes its page, with wiring and pins",
        "",
        f'base = "{origin}"',
        f'name = "{name}"',
        f'title = "{board.title}, {name}"     # what people call it',
        f'# maker = "{board.maker}"',
        *([f'# url = "{board.url}"'] if board.url else []),
        f"# flash_mb = {board.flash_mb}",
        f'# identity = "{board.identity}"',
        "",
        "# [micropython]",
        f'# image = "{board.micropython.image}"',
        f'# min_version = "{board.micropython.min_version}"',
    ]
    if board.sleep is not None:
        lines += ["", "# [sleep]", f"# radio_every = {board.sleep.radio_every}     # windows"]
    for bus_name, bus in board.buses.items():
        lines += ["", f"# [bus.{bus_name}]"]
        lines += [f"# {key} = {json.dumps(value)}" for key, value in bus.model_dump().items()]
    lines += ["", "# One sensor said here replaces all those of the base: say every one that is on this board."]
    for sensor in board.sensors:
        lines += ["# [[sensor]]", f'# part = "{sensor.part}"']
        lines += [f'# bus = "{sensor.bus}"'] if sensor.bus else []
        lines += [f"# address = 0x{sensor.address:02x}"] if sensor.address is not None else []
        lines += [f"# period_s = {sensor.period_s}", ""]
    return "\n".join(lines).rstrip() + "\n"
