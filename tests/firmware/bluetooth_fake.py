"""A `bluetooth` module whose air is the test's: `AIR.say` lets somebody advertise, while a scan runs."""

import sys


class Air:
    """What the one radio does; `errors` are raised by the calls they are named after."""

    def __init__(self):
        self.calls = []
        self.errors = {}
        self.scanning = False
        self.active = False
        self.handler = None

    def happen(self, call, *arguments):
        if call in self.errors:
            raise self.errors[call]
        self.calls.append((call,) + arguments)  # noqa: RUF005 (MicroPython)

    def say(self, address_type, address, data=b"\x02\x01\x06"):
        """An advertising packet, in memory that is used again afterwards, as on the port."""
        if not self.scanning or self.handler is None:
            return
        place, rest = bytearray(address), bytearray(data)
        self.handler(5, (address_type, memoryview(place), 0, -70, memoryview(rest)))
        place[:] = b"\xaa" * 6

    def end_scan(self):
        self.scanning = False
        if self.handler is not None:
            self.handler(6, ())


AIR = Air()


class BLE:
    def active(self, on=None):
        if on is not None:
            AIR.happen("switch on" if on else "switch off")
            AIR.active = on
            AIR.scanning = AIR.scanning and on
        return AIR.active

    def irq(self, handler):
        AIR.handler = handler

    def gap_scan(self, duration_ms, interval_us, window_us, active):
        AIR.happen("gap_scan", duration_ms, interval_us, window_us, active)
        AIR.scanning = True


def install():
    """Make `import bluetooth` find this; returns the air, anew."""
    sys.modules["bluetooth"] = sys.modules[__name__]
    AIR.__init__()
    return AIR
