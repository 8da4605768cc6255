"""A chip's key blocks: what belongs into each, and whether it is there with all that protects it.

espefuse burns a block before the eFuses that make it a key: its purpose, then, in one go, what closes it. A burn that
is cut in between leaves a key that nothing uses and everybody reads. As long as it can be read it can be compared, and
the same command takes it up: it burns what is missing, also of what is closed by half. What is hidden before it is
closed can be neither compared nor finished.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hadeda.errors import FlashError
from hadeda.security import espressif
from hadeda.security.fuses import Fuses

# Of KEY_PURPOSE_n. An ESP32 has none: the purpose is the block's other name
PURPOSES: Final = {"XTS_AES_128_KEY": 4, "HMAC_UP": 8, "SECURE_BOOT_DIGEST0": 9}
DIGESTS: Final = ("SECURE_BOOT_DIGEST0", "secure_boot_v2")  # for the ROM to read, so for everybody
TURNED: Final = ("XTS_AES_128_KEY", "flash_encryption")  # the last byte of the file comes first


@dataclass(frozen=True)
class Key:
    """A key block. `source` is the file with the key, or with the signing key whose digest it takes from `file`."""

    what: str
    block: str
    source: Path
    file: Path
    purpose: str

    def arguments(self) -> tuple[str, ...]:
        """What burns it, or what is missing of it; espefuse closes it, against reading too if it has to be hidden."""
        where = (
            (self.block, str(self.file), self.purpose) if self.purpose in PURPOSES else (self.purpose, str(self.file))
        )
        return ("burn-key", *where)

    def is_burned(self, found: Fuses) -> bool:
        """Whether a key is in it that serves its purpose, for good, and is hidden where it has to be."""
        block, purpose = found.by_name[self.block], found.by_name.get(self._purpose_name())
        return (
            found.is_used(self.block)
            and block.readable == (self.purpose in DIGESTS)
            and not block.writeable
            and (purpose is None or (purpose.value == PURPOSES[self.purpose] and not purpose.writeable))
        )

    def require_ours(self, found: Fuses) -> None:
        """Raise FlashError unless it is free, burned, or can be taken up where its burning was cut."""
        block, purpose = found.by_name[self.block], found.by_name.get(self._purpose_name())
        fixed = purpose is not None and not purpose.value and not purpose.writeable
        if not found.is_used(self.block) and not found.value(self._purpose_name()) and not fixed:
            return
        if not self.source.exists():
            raise FlashError(
                f"{self.block} is in use already, and {self.source.parent} has no {self.source.name}",
                "name the folder that this board's keys are in, or take another board",
            )
        others = purpose is not None and purpose.value not in (0, PURPOSES[self.purpose])
        if others or (block.readable and block.value != self._content()):
            raise FlashError(
                f"what is in {self.block} is not from {self.source}",
                "name the folder that this board's keys are in, or take another board",
            )
        if not self.is_burned(found) and (fixed or not block.readable):
            raise FlashError(
                f"{self.block} was burned by half: it is no {self.purpose}, and cannot be made one any more",
                "take another board: this one would not keep its key, or not start",
            )

    def _purpose_name(self) -> str:
        return f"KEY_PURPOSE_{self.block[-1]}"

    def _content(self) -> int:
        """What the block reads as."""
        content = _digest(self.source) if self.purpose in DIGESTS else self.source.read_bytes()
        return int.from_bytes(content[::-1] if self.purpose in TURNED else content)


def _digest(signing_key: Path) -> bytes:
    """What the ROM compares a signature's key with."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "digest"
        espressif.run("espsecure", "digest-sbv2-public-key", "--keyfile", str(signing_key), "--output", str(file))
        return file.read_bytes()


def keys(chip: str, name: str, folder: Path) -> list[Key]:
    """The key blocks of node `name`, in the order in which they are burned."""
    flash, nvs, boot = folder / f"{name}-flash.key", folder / f"{name}-nvs.key", folder / "secure-boot.pem"
    shown = folder / "secure-boot.digest"
    encrypts, signs = "burn the key that encrypts the flash", "burn the digest of the signing key"
    if chip == "esp32":
        return [
            Key(encrypts, "BLOCK1", flash, flash, "flash_encryption"),
            Key(signs, "BLOCK2", boot, shown, "secure_boot_v2"),
        ]
    return [
        Key(encrypts, "BLOCK_KEY0", flash, flash, "XTS_AES_128_KEY"),
        Key("burn the key that NVS is encrypted from", "BLOCK_KEY2", nvs, nvs, "HMAC_UP"),
        Key(signs, "BLOCK_KEY1", boot, shown, "SECURE_BOOT_DIGEST0"),
    ]
