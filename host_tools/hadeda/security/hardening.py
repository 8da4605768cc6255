"""The steps that harden a node for good, chip by chip, and their running in an order that can be taken up again.

Source: ESP-IDF programming guide, "Security Features Enablement Workflows" of each chip: flash encryption first, then
secure boot, because what closes secure boot's digest (RD_DIS) closes the way to read-protect another key. RSA-3072: an
ECDSA scheme depends on a peripheral, or on the little that P-256 in ROM was looked at (Espressif's guide for the C61
calls it vulnerable for certain inputs), and costs nothing to avoid where RSA is there, as on all of these chips.

    closed    for stock MicroPython: its own image, unsigned and in the clear, goes on
    sealed    for a bootloader and a MicroPython of the city's own, built with secure boot v2, flash encryption and NVS
              encryption: the stock image does not write to encrypted partitions, nor does its bootloader check anything
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hadeda.board import Board
from hadeda.board.chips import CHIPS
from hadeda.city.keyfile import replace_private_file
from hadeda.errors import FlashError
from hadeda.flash import device
from hadeda.flash.layout import Region
from hadeda.security import espressif
from hadeda.security import fuses as reading
from hadeda.security.fuses import Fuses, Place
from hadeda.security.key_blocks import Key, keys
from hadeda.security.standing import CLOSED, OFF, PURPOSE_DIGESTS, PURPOSES_FLASH, SEALED, standing

ESP32_REVISION_MIN: Final = 3  # secure boot v2 and a download mode that can be switched off
TABLE_AT, APPLICATION_AT = 0x8000, 0x10000
TABLE: Final = "partition-table.bin"
IMAGES: Final = ("bootloader.bin", TABLE, "micropython.bin")
PROFILES: Final = (CLOSED, SEALED)


@dataclass(frozen=True)
class Step:
    """One command of `tool`. `done` tells from the eFuses, or the key that it makes, that it was run.

    `made` is the file that one of espsecure's leaves, `images` what one of esptool's writes, by address.
    """

    what: str
    tool: str
    arguments: tuple[str, ...]
    done: Callable[[Fuses], bool]
    made: Path | None = None
    images: Mapping[int, Path] = field(default_factory=dict)

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


def run(place: Place, board: Board, todo: list[Step], say: Callable[[str], None]) -> None:
    """Run these steps; interrupted, `steps` says from the chip what is left. Raises FlashError, PortError."""
    for step in todo:
        say(step.what)
        if step.tool == "espefuse":
            reading.run(place, *step.arguments)
        elif step.made is not None:
            _leave(step, step.made)
        elif place.port is not None:
            written = [Region(file.name, address, file.read_bytes()) for address, file in step.images.items()]
            device.rewrite(place.port, board, written, device.Progress(), keys_may_go=True)
        else:
            say("left out: there is no flash beside virtual eFuses")


def pending(todo: list[Step], found: Fuses) -> list[Step]:
    """The steps that are still to be run."""
    return [step for step in todo if not step.done(found)]


def keeps_flash(steps: list[Step], todo: list[Step]) -> bool:
    """Whether the flash is as the node left it: nothing of `steps` erases it, or a key has to be burned before."""
    return not any(step.images for step in steps) or any(step.arguments[0] == "burn-key" for step in todo)


def _leave(step: Step, made: Path) -> None:
    """Have espsecure make a file, whole or not at all, and for nobody else to read."""
    with tempfile.TemporaryDirectory(dir=made.parent) as folder:
        beside = Path(folder) / made.name
        arguments = [str(beside) if argument == str(made) else argument for argument in step.arguments]
        espressif.run(step.tool, *arguments)
        replace_private_file(made, beside.read_bytes())


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
    ours = keys(found.chip, name, folder)
    for key in ours:
        key.require_ours(found)
    blocks = [key.block for key in ours]
    others = [n for n, purpose in found.purposes().items() if purpose in (*PURPOSES_FLASH, *PURPOSE_DIGESTS)]
    for block in (f"BLOCK_KEY{n}" for n in others):
        if block not in blocks:
            raise FlashError(f"somebody's key for flash or signatures is in {block} already", "take another board")
    if found.value("SECURE_BOOT_KEY_REVOKE0"):
        raise FlashError("the chip takes no first signing key any more: it is revoked", "take another board")


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
    ours = keys(chip, name, folder)
    return [
        *_prepared(chip, name, folder, ours),
        *(Step(key.what, "espefuse", key.arguments(), key.is_burned) for key in ours),
        _written(chip, name, folder),
        *(_shut_esp32() if chip == "esp32" else _shut(chip)),
    ]


def _prepared(chip: str, name: str, folder: Path, ours: list[Key]) -> list[Step]:
    """On this machine: keys, once; what is made from them and the images, anew each time until the chip has it."""
    flash, boot = ours[0], ours[-1]
    flash_key, boot_key, digest = str(flash.source), str(boot.source), str(boot.file)
    todo = [
        _make_key("make the key that encrypts this node's flash", flash.source, "generate-flash-encryption-key"),
        _make_key(
            "make the key that signs the city's firmware; it is kept like the release key",
            boot.source,
            *("generate-signing-key", "--version", "2", "--scheme", "rsa3072"),
        ),
        Step(
            "take its digest",
            "espsecure",
            ("digest-sbv2-public-key", "--keyfile", boot_key, "--output", digest),
            boot.is_burned,
            boot.file,
        ),
        *(
            _make_key("make the key that NVS is encrypted from", nvs.source, "generate-flash-encryption-key")
            for nvs in ours[1:-1]
        ),
    ]
    aes = () if chip == "esp32" else ("--aes-xts",)
    for image, address in _places(chip).items():
        plain = folder / image
        if image != TABLE:
            signed = folder / f"signed-{image}"
            sign = ("--version", "2", "--keyfile", boot_key, "--output", str(signed), str(plain))
            todo.append(Step(f"sign {image}", "espsecure", ("sign-data", *sign), _encrypts, signed))
            plain = signed
        sealed = folder / f"{name}-{image}"
        where = ("--keyfile", flash_key, "--address", hex(address), "--output", str(sealed), str(plain))
        encrypt = ("encrypt-flash-data", *aes, *where)
        todo.append(Step(f"encrypt {image} for this node", "espsecure", encrypt, _encrypts, sealed))
    return todo


def _places(chip: str) -> dict[str, int]:
    return {"bootloader.bin": CHIPS[chip].bootloader_at, TABLE: TABLE_AT, "micropython.bin": APPLICATION_AT}


def _make_key(what: str, key: Path, *arguments: str) -> Step:
    return Step(what, "espsecure", (*arguments, str(key)), lambda _found: key.exists(), key)


def _encrypts(found: Fuses) -> bool:
    """Whether the chip decrypts its flash already: what is in it then is what was written."""
    return found.value("FLASH_CRYPT_CNT" if found.chip == "esp32" else "SPI_BOOT_CRYPT_CNT") > 0


def _written(chip: str, name: str, folder: Path) -> Step:
    """The flash, before the chip decrypts and checks it: until here a board can be flashed anew in the clear."""
    images = {at: folder / f"{name}-{image}" for image, at in _places(chip).items()}
    pairs = [text for at, file in images.items() for text in (hex(at), str(file))]
    arguments = ("write-flash", "--erase-all", *pairs)
    return Step("erase the flash and write what was encrypted", "esptool", arguments, _encrypts, None, images)


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
