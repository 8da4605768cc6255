"""Where the parts of a checkout live: the host tools work from a clone, which holds the firmware and the boards."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
BOARDS = ROOT / "boards"
