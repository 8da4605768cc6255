"""What a chip's pins can and cannot do: one table for each chip, and nothing about any board.

A further chip (ESP32-C3, C6, ...) joins by adding a `Chip` to `CHIPS`. UART and I2C reach every ordinary pin through
the GPIO matrix, so a pin is fit for a bus unless its table says otherwise.

Sources: ESP32 Series Datasheet (pin definitions; strapping pins; RF current, table "Current consumption depending on
RF modes": transmit 802.11b at 19.5 dBm 240 mA, receive 95 to 100 mA), ESP32-S3 Series Datasheet (the same sections),
ESP-IDF programming guide, "I2C": SCL not above 400 kHz on either chip, two controllers each. GPIO20 of the ESP32 exists
in the chip and in MicroPython, but no WROOM or WROVER module leads it out: that is the board's header to say.
Receive and transmit current of the ESP32-S3 are the datasheet's as we know it; its table could not be looked up again.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """One chip. Pins are GPIO numbers; `reserved` and `strapping` say what a pin is for, in words for an error."""

    name: str
    title: str
    image: str  # the generic MicroPython image
    pins: frozenset[int]
    input_only: frozenset[int]
    reserved: dict[int, str]
    strapping: dict[int, str]
    i2c_count: int
    i2c_max_hz: int
    uart_count: int  # UART 0, the console, included
    uart_max_baud: int
    receive_ma: float  # Wi-Fi on and listening
    transmit_ma: float  # Wi-Fi sending, the most it draws

    def why_not(self, pin: int, drives: bool) -> str:
        """Why `pin` cannot serve a bus (`drives`: the chip must be able to drive it); empty when it can."""
        if pin not in self.pins:
            return f"{self.title} has no GPIO{pin}"
        if pin in self.reserved:
            return f"GPIO{pin} is kept for {self.reserved[pin]} on {self.title}"
        if pin in self.strapping:
            return f"GPIO{pin} is a strapping pin of {self.title}: its level at reset decides {self.strapping[pin]}"
        if drives and pin in self.input_only:
            return f"GPIO{pin} is input-only on {self.title}"
        return ""

    def free(self, drives: bool = True) -> list[int]:
        """The pins any bus may use, in order."""
        return [pin for pin in sorted(self.pins) if not self.why_not(pin, drives)]


def _pins(*spans: tuple[int, int]) -> frozenset[int]:
    return frozenset(pin for first, last in spans for pin in range(first, last + 1))


def _all(pins: frozenset[int], purpose: str) -> dict[int, str]:
    return dict.fromkeys(sorted(pins), purpose)


ESP32 = Chip(
    name="esp32",
    title="ESP32",
    image="ESP32_GENERIC",
    pins=_pins((0, 23), (25, 27), (32, 39)),
    input_only=_pins((34, 39)),
    reserved=_all(_pins((6, 11)), "the flash") | {1: "the console (UART0 TX)", 3: "the console (UART0 RX)"},
    strapping={
        0: "whether it boots or waits for a download",
        2: "whether it boots or waits for a download",
        5: "the timing of SDIO",
        12: "the voltage of the flash",
        15: "whether the boot messages are printed",
    },
    i2c_count=2,
    i2c_max_hz=400_000,
    uart_count=3,
    uart_max_baud=5_000_000,
    receive_ma=100.0,
    transmit_ma=240.0,
)

ESP32S3 = Chip(
    name="esp32s3",
    title="ESP32-S3",
    image="ESP32_GENERIC_S3",
    pins=_pins((0, 21), (26, 48)),
    input_only=frozenset(),
    reserved=_all(_pins((26, 32)), "the flash and PSRAM")
    | {19: "USB (D-)", 20: "USB (D+)", 43: "the console (UART0 TX)", 44: "the console (UART0 RX)"},
    strapping={
        0: "whether it boots or waits for a download",
        3: "where JTAG is found",
        45: "the voltage of the flash",
        46: "whether it boots or waits for a download",
    },
    i2c_count=2,
    i2c_max_hz=400_000,
    uart_count=3,
    uart_max_baud=5_000_000,
    receive_ma=91.0,
    transmit_ma=340.0,
)

CHIPS = {chip.name: chip for chip in (ESP32, ESP32S3)}
