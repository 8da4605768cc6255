"""The steps that harden a node for good, chip by chip, and their running in an order that can be taken up again.

Source: ESP-IDF programming guide, "Security Features Enablement Workflows" of each chip: flash encryption first, then
secure boot, because what closes secure boot's digest (RD_DIS) closes the way to read-protect another key. RSA-3072: an
ECDSA scheme depends on a peripheral, or on the little that P-256 in ROM was looked at (Espressif's guide for the C61
calls it vulnerable for certain inputs), and costs nothing to avoid where RSA is there, as on all of these chips.

    closed    for stock MicroPython: its own image, unsigned and in the clear, goes on
    sealed    for a bootloader and a MicroPython of the city's own, built with secure boot v2, flash encryption and NVS
              encryption: the stock image does not write to encrypted partitions, nor does its bootloader check anything
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hadeda.board.chips import CHIPS
from hadeda.errors import FlashError
from hadeda.security import fuses as reading
from hadeda.security.fuses import Fuses, Place
from hadeda.security.standing import CLOSED, OFF, SEALED, standing

ESP32_REVISION_MIN: Final = 3  # secure boot v2 and a download mode that can be switched off
LIMIT_S: Final = 300
TABLE_AT, APPLICATION_AT = 0x8000, 0x10000
TABLE: Final = "partition-table.bin"
IMAGES: Final = ("bootloader.bin", TABLE, "micropython.bin")
PROFILES: Final = (CLOSED, SEALED)


@dataclass(frozen=True)
class Step:
    """One command of `tool`. `done` tells from the eFuses, or a file it makes, that it was run."""

    what: str
    tool: str
    arguments: tuple[str, ...]
    done: Callable[[Fuses], bool]

    @property
    def is_for_good(self) -> bool:
        """Whether nothing undoes it."""
        return self.tool == "espefuse"

    def command(self, place: Place) -> str:
        """What somebody would type."""
        if self.tool == "espsecure":
            return " ".join(("espsecure", *self.arguments))
        where = place.options() if self.tool == "espefuse" else ["--chip", str(place.chip), "--port", str(place.port)]
        return " ".join((self.tool, *where, *self.arguments))


def steps(found: Fuses, profile: str, name: str, folder: Path) -> list[Step]:
    """All that leads to a profile, in order. `folder` has the images and gets the keys. Raises FlashError."""
    _refuse(found, profile, name, folder)
    return _closed(found.chip) if profile == CLOSED else _sealed(found.chip, name, folder)


def run(place: Place, todo: list[Step], say: Callable[[str], None]) -> None:
    """Run these steps; each is over, or not begun, when this is interrupted. Raises FlashError, PortError."""
    for step in todo:
        say(step.what)
        if step.tool == "espefuse":
            reading.run(place, *step.arguments)
        elif step.tool == "espsecure":
            _run("espsecure", *step.arguments)
        elif place.virtual is None:
            _run(step.tool, "--chip", str(place.chip), "--port", str(place.port), *step.arguments)
        else:
            say("left out: there is no flash beside virtual eFuses")


def pending(todo: list[Step], found: Fuses) -> list[Step]:
    """The steps that are still to be run."""
    return [step for step in todo if not step.done(found)]


def _run(tool: str, *arguments: str) -> None:
    command = [sys.executable, "-m", tool, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise FlashError(f"{tool} {arguments[0]} failed: {' '.join(said[-1:])}", "mend that, and run it again")


def _refuse(found: Fuses, profile: str, name: str, folder: Path) -> None:
    """Raise FlashError for a chip that this profile is not for, or that somebody else has begun to harden."""
    if found.chip == "esp32" and found.value("WAFER_VERSION_MAJOR") < ESP32_REVISION_MIN:
        raise FlashError(
            f"an ESP32 of revision {found.value('WAFER_VERSION_MAJOR')} cannot be hardened",
            "it has no secure boot v2, and a download mode that stays; take one of revision 3 or later",
        )
    now = standing(found)
    if profile == CLOSED and (now.flash_encryption != OFF or now.secure_boot != OFF):
        raise FlashError("the chip encrypts its flash or checks signatures already", f"give --profile {SEALED}")
    if profile == CLOSED:
        return
    if now.download_mode == OFF and now.lacks:
        raise FlashError("the chip is closed: it takes no encrypted firmware any more", "it stays as it is")
    for block, key in _key_blocks(found.chip, name):
        if key and found.is_used(block) and not (folder / key).exists():
            raise FlashError(
                f"there is a key in {block} already, and {folder} has no {key}",
                "name the folder that this board's keys are in, or take another board",
            )


def _key_blocks(chip: str, name: str) -> list[tuple[str, str]]:
    """Blocks for keys, and the files that they come from."""
    if chip == "esp32":
        return [("BLOCK1", f"{name}-flash.key"), ("BLOCK2", "secure-boot.pem")]
    return [
        ("BLOCK_KEY0", f"{name}-flash.key"),
        ("BLOCK_KEY1", "secure-boot.pem"),
        ("BLOCK_KEY2", f"{name}-nvs.key"),
    ]


def _burn(what: str, *names: str) -> Step:
    """Set eFuses of one bit, or all bits of the counters."""
    full = {"SPI_BOOT_CRYPT_CNT": 7, "FLASH_CRYPT_CNT": 127, "FLASH_CRYPT_CONFIG": 15}
    values = {name: full.get(name, 1) for name in names}
    pairs = [text for name, value in values.items() for text in (name, str(value))]
    return Step(
        what,
        "espefuse",
        ("burn-efuse", *pairs),
        lambda found: all(found.value(name) == value for name, value in values.items()),
    )


def _protect(what: str, name: str) -> Step:
    return Step(what, "espefuse", ("write-protect-efuse", name), lambda found: found.write_protected(name))


def _closed(chip: str) -> list[Step]:
    last = "switch the loader in ROM off: this chip can never be flashed over its cable again"
    if chip == "esp32":
        return [_burn("switch JTAG off", "JTAG_DISABLE"), _burn(last, "UART_DOWNLOAD_DIS")]
    return [
        _burn("switch JTAG off, on pins and over USB", "DIS_PAD_JTAG", "DIS_USB_JTAG"),
        _burn("let the ROM start nothing from flash but a bootloader", "DIS_DIRECT_BOOT"),
        _burn(last, "DIS_DOWNLOAD_MODE"),
    ]


def _sealed(chip: str, name: str, folder: Path) -> list[Step]:
    first = chip == "esp32"
    return [
        *_prepared(chip, name, folder),
        *(_keys_of_esp32(name, folder) if first else _keys(name, folder)),
        *_written(chip, name, folder),
        *(_shut_esp32() if first else _shut(chip)),
    ]


def _prepared(chip: str, name: str, folder: Path) -> list[Step]:
    """On this machine: keys, signed images, encrypted ones."""
    flash_key, boot_key = str(folder / f"{name}-flash.key"), str(folder / "secure-boot.pem")
    todo = [
        _make("make the key that encrypts this node's flash", flash_key, "generate-flash-encryption-key", flash_key),
        _make(
            "make the key that signs the city's firmware; it is kept like the release key",
            boot_key,
            *("generate-signing-key", "--version", "2", "--scheme", "rsa3072", boot_key),
        ),
        _make(
            "take its digest",
            str(folder / "secure-boot.digest"),
            *("digest-sbv2-public-key", "--keyfile", boot_key, "--output", str(folder / "secure-boot.digest")),
        ),
    ]
    if chip != "esp32":
        nvs_key = str(folder / f"{name}-nvs.key")
        todo.append(_make("make the key that NVS is encrypted from", nvs_key, "generate-flash-encryption-key", nvs_key))
    aes = () if chip == "esp32" else ("--aes-xts",)
    for image, address in _places(chip).items():
        plain = str(folder / image)
        if image != TABLE:
            signed = str(folder / f"signed-{image}")
            sign = ("sign-data", "--version", "2", "--keyfile", boot_key, "--output", signed, plain)
            todo.append(_make(f"sign {image}", signed, *sign))
            plain = signed
        sealed = str(folder / f"{name}-{image}")
        where = ("--keyfile", flash_key, "--address", hex(address), "--output", sealed)
        todo.append(_make(f"encrypt {image} for this node", sealed, "encrypt-flash-data", *aes, *where, plain))
    return todo


def _places(chip: str) -> dict[str, int]:
    return {"bootloader.bin": CHIPS[chip].bootloader_at, TABLE: TABLE_AT, "micropython.bin": APPLICATION_AT}


def _make(what: str, made: str, *arguments: str) -> Step:
    return Step(what, "espsecure", arguments, lambda _found: Path(made).exists())


def _key(what: str, block: str, file: Path, purpose: str, field: str = "") -> Step:
    """Burn a key; espefuse closes it against reading where that is what its purpose needs, and against writing."""
    name = field or block
    arguments = ("burn-key", name, str(file), *((purpose,) if purpose else ()))
    return Step(what, "espefuse", arguments, lambda found: found.is_used(block))


def _keys(name: str, folder: Path) -> list[Step]:
    return [
        _key("burn the key that encrypts the flash", "BLOCK_KEY0", folder / f"{name}-flash.key", "XTS_AES_128_KEY"),
        _key("burn the key that NVS is encrypted from", "BLOCK_KEY2", folder / f"{name}-nvs.key", "HMAC_UP"),
        _key("burn the digest of the signing key", "BLOCK_KEY1", folder / "secure-boot.digest", "SECURE_BOOT_DIGEST0"),
    ]


def _keys_of_esp32(name: str, folder: Path) -> list[Step]:
    return [
        _key("burn the key that encrypts the flash", "BLOCK1", folder / f"{name}-flash.key", "", "flash_encryption"),
        _key("burn the digest of the signing key", "BLOCK2", folder / "secure-boot.digest", "", "secure_boot_v2"),
    ]


def _written(chip: str, name: str, folder: Path) -> list[Step]:
    """The flash, before the chip decrypts and checks it: until here a board can be flashed anew in the clear."""
    pairs = [text for image, at in _places(chip).items() for text in (hex(at), str(folder / f"{name}-{image}"))]
    counter = "FLASH_CRYPT_CNT" if chip == "esp32" else "SPI_BOOT_CRYPT_CNT"
    return [
        Step("erase the flash", "esptool", ("erase-flash",), lambda found: found.value(counter) > 0),
        Step("write what was encrypted", "esptool", ("write-flash", *pairs), lambda found: found.value(counter) > 0),
    ]


def _shut_esp32() -> list[Step]:
    loader = ("DISABLE_DL_ENCRYPT", "DISABLE_DL_DECRYPT", "DISABLE_DL_CACHE")
    return [
        _burn("encrypt with all bits of the address", "FLASH_CRYPT_CONFIG"),
        _burn("decrypt from now on, for good", "FLASH_CRYPT_CNT"),
        _burn("let the loader neither encrypt nor decrypt", *loader),
        _burn("switch JTAG off", "JTAG_DISABLE"),
        _burn("check signatures from now on, for good", "ABS_DONE_1"),
        _protect("close read protection, or the digest could be hidden", "RD_DIS"),
        _burn("switch the loader in ROM off", "UART_DOWNLOAD_DIS"),
    ]


def _shut(chip: str) -> list[Step]:
    loader = ["DIS_DOWNLOAD_ICACHE", "DIS_DOWNLOAD_MANUAL_ENCRYPT"]
    if chip == "esp32s3":
        loader.append("DIS_DOWNLOAD_DCACHE")
    return [
        _burn("decrypt from now on, for good", "SPI_BOOT_CRYPT_CNT"),
        _burn("let the loader neither encrypt nor look through the caches", *loader),
        _burn("let the ROM start nothing from flash but a bootloader", "DIS_DIRECT_BOOT"),
        _burn("switch JTAG off, on pins and over USB", "DIS_PAD_JTAG", "DIS_USB_JTAG"),
        _protect("close these against changes", "DIS_ICACHE"),
        _burn("check signatures from now on, for good", "SECURE_BOOT_EN"),
        _burn("leave no room for another signing key", "SECURE_BOOT_KEY_REVOKE1", "SECURE_BOOT_KEY_REVOKE2"),
        _protect("close read protection, or the digest could be hidden", "RD_DIS"),
        _burn("let the loader take images, and say nothing", "ENABLE_SECURITY_DOWNLOAD"),
    ]
