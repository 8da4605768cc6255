"""A virtual chip of each kind, and firmware to seal it with."""

from pathlib import Path

import pytest
from virtual_chips import CHIPS

from hadeda.security import fuses, hardening
from hadeda.security.fuses import Place


@pytest.fixture(params=sorted(CHIPS))
def chip(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(chip: str, tmp_path: Path) -> Place:
    """A chip as it comes from the factory; an ESP32 of revision 3."""
    new = Place(None, tmp_path / "efuses.bin", chip)
    if chip == "esp32":
        fuses.run(new, "burn-efuse", "CHIP_VER_REV1", "1", "CHIP_VER_REV2", "1")
    else:
        fuses.read(new)
    return new


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """What stands for the city's own firmware: signing and encrypting do not look into it."""
    folder = tmp_path / "firmware"
    folder.mkdir()
    for name in hardening.IMAGES:
        (folder / name).write_bytes(bytes(range(256)) * 32)
    return folder
