# mypy: ignore-errors
"""MicroPython that runs under QEMU: measures what it takes to import a module, over stand-ins for all of the chip."""

import sys

from on_board.counting import cost

STAND_INS = ("asyncio", "bluetooth", "esp32", "machine", "neopixel", "network", "os", "select", "socket", "time")


class StandIn:
    """Has every name, and can be called and indexed, as far as modules do that while they are imported."""

    def __getattr__(self, _name):
        return self

    def __call__(self, *_arguments):
        return self

    def __getitem__(self, _key):
        return self


for name in STAND_INS:
    sys.modules[name] = StandIn()


def measure_import(name):
    """What importing takes, those that it needs being there."""
    cost("boot_import", lambda: __import__(name))
