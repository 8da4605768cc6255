"""parts.toml: one documentation row for each part, with the facts of its datasheet.

The row is one of the three things `part = "bme280"` finds by name; the others are the driver, firmware/sensors, and the
chip model, hadeda/emulator/chips. What a driver or a model needs to know it takes from the datasheet itself, not from
here: these rows describe wiring, limits and accuracy for people and for the checks on board.toml.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from hadeda.board.problems import read_toml, validated
from hadeda.board.schema import Strict, Text, Word
from hadeda.paths import BOARDS

PARTS = BOARDS / "parts.toml"


class Channel(Strict):
    """One quantity the part measures. What the report has a channel for carries its name, and has its unit."""

    name: Word
    measures: Text
    accuracy: Text
    range: Text
    unit: Text | None = None  # of what no report channel has a unit for

    @property
    def reported_unit(self) -> str:
        """The unit on the page: the report's own where it is a report channel."""
        from hadeda.envelope import labels  # only the page asks; the package takes its time to import

        units = {name: unit for name, unit, _scale in labels.CHANNELS.values()}
        return units.get(self.name) or self.unit or ""


class Address(Strict):
    """A possible I2C address and where the address pin goes for it, if the part has such a pin."""

    value: Annotated[int, Field(ge=0x08, le=0x77)]
    wire_to: Text | None = None


class Wire(Strict):
    """A pin of the part and what it goes to: a supply, a pin of the bus, `address`, or `open`."""

    pin: Text
    to: Literal["3V3", "5V", "GND", "scl", "sda", "tx", "rx", "pin", "address", "open"]
    note: Text | None = None


class Current(Strict):
    """Supply current in mA: while it works, and the most its supply must be able to give."""

    working_ma: Annotated[float, Field(gt=0)]
    peak_ma: Annotated[float, Field(gt=0)]
    supply: Literal["3V3", "5V"]


class Part(Strict):
    """One part's row."""

    title: Text
    maker: Text
    kind: Literal["air", "traffic", "energy", "radio", "identity"]
    bus: Literal["i2c", "uart", "gpio"] | None = None  # a radio is the chip's own
    datasheet: Text
    package: Text | None = None  # the driver's package on PyPI, where it is not our own
    streams: bool = False  # speaks by itself, is not read at a period
    classes: tuple[Word, ...] = Field(default=(), strict=False)  # the road users it can tell, of a traffic part
    directions: tuple[Word, ...] = Field(default=("approaching", "receding"), strict=False)  # it tells, as classes
    speeds_kmh: tuple[int, int] | None = Field(default=None, strict=False)  # slowest and fastest it measures, if any
    min_period_s: Annotated[int, Field(ge=1)] = 1
    warm_up_s: Annotated[int, Field(ge=0)] = 0
    address: tuple[Address, ...] = Field(default=(), strict=False)
    max_freq_hz: int | None = None
    baud: int | None = None
    current: Current
    channel: tuple[Channel, ...] = Field(default=(), strict=False)
    wiring: tuple[Wire, ...] = Field(default=(), strict=False)
    notes: tuple[Text, ...] = Field(default=(), strict=False)

    @property
    def channels(self) -> tuple[str, ...]:
        """The report's channels it measures: none of a part that counts."""
        return tuple(channel.name for channel in self.channel) if self.kind in ("air", "energy") else ()

    @property
    def stays_awake(self) -> bool:
        """Whether its chip may not sleep deeply: a part that speaks by itself, or says what changed since last time."""
        return self.streams or self.kind == "energy"

    @model_validator(mode="after")
    def _wired_unless_a_radio(self) -> Self:
        """A radio has no bus and no wires, a secure element measures nothing; everything else has all of that."""
        if (not self.channel) != (self.kind == "identity"):
            raise PydanticCustomError("part_channel", "needs a channel, unless it is a secure element, which has none")
        if (self.bus is None) != (self.kind == "radio") or (self.bus is None) != (len(self.wiring) < 2):
            raise PydanticCustomError("part_wiring", "needs a bus and its wiring, unless it is a radio, which has none")
        return self


class _Parts(BaseModel):
    """The file: a table of parts by name."""

    parts: dict[Word, Part]


@cache
def load_parts(file: Path = PARTS) -> dict[str, Part]:
    """All rows, by part name. Raises `BoardError` naming the file, the table and the key."""
    rows = read_toml(file)
    return validated(_Parts, {"parts": rows}, file, skip=1).parts
