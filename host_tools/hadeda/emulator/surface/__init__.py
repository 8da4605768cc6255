"""The ESP32's module surface, in MicroPython: frozen into the emulated board's interpreter.

Every module here has the name of the module it stands for (`machine`, `esp32`, `network`, `time`, ...). Whatever
needs silicon is asked of the host over the wire (`_wire.py`); the host answers from chip models, flash image and world.
`opcodes.py` is the one table of requests, read by both ends.
"""
