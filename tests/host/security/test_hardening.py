"""Hardening, on espefuse's virtual eFuses of every chip we have boards for: in order, for good, never by mistake."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sealing import CONFIGURATION, enrolled
from sqlalchemy import update
from typer.testing import CliRunner, Result
from virtual_chips import CHIPS, NAME, all_steps, espsecure, make_signing_key, prepare, run

from hadeda.city import City
from hadeda.cli.main import app
from hadeda.errors import FlashError, PortError
from hadeda.registry import Node
from hadeda.security import espressif, fuses, hardening
from hadeda.security.fuses import Fuse, Fuses, Place
from hadeda.security.standing import standing


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
    said = "".join(again.stdout.split())  # in lines as long as the terminal's, wherever the file is
    assert (again.exit_code, f"thevirtualchipin{place.virtual}isclosedalready" in said) == (0, True), again.output
    # Nobody looked whose it is
    assert json.loads(harden(city, place, "--json").stdout)["node"] is None
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
    assert (images / f"{NAME}.mac").read_text() == "00:00:00:00:00:00\n"
    assert (images / f"{NAME}-flash.key").stat().st_mode & 0o077 == 0
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
    assert (again.exit_code, "sealedalready" in "".join(again.stdout.split())) == (0, True), again.output
    check_what_is_written(chip, images)


def check_what_is_written(chip: str, images: Path) -> None:
    """It is encrypted with the node's key, and in that signed with the city's RSA key."""
    plain = images / "plain.bin"
    aes = [] if chip == "esp32" else ["--aes-xts"]
    where = ["--keyfile", images / f"{NAME}-flash.key", "--address", "0x10000", "--output", plain]
    espsecure("decrypt-flash-data", *aes, *where, images / f"{NAME}-micropython.bin")
    assert plain.read_bytes() == (images / "signed-micropython.bin").read_bytes()
    assert plain.read_bytes().startswith((images / "micropython.bin").read_bytes())
    espsecure("verify-signature", "--version", "2", "--keyfile", images / "secure-boot.pem", plain)
    assert "RSA" in (images / "secure-boot.pem").read_text()


def test_sealing_that_stops_anywhere_is_taken_up_again(tmp_path: Path, images: Path) -> None:
    """The C3 stands for all: between two commands the eFuses say which were run."""
    place = Place(None, tmp_path / "efuses.bin", "esp32c3")
    prepare(place, images)
    flash_was_there = []
    for _ in range(len(all_steps(place, "sealed", images))):
        found = fuses.read(place)
        if standing(found).profile == "sealed":
            break
        steps = hardening.steps(found, "sealed", NAME, images)
        todo = hardening.pending(steps, found)
        flash_was_there.append(hardening.keeps_flash(steps, todo))
        run(place, [step for step in todo if step.is_for_good][:1])
    assert standing(fuses.read(place)).profile == "sealed"
    # Behind the third key it may be erased at any time
    assert flash_was_there == [True] * 3 + [False] * (len(flash_was_there) - 3)


def test_a_chip_that_trusts_another_signing_key_is_refused(
    city: City, chip: str, place: Place, images: Path, tmp_path: Path
) -> None:
    """Whoever had the chip first could sign for it: that the folder has a signing key of its own says nothing."""
    on_board(city, chip)
    make_signing_key(place, images)
    theirs, digest = tmp_path / "their.pem", tmp_path / "their.digest"
    espsecure("generate-signing-key", "--version", "2", "--scheme", "rsa3072", theirs)
    espsecure("digest-sbv2-public-key", "--keyfile", theirs, "--output", digest)
    where = ("secure_boot_v2",) if chip == "esp32" else ("BLOCK_KEY1",)
    purpose = () if chip == "esp32" else ("SECURE_BOOT_DIGEST0",)
    fuses.run(place, "burn-key", *where, str(digest), *purpose)
    assert place.virtual is not None
    before = place.virtual.read_bytes()
    done = harden(city, place, "--profile", "sealed", "--keys", str(images), "--run", typed=NAME)
    assert (done.exit_code, "is not from" in done.stderr) == (1, True), done.output
    assert place.virtual.read_bytes() == before


def test_another_chip_than_the_one_that_was_begun_is_not_sealed(city: City, tmp_path: Path, images: Path) -> None:
    """The keys are burned and the flash may be gone: what is left is the MAC, and no MAC is no chip."""
    on_board(city, "esp32c3")
    place = Place(None, tmp_path / "efuses.bin", "esp32c3")
    prepare(place, images)
    run(place, [step for step in all_steps(place, "sealed", images) if step.arguments[0] == "burn-key"])
    assert place.virtual is not None
    before = place.virtual.read_bytes()
    sealing = ("--profile", "sealed", "--keys", str(images), "--run")
    for kept in (None, "11:22:33:44:55:66\n"):
        if kept:
            (images / f"{NAME}.mac").write_text(kept)
        done = harden(city, place, *sealing, typed=NAME)
        assert (done.exit_code, f"is not {NAME}" in done.stderr) == (1, True), done.output
        assert (kept or "nothing").strip() in done.stderr
        assert place.virtual.read_bytes() == before
    fresh = harden(city, Place(None, tmp_path / "fresh.bin", "esp32c3"), *sealing, typed=NAME)
    assert (fresh.exit_code, f"is not {NAME}" in fresh.stderr) == (1, True), "a node's keys go into another chip"
    (images / f"{NAME}.mac").write_text("00:00:00:00:00:00\n")
    done = harden(city, place, *sealing, typed=NAME)
    assert (done.exit_code, security(place)["profile"]) == (0, "sealed"), done.output


def test_what_is_left_of_an_earlier_try_is_not_sealed(tmp_path: Path, images: Path) -> None:
    """Firmware that was built anew, with whatever date, and files that were cut."""
    place = Place(None, tmp_path / "efuses.bin", "esp32c3")
    prepare(place, images)
    keys = {file: file.read_bytes() for file in (*images.glob("*.key"), images / "secure-boot.pem")}
    (images / "micropython.bin").write_bytes(bytes(8192))
    os.utime(images / "micropython.bin", (0, 0))
    for name in ("secure-boot.digest", "signed-bootloader.bin", f"{NAME}-bootloader.bin"):
        (images / name).write_bytes((images / name).read_bytes()[:10])
    run(place, hardening.pending(all_steps(place, "sealed", images), fuses.read(place)))
    check_what_is_written("esp32c3", images)
    assert (images / f"{NAME}-bootloader.bin").stat().st_size == (images / "signed-bootloader.bin").stat().st_size
    assert (images / "secure-boot.digest").stat().st_size == 32
    assert keys == {file: file.read_bytes() for file in keys}
    assert security(place)["profile"] == "sealed"


def test_a_key_that_was_made_by_half_is_none(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(None, tmp_path / "efuses.bin", "esp32c3")
    first = all_steps(place, "sealed", images)[0]

    def cut(_tool: str, *arguments: str) -> str:
        Path(arguments[-1]).write_bytes(b"half a key")
        raise KeyboardInterrupt

    before = set(images.iterdir())
    monkeypatch.setattr(espressif, "run", cut)
    with pytest.raises(KeyboardInterrupt):
        run(place, [first])
    assert set(images.iterdir()) == before


def test_a_tool_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espressif, "LIMIT_S", 0.01)
    with pytest.raises(FlashError, match="espsecure generate-flash-encryption-key was not done after"):
        espressif.run("espsecure", "generate-flash-encryption-key", str(tmp_path / "key"))
    with pytest.raises(PortError, match="no chip answers on /dev/ttyUSB9"):
        espressif.run("espefuse", "summary", port="/dev/ttyUSB9")


def test_a_closed_chip_cannot_be_sealed_any_more(tmp_path: Path, images: Path) -> None:
    place = Place(None, tmp_path / "efuses.bin", "esp32c6")
    run(place, all_steps(place, "closed", images))
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


@pytest.mark.parametrize(("board", "in_a_chip"), [("esp32-c6-devkitc-1", False), ("esp32-c6-devkitc-1-element", True)])
def test_what_a_thief_can_do_with_an_identity_in_a_chip_is_said(tmp_path: Path, board: str, in_a_chip: bool) -> None:
    file = tmp_path / "efuses.bin"
    fuses.read(Place(None, file, "esp32c6"))
    done = CliRunner().invoke(app, ["node", "security", "--virtual", str(file), "--board", board, "--json"])
    said = json.loads(done.stdout)
    assert said["profile"] == "open"
    assert (
        "with it he signs as this node, here or on a board of his own, until it is revoked" in said["can"]
    ) is in_a_chip
    assert ("Nor does he copy that key" in said["cannot"]) is in_a_chip
    assert said["can"].startswith("He reads and rewrites the whole flash")
