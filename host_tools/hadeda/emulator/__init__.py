"""The emulated board: real MicroPython running the real firmware; only the silicon is made up."""
