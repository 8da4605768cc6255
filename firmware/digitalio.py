"""`digitalio` as far as CircuitPython drivers import it: a name for chip-select pins that Hadeda does not use."""


class DigitalInOut:
    """Named by drivers that could also use SPI."""
