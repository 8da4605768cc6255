"""What a chip's pins can and cannot do: one table for each chip, and nothing about any board.

A further chip joins by adding a `Chip` to `CHIPS` and its currents to energy.py. UART and I2C reach every ordinary pin
through the GPIO matrix, so a pin is fit for a bus unless its table says otherwise.

Sources: ESP32 and ESP32-S3 Series Datasheets (pin definitions, strapping pins); ESP-IDF programming guide, "GPIO & RTC
GPIO" of each chip (flash, USB, strapping and RTC or LP pins: the latter can wake it from deep sleep), and "I2C": SCL at
most 400 kHz; user guides of the boards (UART 0 of C3 and C6). The datasheets of C3 and C6 could not be opened: what
their strapping pins decide is as we know it, and so is GPIO11 of the C3, the supply of the flash in the chip's package.
The low-power UART and I2C of the C6 are not counted: stock MicroPython offers the ordinary ones. GPIO20 of the ESP32
and GPIO14 of the C6 exist in the chip and in MicroPython, but modules do not lead them out: that is the board's header
to say. Chip ids and the bootloader's place are esptool's.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """One chip. Pins are GPIO numbers; `reserved` and `strapping` say what a pin is for, in words for an error."""

    name: str
    title: str
    image: str  # the generic MicroPython image
    machine: str  # what os.uname().machine says on that image
    image_id: int  # the chip id in the header of an image
    bootloader_at: int  # where in flash the ROM looks for it
    pins: frozenset[int]
    input_only: frozenset[int]
    reserved: dict[int, str]
    strapping: dict[int, str]
    wakes: frozenset[int]  # pins that can end a deep sleep
    i2c_count: int
    i2c_max_hz: int
    uart_count: int  # UART 0, the console, included
    uart_max_baud: int

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
    machine="Generic ESP32 module with ESP32",
    image_id=0,
    bootloader_at=0x1000,
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
    wakes=frozenset({0, 2, 4, *range(12, 16), 25, 26, 27, *range(32, 40)}),
    i2c_count=2,
    i2c_max_hz=400_000,
    uart_count=3,
    uart_max_baud=5_000_000,
)

ESP32S3 = Chip(
    name="esp32s3",
    title="ESP32-S3",
    image="ESP32_GENERIC_S3",
    machine="Generic ESP32S3 module with ESP32S3",
    image_id=9,
    bootloader_at=0,
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
    wakes=_pins((0, 21)),
    i2c_count=2,
    i2c_max_hz=400_000,
    uart_count=3,
    uart_max_baud=5_000_000,
)

ESP32C3 = Chip(
    name="esp32c3",
    title="ESP32-C3",
    image="ESP32_GENERIC_C3",
    machine="ESP32C3 module with ESP32C3",
    image_id=5,
    bootloader_at=0,
    pins=_pins((0, 21)),
    input_only=frozenset(),
    reserved=_all(_pins((12, 17)), "the flash")
    | {
        11: "the supply of the flash",
        18: "USB (D-)",
        19: "USB (D+)",
        20: "the console (UART0 RX)",
        21: "the console (UART0 TX)",
    },
    strapping={
        2: "whether it boots or waits for a download",
        8: "whether it can wait for a download, and whether the boot messages are printed",
        9: "whether it boots or waits for a download",
    },
    wakes=_pins((0, 5)),
    i2c_count=1,
    i2c_max_hz=400_000,
    uart_count=2,
    uart_max_baud=5_000_000,
)

ESP32C6 = Chip(
    name="esp32c6",
    title="ESP32-C6",
    image="ESP32_GENERIC_C6",
    machine="ESP32C6 module with ESP32C6",
    image_id=13,
    bootloader_at=0,
    pins=_pins((0, 30)),
    input_only=frozenset(),
    reserved=_all(_pins((24, 30)), "the flash")
    | {
        12: "USB (D-)",
        13: "USB (D+)",
        16: "the console (UART0 TX)",
        17: "the console (UART0 RX)",
    },
    strapping={
        4: "the timing of SDIO",
        5: "the timing of SDIO",
        8: "whether it can wait for a download, and whether the boot messages are printed",
        9: "whether it boots or waits for a download",
        15: "where JTAG is found",
    },
    wakes=_pins((0, 7)),
    i2c_count=1,
    i2c_max_hz=400_000,
    uart_count=2,
    uart_max_baud=5_000_000,
)

CHIPS = {chip.name: chip for chip in (ESP32, ESP32S3, ESP32C3, ESP32C6)}
