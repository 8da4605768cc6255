"""A board made of stand-ins: installs machine, network and esp32, and wires node.build to fakes of buses and radio."""

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
        self.resets = 0
        self.watched = False
        self.cause = 1
        self.retained = Retained()
        self.mark = Retained()

    def reset(self):
        self.resets += 1
        self.cause = 2

    def cut(self):
        """It was gone for so long that RTC memory is empty."""
        self.cause = 1
        self.retained.data = self.mark.data = b""

    def reset_cause(self):
        return self.cause

    def heap_used(self):
        return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 50000

    def serial(self):
        return b"serial"

    def Retained(self, slot=0):
        return self.mark if slot else self.retained

    def Watchdog(self):
        self.watched = True
        return self

    def collect_every(self, _allocated):
        pass

    def feed(self):
        self.fed += 1


class City:
    """The broker: acknowledges and keeps what was published, hands out what is `retained` on a topic.

    A report that comes again, because there was no receipt for it, is in `messages` once; `heard` has everything.

    `on_message` is called with everything published, before it is acknowledged.
    """

    def __init__(self):
        self.messages = []
        self.heard = []
        self.retained = {}
        self.subscribed = []
        self.on_message = None
        self.reachable = True

    def connection(self):
        stream = Stream(split=7)
        topics = []

        def deliver(topic, payload):
            if topic in topics:
                stream.arrive(message_packet(topic, payload))

        def answer(packet):
            if packet[0] == 0x10:
                stream.arrive(b"\x20\x02\x00\x00")
            elif packet[0] == 0x82:
                topics.extend(topics_of(packet))
                self.subscribed.append(list(topics))
                stream.arrive(bytes((0x90, 2 + len(topics))) + packet[2:4] + bytes(len(topics)))
                for topic in topics:
                    if topic in self.retained:
                        deliver(topic, self.retained[topic])
            elif packet[0] == 0x32:
                at = packet.find(b"hadeda/up") + 9
                if packet[at + 2] != 0xD0 or packet[at + 2 :] not in self.heard:
                    self.messages.append(packet[at + 2 :])
                self.heard.append(packet[at + 2 :])
                if self.on_message is not None:
                    self.on_message(packet[at + 2 :])
                stream.arrive(b"\x40\x02" + packet[at : at + 2])
            elif packet[0] == 0xC0:
                stream.arrive(b"\xd0\x00")

        stream.on_write = answer
        return stream


def message_packet(topic, payload, first=0x31):
    """PUBLISH as a broker sends it, at QoS 0."""
    size = 2 + len(topic) + len(payload)
    length = b""
    while size > 127:
        length += bytes((size & 127 | 128,))
        size >>= 7
    return bytes((first,)) + length + bytes((size,)) + len(topic).to_bytes(2, "big") + topic.encode() + payload


def topics_of(packet):
    """The topics of a SUBSCRIBE with a length of one byte."""
    topics = []
    at = 4
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 2], "big")
        topics.append(packet[at + 2 : at + 2 + size].decode())
        assert packet[at + 2 + size] == 0  # QoS 0
        at += 3 + size
    return topics


class Board:
    """Everything that survives a reset, and what is soldered on. `buses` maps names to what hangs there.

    `partition` is the one for the keys (None: a stock partition table), `led` the board's lamp.
    """

    def __init__(self, buses, partition=None, flash=None):
        self.flash = flash or Flash()
        self.partition = partition
        self.led = None
        self.power = Power()
        self.city = City()
        self.clock = Clock()
        self.noise = 0
        self.lines = []
        self.buses = buses
        self.joined = []
        self.dead_networks = ()

    def make_noise(self):
        self.noise += 1
        return self.noise.to_bytes(36, "big")

    def boot(self):
        """The pipeline that node.build makes on this board."""
        from node import config

        self.wired()
        from node import build
        from node.boots import Boots

        return build.build(config.load(self.flash), self.flash, self.clock, Boots(self.flash, self.power))

    def wired(self):
        """node.main, on this board."""
        from node import build, main, sensing

        board = self

        class Radio:
            def __init__(self, _clock):
                pass

            async def up(self, ssid, password):
                board.joined.append((ssid, password))
                if not board.city.reachable or ssid in board.dead_networks:
                    raise OSError(116)

            def down(self):
                pass

            async def connect(self, _host, _port, _ca):
                return board.city.connection()

        class Entropy:
            noise = board.make_noise

        class KeyPartition:
            find = lambda: board.partition  # noqa: E731

        build.Radio = Radio
        build.KeyPartition = KeyPartition
        build.open_led = lambda _entry, _clock: board.led
        build.entropy = Entropy
        build.power = main.power = self.power
        build.Nvs = main.Nvs = lambda: board.flash
        sensing.open_bus = lambda entry, _clock: board.buses[entry["kind"], entry["id"]]
        return main

    def repl(self):
        """node.enrol as the host finds it; what it prints is in `lines`."""
        from node import enrol

        board = self

        class Entropy:
            noise = board.make_noise

        class KeyPartition:
            find = lambda: board.partition  # noqa: E731

        enrol.entropy = Entropy
        enrol.KeyPartition = KeyPartition
        enrol.power = self.power
        enrol.Files = lambda: board.flash
        enrol.Nvs = lambda: board.flash
        enrol.print = lambda *words: board.lines.append(" ".join(words))
        return enrol


__all__ = ["Board", "Uart"]
