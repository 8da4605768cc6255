"""`neopixel` as stock images have it: a strip of WS2812 lamps (datasheet: green first, 24 or 32 bits a lamp)."""

from machine import bitstream

__version__ = "0.1.0"

_TIMING_400KHZ = (800, 1700, 1600, 900)  # ns: 0 high, 0 low, 1 high, 1 low
_TIMING_800KHZ = (400, 850, 800, 450)


class NeoPixel:
    ORDER = (1, 0, 2, 3)

    def __init__(self, pin, n, bpp=3, timing=1):
        self.pin = pin
        self.n = n
        self.bpp = bpp
        self.buf = bytearray(n * bpp)
        self.timing = timing if isinstance(timing, tuple) else (_TIMING_800KHZ if timing else _TIMING_400KHZ)
        pin.init(pin.OUT)

    def __len__(self):
        return self.n

    def __setitem__(self, i, v):
        for colour in range(self.bpp):
            self.buf[i * self.bpp + self.ORDER[colour]] = v[colour]

    def __getitem__(self, i):
        return tuple(self.buf[i * self.bpp + self.ORDER[colour]] for colour in range(self.bpp))

    def fill(self, v):
        for i in range(self.n):
            self[i] = v

    def write(self):
        bitstream(self.pin, 0, self.timing, self.buf)
