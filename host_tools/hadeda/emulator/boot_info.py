"""What a board tells its program at power-up: chip, pins, partitions, and why it started."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from hadeda.board import Board
from hadeda.board.partitions import Partition
from hadeda.board.schema import I2cBus
from hadeda.emulator.interpreter import Interpreter

VENDOR = b"\x24\x0a\xc4"  # Espressif's OUI


@dataclass
class Start:
    """One start of the processor: reset cause, wake reason, the REPL it comes up in.

    `starve_after`: from which allocation of its programs on a few fail; 0 for none.
    """

    cause: int
    wake_reason: int = 0
    raw_repl: bool = False
    starve_after: int = 0


def unique_id(board: Board, seed: int | None, flash_file: Path | None) -> bytes:
    """The chip's MAC address: by the seed, else the same as long as the flash image is, else drawn."""
    if seed is not None:
        origin = f"seed {seed}"
    elif flash_file is not None:
        origin = f"file {flash_file.resolve()}"
    else:
        origin = os.urandom(8).hex()
    return VENDOR + hashlib.sha256(f"{board.name} {origin}".encode()).digest()[:3]


def boot_info(
    board: Board, interpreter: Interpreter, partitions: list[Partition], mac: bytes, real_time: bool, start: Start
) -> dict[str, object]:
    """The answer to BOOT (surface/_boot_info.py)."""
    silicon = board.silicon
    return {
        "real_time": real_time,
        "raw_repl": start.raw_repl,
        "starve_after": start.starve_after,
        "reset_cause": start.cause,
        "wake_reason": start.wake_reason,
        "unique_id": list(mac),
        "freq": 160_000_000,
        "release": interpreter.version,
        "version": f"v{interpreter.version}",
        "banner": f"MicroPython v{interpreter.version} emulated",
        "machine": silicon.machine,
        "gpios": sorted(silicon.pins),
        "input_only": sorted(silicon.input_only),
        "uart_ids": list(range(silicon.uart_count)),
        "i2c_ids": list(range(silicon.i2c_count)),
        "i2c_defaults": _i2c_defaults(board),
        "flash_bytes": board.flash_mb << 20,
        "partitions": partitions,
    }


def _i2c_defaults(board: Board) -> list[tuple[int, int]]:
    """(scl, sda) the port takes when a program names none: ESP32 18/19 and 25/26 (machine_i2c.c)."""
    pins = [(18, 19), (25, 26)] if board.chip == "esp32" else [(9, 8), (9, 8)]
    for bus in board.buses.values():
        if isinstance(bus, I2cBus) and board.chip != "esp32":
            pins[bus.id] = (bus.scl, bus.sda)
    return pins
