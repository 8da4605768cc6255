"""The shape of a board.toml: tables, keys, types and ranges. Unknown keys are errors.

What needs more than one table to judge (pins, addresses, buses against the chip and the parts) is in `rules.py`.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hadeda.board import partitions
from hadeda.board.chips import CHIPS, Chip

ELEMENTS = {"atecc608": 0x60}  # secure elements that can have the identity key -> their address on I2C
NODE_MAX_SENSORS = 32  # the report counts faults by sensor index times eight; one byte of codes is plenty


class Strict(BaseModel):
    """No unknown keys, no conversions (a quoted number is a mistake), no changes once it is read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=32)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
Pin: TypeAlias = Annotated[int, Field(ge=0, le=99)]
PinText = Annotated[str, StringConstraints(pattern=r"^\d{1,2}$")]  # TOML keys are text
Label = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9+\-]+$", max_length=8)]


class MicroPython(Strict):
    """The official image the board is flashed with, by its name on the download page, and the oldest that will do.

    `sha256` pins one file: no other is flashed.
    """

    image: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]+(-[A-Z0-9_]+)?$")]
    min_version: Annotated[str, StringConstraints(pattern=r"^1\.\d{1,3}(\.\d{1,3})?$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None

    @property
    def oldest(self) -> tuple[int, ...]:
        """`min_version` as numbers."""
        return tuple(map(int, self.min_version.split(".")))

    @property
    def file(self) -> str:
        """What the file is called where it is published; the date and version are the release's."""
        return f"{self.image}-YYYYMMDD-vX.Y.Z.bin"

    @property
    def page(self) -> str:
        """Where MicroPython publishes it: a variant of an image stands on the image's own page."""
        return f"https://micropython.org/download/{self.image.split('-')[0]}/"


class Budgets(Strict):
    """What the node may use, in KB (1024 bytes)."""

    heap_kb: Annotated[int, Field(ge=32, le=8192)]
    firmware_kb: Annotated[int, Field(ge=16, le=4096)]  # of each of two slots: the one that runs, and the next
    outbox_kb: Annotated[int, Field(ge=16, le=65536)]


class I2cBus(Strict):
    """An I2C controller (`id`) on two pins."""

    kind: Literal["i2c"]
    id: Annotated[int, Field(ge=0)]
    scl: Pin
    sda: Pin
    freq_hz: Annotated[int, Field(ge=1000)]

    def pins(self) -> dict[str, tuple[int, bool]]:
        """Key in board.toml -> (GPIO, whether the chip drives it)."""
        return {"scl": (self.scl, True), "sda": (self.sda, True)}


class UartBus(Strict):
    """A UART (`id`) on two pins, named from the chip's side: `tx` is what the chip sends on."""

    kind: Literal["uart"]
    id: Annotated[int, Field(ge=0)]
    tx: Pin
    rx: Pin
    baud: Annotated[int, Field(ge=300)]

    def pins(self) -> dict[str, tuple[int, bool]]:
        """Key in board.toml -> (GPIO, whether the chip drives it)."""
        return {"tx": (self.tx, True), "rx": (self.rx, False)}


class GpioBus(Strict):
    """One plain input: `pin`, held high where nobody else holds it by the chip's own pull-up or by a resistor outside.

    It rests low: a cable that is cut reads high, which no detector says for long.
    """

    kind: Literal["gpio"]
    pin: Pin
    pull: Literal["internal", "external"]

    def pins(self) -> dict[str, tuple[int, bool]]:
        """Key in board.toml -> (GPIO, whether the chip drives it)."""
        return {"pin": (self.pin, False)}


Bus: TypeAlias = I2cBus | UartBus | GpioBus


def speed(bus: Bus) -> str:
    """How fast a bus is, for people; a plain input has no speed."""
    if isinstance(bus, I2cBus):
        return f"{bus.freq_hz // 1000} kHz"
    return f"{bus.baud} baud" if isinstance(bus, UartBus) else ""


def controller(bus: Bus) -> str:
    """What of the chip works a bus, for people, such as "UART1"."""
    return "GPIO" if isinstance(bus, GpioBus) else f"{bus.kind.upper()}{bus.id}"


class Sensor(Strict):
    """One part on one bus; the chip's own radio is on none.

    `period_s` is how often it is read, 0 for a part that speaks by itself.

    `classes` are the road users that this sensor counts, all its part can tell if not said; others it sees are left
    to another sensor.
    """

    part: Word
    bus: Word | None = None
    address: Annotated[int, Field(ge=0x08, le=0x77)] | None = None
    period_s: Annotated[int, Field(ge=0, le=3600)]
    classes: Annotated[tuple[Word, ...], Field(min_length=1, max_length=8, strict=False)] | None = None


class Led(Strict):
    """The lamp a person in the street can find the node by: a plain one (`gpio`, lit when high) or one WS2812."""

    kind: Literal["gpio", "neopixel"]
    pin: Pin


class DeepSleep(Strict):
    """The chip sleeps deeply between samples; after every so many windows its radio is on."""

    radio_every: Annotated[int, Field(ge=1, le=96)]  # windows


class Board(Strict):
    """A board as its board.toml describes it. `buses` and `sensors` are the tables `bus` and `sensor` of the file.

    `identity` says where the node's identity key is: in the flash, or in a secure element on the first I2C bus.
    """

    name: Name
    title: Text
    maker: Text
    url: Url | None = None
    chip: Word
    flash_mb: Literal[4, 8, 16, 32]
    micropython: MicroPython
    budgets: Budgets
    headers: dict[Text, list[Pin | Label]] = Field(default_factory=dict)
    onboard: dict[PinText, Text] = Field(default_factory=dict)
    identity: Literal["flash", "atecc608"] = "flash"
    led: Led | None = None
    sleep: DeepSleep | None = None
    buses: dict[Word, Annotated[Bus, Field(discriminator="kind")]] = Field(alias="bus")
    sensors: tuple[Sensor, ...] = Field(alias="sensor", min_length=1, max_length=NODE_MAX_SENSORS, strict=False)

    @property
    def silicon(self) -> Chip:
        """The chip's own table; a loaded board always has one."""
        return CHIPS[self.chip]

    @property
    def element(self) -> Sensor | None:
        """The secure element and its place, as if it were a sensor; None where the identity key is in flash."""
        if self.identity not in ELEMENTS:
            return None
        bus = next((name for name, bus in self.buses.items() if isinstance(bus, I2cBus)), None)
        return Sensor(part=self.identity, bus=bus, address=ELEMENTS[self.identity], period_s=0)

    @property
    def wired(self) -> tuple[Sensor, ...]:
        """Everything that is on the board beside its chip: the sensors, and the secure element if there is one."""
        return self.sensors if self.element is None else (*self.sensors, self.element)

    @property
    def filesystem_kb(self) -> int:
        """What our partition table leaves for the node's files, outbox included, in KB."""
        return partitions.find(partitions.hadeda(self.flash_mb), partitions.FILES).size // 1024

    def header_of(self, pin: int) -> str:
        """Where a GPIO is on the board, such as "J1-15"; empty when the file describes no headers."""
        for header, labels in self.headers.items():
            if pin in labels:
                return f"{header}-{labels.index(pin) + 1}"
        return ""
