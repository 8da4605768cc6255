"""Names that Adafruit's BusDevice mentions in annotations; MicroPython never evaluates those, CPython does."""

ReadableBuffer = bytes
WriteableBuffer = bytearray
