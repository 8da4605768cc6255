"""What a thief with a node can and cannot do, as its eFuses say: Espressif's guides "Flash Encryption", "Secure Boot".

open      as it comes from the factory
closed    neither its loader nor JTAG answers; what is in its flash is in the clear
sealed    flash encrypted for good, firmware signed, JTAG off, nothing but signed images over the cable
between   something else: the missing parts are named
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

from hadeda.security.fuses import Fuses

OFF, DEVELOPMENT, RELEASE = "off", "development", "release"
OPEN, SECURE = "open", "secure"
CLOSED, SEALED, BETWEEN = "closed", "sealed", "between"
PURPOSES_FLASH: Final = (2, 3, 4)  # XTS_AES_256_KEY_1, XTS_AES_256_KEY_2, XTS_AES_128_KEY
PURPOSE_DIGESTS: Final = (9, 10, 11)
PURPOSES_HMAC: Final = (5, 8)  # for everything downstream, or upstream: what encrypts NVS


@dataclass(frozen=True)
class Standing:
    """What is reached. `nvs_key` says where the key comes from that encrypts NVS; `lacks` is missing for sealed."""

    chip: str
    profile: str
    flash_encryption: str
    secure_boot: str
    download_mode: str
    jtag: str
    nvs_key: str
    lacks: tuple[str, ...]
    can: str
    cannot: str

    def answer(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)


def standing(fuses: Fuses, element: str = "") -> Standing:
    """What these eFuses come to; `element` is what the identity key is in, where that is a chip of its own."""
    is_first = fuses.chip == "esp32"
    encryption = _encryption_of_esp32(fuses) if is_first else _encryption(fuses)
    boot = _boot_of_esp32(fuses) if is_first else ("v2" if fuses.value("SECURE_BOOT_EN") else OFF)
    download = _download(fuses)
    jtag = _jtag(fuses)
    lacks = tuple(
        what
        for what, there in (
            ("flash encryption in release mode", encryption == RELEASE),
            ("secure boot v2", boot == "v2"),
            ("a closed or secure download mode", download != OPEN),
            ("JTAG switched off", jtag == OFF),
        )
        if not there
    )
    can, cannot = _thief(encryption, boot, download, jtag)
    if element:
        can += f" The identity key is in the {element}: with it he signs as this node, here or on a board of his own, "
        can += "until it is revoked."
        cannot += f" Nor does he copy that key: who does not have the {element} any more signs no more."
    profile = SEALED if not lacks else BETWEEN
    if encryption == OFF and boot == OFF:
        if download == OFF and jtag == OFF:
            profile = CLOSED
        elif download == OPEN and jtag != OFF:
            profile = OPEN
    return Standing(fuses.chip, profile, encryption, boot, download, jtag, _nvs_key(fuses), lacks, can, cannot)


def _encryption(fuses: Fuses) -> str:
    count = fuses.value("SPI_BOOT_CRYPT_CNT")
    if count.bit_count() % 2 == 0:
        return OFF
    for_good = count == 7 or fuses.write_protected("SPI_BOOT_CRYPT_CNT")
    return RELEASE if for_good and fuses.value("DIS_DOWNLOAD_MANUAL_ENCRYPT") else DEVELOPMENT


def _encryption_of_esp32(fuses: Fuses) -> str:
    count = fuses.value("FLASH_CRYPT_CNT")
    if count.bit_count() % 2 == 0:
        return OFF
    for_good = count == 0x7F or fuses.write_protected("FLASH_CRYPT_CNT")
    shut = ("DISABLE_DL_ENCRYPT", "DISABLE_DL_DECRYPT", "DISABLE_DL_CACHE")
    return RELEASE if for_good and all(fuses.value(name) for name in shut) else DEVELOPMENT


def _boot_of_esp32(fuses: Fuses) -> str:
    if fuses.value("ABS_DONE_1"):
        return "v2"
    return "v1" if fuses.value("ABS_DONE_0") else OFF


def _download(fuses: Fuses) -> str:
    if fuses.value("DIS_DOWNLOAD_MODE") or fuses.value("UART_DOWNLOAD_DIS"):
        return OFF
    return SECURE if fuses.value("ENABLE_SECURITY_DOWNLOAD") else OPEN


def _jtag(fuses: Fuses) -> str:
    if fuses.chip == "esp32":
        return OFF if fuses.value("JTAG_DISABLE") else OPEN
    return OFF if fuses.value("DIS_PAD_JTAG") and fuses.value("DIS_USB_JTAG") else OPEN


def _nvs_key(fuses: Fuses) -> str:
    if not fuses.purposes():
        return "this chip has no HMAC peripheral: a partition under flash encryption would have to hold it"
    return "from an eFuse, by HMAC" if set(fuses.purposes().values()) & set(PURPOSES_HMAC) else "none"


def _thief(encryption: str, boot: str, download: str, jtag: str) -> tuple[str, str]:
    """What he can, and what he cannot: a sentence each."""
    if encryption != RELEASE and download == OPEN:
        return (
            "He reads and rewrites the whole flash over the cable: this node's keys, the Wi-Fi password, its program.",
            "He cannot read what it sent on earlier days, and has no other node's keys.",
        )
    if encryption != RELEASE and (jtag != OFF or (download == SECURE and boot != "v2")):
        return (
            "He runs a program of his own on it, by JTAG or over the cable, and has it tell him what is in its flash.",
            "He cannot read what it sent on earlier days, and has no other node's keys.",
        )
    if encryption != RELEASE:
        return (
            "He unsolders or clips the flash chip, where it is one of its own, and reads and changes all of it.",
            "He gets nothing through the serial port or JTAG, provided the node is locked.",
        )
    if boot != "v2" or jtag != OFF:
        return (
            "He puts older contents of the flash back, piece by piece, or tries what happens when pieces are damaged.",
            "He cannot read what is in its flash, or write anything there that means what he wants.",
        )
    return (
        "He has a node that reports until it is revoked, and may attack the chip itself, with glitches or a probe.",
        "He can neither read nor usefully change its flash, nor run a program that the city did not sign.",
    )
