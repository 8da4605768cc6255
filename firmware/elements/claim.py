"""A chip is taken into service, called by the host over the REPL while it provisions the node; one line a call.

    tell()     CHIP <state> <serial number>
    take()     CHIP ours <serial number>        configured and locked, as far as it was not; nothing undoes that

    new        its configuration is open
    halfway    its configuration is ours and locked, its data zone is open
    ours       both are locked
    foreign    it is another chip, or was locked with another configuration: it will never be ours
    absent     it does not answer; in the serial number's place the labels.FAULT_* of that

Cut short anywhere, take() goes on from there. Ours is: four slots of private keys for P-256 that the chip makes, that
sign digests, that nothing writes or reads and a new key may replace; and twelve slots that are shut.
"""

from binascii import hexlify

from micropython import const

from elements.atecc608 import SLOTS, Atecc608, ElementFault, crc16
from node import config as configuration
from node.errors import NodeError
from ports import element
from ports.flash import Files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_READ = const(0x02)
_WRITE = const(0x12)
_LOCK = const(0x17)
_BLOCK = const(0x80)  # 32 bytes at once
_LOCK_DATA = const(0x81)  # without its CRC: there is nothing in it yet
_CONFIG_SIZE = const(128)
_REVISION = const(6)
_ATECC608 = const(0x60)
_DATA_STATE = const(86)
_CONFIG_STATE = const(87)
_OPEN = const(0x55)

_SHUT = 16 - SLOTS
_OURS = (
    (16, b"\xc0\x00\x00\x00"),  # its address; ChipMode: a watchdog of 1.3 s, the clock not divided
    # SlotConfig. 0x2081: secret, signs what comes from outside, GenKey may replace it. 0x8f8f: neither read nor written
    (20, b"\x81\x20" * SLOTS + b"\x8f\x8f" * _SHUT),
    (68, b"\x00\x00\x00\x00"),  # no limited use, no volatile key, no secure boot
    (88, b"\xff\xff\x00\x00"),  # no slot locked, no options
    (92, b"\x00\x00\x00\x00"),  # no certificates
    # KeyConfig. 0x0013: private, P-256, its public key may be asked for. 0x001c: no key of a curve
    (96, b"\x13\x00" * SLOTS + b"\x1c\x00" * _SHUT),
)


def place(config: "dict[str, Any]") -> bytes:
    """Where the configuration says that the chip is: controller, SCL, SDA."""
    entry = config["identity"]
    return bytes((entry["id"], entry["scl"], entry["sda"]))


def tell() -> None:
    """Print how the chip stands."""
    _say(_chip())


def take() -> None:
    """Configure and lock it, for good; print how it stands then."""
    chip = _chip()
    try:
        take_over(chip)
    except ElementFault as error:
        print("hadeda: the chip:", error)
    _say(chip)


def state(config: bytes) -> str:
    """How a chip with this configuration zone stands."""
    if config[_REVISION] != _ATECC608:
        return "foreign"
    if config[_CONFIG_STATE] == _OPEN:
        return "new"
    if not _is_ours(config):
        return "foreign"
    return "halfway" if config[_DATA_STATE] == _OPEN else "ours"


def read(chip: Atecc608) -> bytes:
    """The configuration zone."""
    blocks = [chip.run((_READ, _BLOCK, block << 3, b"", 32)) for block in range(_CONFIG_SIZE // 32)]
    return b"".join(blocks)


def take_over(chip: Atecc608) -> None:
    """Go as far as needed. NodeError for a chip that will never be ours."""
    config = read(chip)
    if state(config) == "new":
        for offset, wanted in _OURS:
            for at in range(0, len(wanted), 4):
                word = wanted[at : at + 4]
                if config[offset + at : offset + at + 4] != word:
                    chip.run((_WRITE, 0, (offset + at) // 4, word, 1))
        config = read(chip)
        if not _is_ours(config):
            raise NodeError("the chip does not take its configuration")
        chip.run((_LOCK, 0, int.from_bytes(crc16(config), "little"), b"", 1))
        config = read(chip)
    if state(config) == "halfway":
        chip.run((_LOCK, _LOCK_DATA, 0, b"", 1))
        config = read(chip)
    if state(config) != "ours":
        raise NodeError("the chip was locked by somebody else")


def _is_ours(config: bytes) -> bool:
    return all(config[offset : offset + len(wanted)] == wanted for offset, wanted in _OURS)


def _chip() -> Atecc608:
    return Atecc608(element.open_bus(place(configuration.load(Files()))), element.wait_ms)


def standing(chip: Atecc608) -> "list[str]":
    """[state, serial number], as tell() says them."""
    try:
        config = read(chip)
    except ElementFault as error:
        return ["absent", str(error.kind)]
    return [state(config), hexlify(config[:4] + config[8:13]).decode()]


def _say(chip: Atecc608) -> None:
    print("CHIP", *standing(chip))
