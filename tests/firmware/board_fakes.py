"""A board made of stand-ins: installs machine, network and esp32, and wires node.main to fakes of buses and radio."""

import gc
import os
import sys

from firmware.fakes import Clock, Flash, Retained, Stream, Uart

if sys.implementation.name == "micropython":
    # Adafruit's driver as PyPI installs it, compiled on the fly
    for _folder in os.listdir(".venv/lib"):  # noqa: PTH208
        sys.path.append(".venv/lib/" + _folder + "/site-packages")


class _Anything:
    """Any name of a module, any call of it."""

    def __init__(self, *_args, **_settings):
        pass

    def __getattr__(self, name):
        if name[:2] == "__":
            raise AttributeError(name)
        return _Anything()

    def __call__(self, *_args, **_settings):
        return _Anything()


for _name in ("machine", "network", "esp32"):
    if _name not in sys.modules:
        sys.modules[_name] = _Anything()


class Power:
    """ports.power"""

    def __init__(self):
        self.fed = 0
        self.retained = Retained()

    def reset_cause(self):
        return 1

    def heap_used(self):
        return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 50000

    def serial(self):
        return b"serial"

    def Retained(self):
        return self.retained

    def Watchdog(self):
        return self

    def feed(self):
        self.fed += 1


class City:
    """The broker: acknowledges and keeps what was published."""

    def __init__(self):
        self.messages = []
        self.reachable = True

    def connection(self):
        stream = Stream(split=7)

        def answer(packet):
            if packet[0] == 0x10:
                stream.arrive(b"\x20\x02\x00\x00")
            elif packet[0] == 0x32:
                at = packet.find(b"hadeda/up") + 9
                self.messages.append(packet[at + 2 :])
                stream.arrive(b"\x40\x02" + packet[at : at + 2])

        stream.on_write = answer
        return stream


class Board:
    """Everything that survives a reset, and what is soldered on. `buses` maps names to what hangs there."""

    def __init__(self, buses):
        self.flash = Flash()
        self.power = Power()
        self.city = City()
        self.clock = Clock()
        self.noise = 0
        self.lines = []
        self.buses = buses

    def make_noise(self):
        self.noise += 1
        return self.noise.to_bytes(36, "big")

    def boot(self):
        """The pipeline that node.main builds on this board."""
        from node import config, keystore, main

        board = self

        class Radio:
            def __init__(self, _ssid, _password, _clock):
                pass

            async def up(self):
                if not board.city.reachable:
                    raise OSError(116)

            def down(self):
                pass

            async def connect(self, _host, _port, _ca):
                return board.city.connection()

        class Entropy:
            noise = board.make_noise

        main.Radio = Radio
        main.entropy = Entropy
        main.power = self.power
        main.Nvs = lambda: board.flash
        main.open_bus = lambda entry, _clock: board.buses[entry["kind"], entry["id"]]
        return main.build(config.load(self.flash), keystore.load(self.flash), self.flash, self.clock)

    def repl(self):
        """node.enrol as the host finds it; what it prints is in `lines`."""
        from node import enrol

        board = self

        class Entropy:
            noise = board.make_noise

        enrol.entropy = Entropy
        enrol.power = self.power
        enrol.Files = lambda: board.flash
        enrol.Nvs = lambda: board.flash
        enrol.print = lambda *words: board.lines.append(" ".join(words))
        return enrol


__all__ = ["Board", "Uart"]
