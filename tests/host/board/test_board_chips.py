"""What each chip's pins can do, as ESP-IDF's pages "GPIO & RTC GPIO" and the boards' user guides say it."""

import pytest

from hadeda.board import load, names
from hadeda.board.chips import CHIPS

FLASH = {"esp32": range(6, 12), "esp32s3": range(26, 33), "esp32c3": range(12, 18), "esp32c6": range(24, 31)}
STRAPPING = {"esp32": [0, 2, 5, 12, 15], "esp32s3": [0, 3, 45, 46], "esp32c3": [2, 8, 9], "esp32c6": [4, 5, 8, 9, 15]}
USB = {"esp32": [], "esp32s3": [19, 20], "esp32c3": [18, 19], "esp32c6": [12, 13]}
CONSOLE = {"esp32": [1, 3], "esp32s3": [43, 44], "esp32c3": [20, 21], "esp32c6": [16, 17]}
UARTS = {"esp32": 3, "esp32s3": 3, "esp32c3": 2, "esp32c6": 2}
WAKING = {"esp32": 18, "esp32s3": 22, "esp32c3": 6, "esp32c6": 8}


@pytest.mark.parametrize("name", CHIPS)
def test_pins_that_are_kept_for_something_are_refused_with_what(name: str) -> None:
    chip = CHIPS[name]
    for pins, word in ((FLASH, "flash"), (USB, "USB"), (CONSOLE, "console")):
        assert all(word in chip.why_not(pin, drives=False) for pin in pins[name])
    assert sorted(chip.strapping) == STRAPPING[name]
    assert all("strapping pin" in chip.why_not(pin, drives=True) for pin in STRAPPING[name])


@pytest.mark.parametrize("name", CHIPS)
def test_every_other_pin_is_free(name: str) -> None:
    chip = CHIPS[name]
    kept = {*FLASH[name], *STRAPPING[name], *USB[name], *CONSOLE[name]} | ({11} if name == "esp32c3" else set())
    assert set(chip.free(drives=False)) == set(chip.pins) - kept


@pytest.mark.parametrize("name", CHIPS)
def test_uarts_and_pins_that_wake(name: str) -> None:
    assert CHIPS[name].uart_count == UARTS[name]
    assert len(CHIPS[name].wakes) == WAKING[name]


@pytest.mark.parametrize("name", names())
def test_a_boards_headers_lead_out_pins_of_its_chip_once(name: str) -> None:
    board = load(name)
    pins = [label for labels in board.headers.values() for label in labels if isinstance(label, int)]
    assert len(pins) == len(set(pins))
    assert set(pins) <= board.silicon.pins


def test_input_only_pins_are_the_esp32s_alone() -> None:
    assert {name for name, chip in CHIPS.items() if chip.input_only} == {"esp32"}
