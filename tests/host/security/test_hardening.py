"""Hardening, on espefuse's virtual eFuses of every chip we have boards for: in order, for good, never by mistake."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sealing import CONFIGURATION, enrolled
from sqlalchemy import update
from typer.testing import CliRunner, Result

from hadeda.board import load, names
from hadeda.city import City
from hadeda.cli.main import app
from hadeda.errors import FlashError
from hadeda.registry import Node
from hadeda.security import fuses, hardening
from hadeda.security.fuses import Fuse, Fuses, Place
from hadeda.security.standing import standing

CHIPS = {load(name).chip: name for name in names()}
NAME = "corner"


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


@pytest.fixture
def city(city: City) -> Iterator[City]:
    """A city with a node called corner, whose board each test says."""
    enrolled(city, NAME, CONFIGURATION)
    return city


def on_board(city: City, chip: str) -> City:
    """The city, its node on a board with this chip."""
    with city.database.write() as session:
        session.execute(update(Node).values(board=CHIPS[chip]))
    return city


def harden(city: City, place: Place, *arguments: str, typed: str | None = None) -> Result:
    command = ["node", "harden", NAME, "--virtual", str(place.virtual), *arguments, "--city", str(city.directory)]
    return CliRunner().invoke(app, command, input=None if typed is None else typed + "\n")


def security(place: Place) -> dict[str, str]:
    command = ["node", "security", "--virtual", str(place.virtual), "--board", CHIPS[str(place.chip)], "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def all_steps(place: Place, profile: str, folder: Path) -> list[hardening.Step]:
    return hardening.steps(fuses.read(place), profile, NAME, folder)


def test_a_chip_from_the_factory_is_open(place: Place) -> None:
    found = security(place)
    assert (found["profile"], found["flash_encryption"], found["secure_boot"]) == ("open", "off", "off")
    assert (found["download_mode"], found["jtag"]) == ("open", "open")
    assert found["can"].startswith("He reads and rewrites the whole flash over the cable")


def test_a_chip_is_closed_when_the_nodes_name_is_typed_and_then_there_is_nothing_to_do(
    city: City, chip: str, place: Place
) -> None:
    on_board(city, chip)
    assert place.virtual is not None
    untouched = place.virtual.read_bytes()
    printed = harden(city, place)
    assert printed.exit_code == 0, printed.output
    assert "[FOR GOOD]" in printed.stdout
    assert f"espefuse --chip {chip}" in printed.stdout
    wrong = harden(city, place, "--run", typed="corne")
    assert (wrong.exit_code, "nothing was burned" in wrong.stderr) == (1, True), wrong.output
    assert harden(city, place, "--run").exit_code == 1, "nobody typed anything"
    assert place.virtual.read_bytes() == untouched
    done = harden(city, place, "--run", typed=NAME)
    assert done.exit_code == 0, done.output
    found = security(place)
    assert (found["profile"], found["download_mode"], found["jtag"]) == ("closed", "off", "off")
    assert "the node is locked" in found["cannot"]
    burned = place.virtual.read_bytes()
    again = harden(city, place, "--run", typed=NAME)
    assert (again.exit_code, "closed already" in again.stdout) == (0, True), again.output
    assert place.virtual.read_bytes() == burned


def test_a_chip_is_sealed(city: City, chip: str, place: Place, images: Path) -> None:
    on_board(city, chip)
    done = harden(city, place, "--profile", "sealed", "--keys", str(images), "--run", "--json", typed=NAME)
    assert done.exit_code == 0, done.output
    found = security(place)
    assert (found["profile"], found["lacks"]) == ("sealed", [])
    assert (found["flash_encryption"], found["secure_boot"]) == ("release", "v2")
    assert found["download_mode"] == ("off" if chip == "esp32" else "secure")
    assert "HMAC" in found["nvs_key"]
    now = fuses.read(place)
    key, digest = ("BLOCK1", "BLOCK2") if chip == "esp32" else ("BLOCK_KEY0", "BLOCK_KEY1")
    assert not now.by_name[key].readable
    assert not now.by_name[key].writeable
    # The ROM has to read the digest, and nobody may ever hide it
    assert now.by_name[digest].value == int.from_bytes((images / "secure-boot.digest").read_bytes()[::-1], "little")
    assert now.write_protected("RD_DIS")
    steps = json.loads(done.stdout.splitlines()[-1])["steps"]  # click shows what was typed before
    burned = [step["what"] for step in steps if step["irreversible"]]
    assert burned.index("decrypt from now on, for good") < burned.index("check signatures from now on, for good")
    assert all(step["command"].startswith(("espsecure", "espefuse", "esptool")) for step in steps)
    again = harden(city, place, "--profile", "sealed", "--keys", str(images), "--run", typed=NAME)
    assert (again.exit_code, "sealed already" in again.stdout) == (0, True), again.output
    check_what_is_written(chip, images)


def check_what_is_written(chip: str, images: Path) -> None:
    """It is encrypted with the node's key, and in that signed with the city's RSA key."""

    def espsecure(*arguments: object) -> str:
        command = [sys.executable, "-m", "espsecure", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    plain = images / "plain.bin"
    aes = [] if chip == "esp32" else ["--aes-xts"]
    where = ["--keyfile", images / f"{NAME}-flash.key", "--address", "0x10000", "--output", plain]
    espsecure("decrypt-flash-data", *aes, *where, images / f"{NAME}-micropython.bin")
    assert plain.read_bytes() == (images / "signed-micropython.bin").read_bytes()
    espsecure("verify-signature", "--version", "2", "--keyfile", images / "secure-boot.pem", plain)
    assert "RSA" in (images / "secure-boot.pem").read_text()


def test_sealing_that_stops_anywhere_is_taken_up_again(tmp_path: Path, images: Path) -> None:
    """The C3 stands for all: each step is done or not begun, and known from the eFuses."""
    place = Place(None, tmp_path / "efuses.bin", "esp32c3")
    count = len(all_steps(place, "sealed", images))
    for _ in range(count):
        found = fuses.read(place)
        if standing(found).profile == "sealed":
            break
        steps = hardening.steps(found, "sealed", NAME, images)
        todo = hardening.pending(steps, found)
        flashing = [step for step in todo if step.tool == "esptool"]
        hardening.run(place, [step for step in todo if step not in flashing][:1], lambda _line: None)
    assert standing(fuses.read(place)).profile == "sealed"


def test_a_chip_with_somebody_elses_keys_is_refused(tmp_path: Path, images: Path) -> None:
    place = Place(None, tmp_path / "efuses.bin", "esp32s3")
    key = tmp_path / "their.key"
    key.write_bytes(bytes(range(32)))
    fuses.run(place, "burn-key", "BLOCK_KEY0", str(key), "XTS_AES_128_KEY")
    with pytest.raises(FlashError, match="there is a key in BLOCK_KEY0 already"):
        all_steps(place, "sealed", images)


def test_a_closed_chip_cannot_be_sealed_any_more(tmp_path: Path, images: Path) -> None:
    place = Place(None, tmp_path / "efuses.bin", "esp32c6")
    hardening.run(place, all_steps(place, "closed", images), lambda _line: None)
    with pytest.raises(FlashError, match="takes no encrypted firmware any more"):
        all_steps(place, "sealed", images)


def test_an_old_esp32_is_not_hardened(tmp_path: Path) -> None:
    place = Place(None, tmp_path / "efuses.bin", "esp32")
    with pytest.raises(FlashError, match="an ESP32 of revision 0 cannot be hardened"):
        all_steps(place, "closed", tmp_path)


def test_sealing_without_firmware_burns_nothing(city: City, tmp_path: Path) -> None:
    on_board(city, "esp32c3")
    place = Place(None, tmp_path / "efuses.bin", "esp32c3")
    done = harden(city, place, "--profile", "sealed", "--keys", str(tmp_path), "--run", typed=NAME)
    assert (done.exit_code, "lacks bootloader.bin" in done.stderr) == (1, True), done.output
    assert security(place)["profile"] == "open"


def test_a_chip_that_somebody_has_begun_to_harden_is_neither() -> None:
    by_name = {name: Fuse(0, True, True) for name in ("SPI_BOOT_CRYPT_CNT", "DIS_PAD_JTAG", "DIS_USB_JTAG")}
    development = Fuses("esp32c3", {**by_name, "SPI_BOOT_CRYPT_CNT": Fuse(1, True, True)})
    found = standing(development)
    assert (found.profile, found.flash_encryption) == ("between", "development")
    assert "secure boot v2" in found.lacks
    secure = Fuses("esp32c3", {**by_name, "ENABLE_SECURITY_DOWNLOAD": Fuse(1, True, True)})
    assert standing(secure).can.startswith("He runs a program of his own")
