"""A street where everything that passes can be recognised again, and a board whose parts see, hear and tell it.

The radar measures without error, the camera sees one box on a known way, phones have known addresses and names. The
camera's module says more than it was asked for: number plates, in every place of its protocol where text can stand.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hadeda.board import Board, load
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.chips import ble_footfall, grove_vision, ld2451
from hadeda.emulator.chips.base import Surroundings
from hadeda.emulator.street_view import SIDE_PX, Scene
from hadeda.paths import BOARDS
from hadeda.scenario import Air, Passage, World

PLATES = ("CA 481-516", "ND 234 2108", "KBT 773 EC")
PHONES = {bytes.fromhex(f"dec0de{number:06x}"): f"{owner}'s phone" for number, owner in
          ((0xA10B01, "Nomsa"), (0xA27C12, "Pieter"), (0xA38D23, "Ayanda"), (0xA49E34, "Fatima"))}  # fmt: skip
SPEEDS_KMH = (113, 131, 97, 127)  # of a day's vehicles, in their order
VEHICLES_S = (20.4, 27.4, 34.4, 41.4)  # after the minute; where nothing that the node does of itself happens
WALKERS_S = (24.6, 38.6)
# The box of whoever walks by: it is seen at these places, one after the other, each for a quarter of a second
BOX_Y, BOX_WIDTH, BOX_HEIGHT, BOX_SCORE = 173, 57, 91, 83
PLACES_PX = tuple(range(43, 203, 10))
_STEP_S = 0.25
_LOCAL_NAME = 0x09  # Complete Local Name, in an advertising packet
_CAMERA, _RADAR = "grove_vision", "ld2451"

# What the shipped camera board lacks: the radar, and an ear. The radar counts vehicles, the camera who walks
_MORE = """
classes = ["person"]

[bus.uart2]
kind = "uart"
id = 2
tx = 4
rx = 5
baud = 115_200

[[sensor]]
part = "ld2451"
bus = "uart2"
period_s = 0

[[sensor]]
part = "ble_footfall"
period_s = 0
"""


def board_with_everything(folder: Path) -> Board:
    """The camera board with the radar and the radio beside it, checked like every board."""
    shipped = "esp32-s3-devkitc-1-camera"
    text = (BOARDS / shipped / "board.toml").read_text(encoding="utf-8")
    file = folder / "board.toml"
    file.write_text(text.replace(f'name = "{shipped}"', 'name = "everything"') + _MORE, encoding="utf-8")
    return load(file)


class PlantedStreet:
    """The air of a world, and nobody in its street but who passes in the minutes that begin at `minutes_s`."""

    def __init__(self, world: World, minutes_s: list[float]) -> None:
        self._world = world
        self.vehicles = [
            Passage(minute_s + at_s, "car", "approaching", float(speed))
            for minute_s in minutes_s
            for at_s, speed in zip(VEHICLES_S, SPEEDS_KMH, strict=True)
        ]
        self.walkers = [
            Passage(minute_s + at_s, "pedestrian", direction, 5.0)
            for minute_s in minutes_s
            for at_s, direction in zip(WALKERS_S, ("approaching", "receding"), strict=True)
        ]

    def air(self, t: float) -> Air:
        return self._world.air(t)

    def passages(self, t0: float, t1: float) -> list[Passage]:
        found = [passage for passage in self.vehicles + self.walkers if t0 <= passage.time_s < t1]
        return sorted(found, key=lambda passage: passage.time_s)

    def move_in(self, emulated: EmulatedBoard, board: Board) -> None:
        """From now on the board's sensors are in this street."""
        parts = [sensor.part for sensor in board.sensors]
        emulated.wiring.attach(board, parts.index(_CAMERA), TalkativeCamera(self))
        emulated.wiring.attach(board, parts.index(_RADAR), ExactRadar(self))
        emulated.bluetooth.street = NamedPhones(self)


class ExactRadar(ld2451.Ld2451):
    """A radar that measures a vehicle's speed as it is; one vehicle at a time."""

    def _look(self, number: int) -> None:
        super()._look(number)
        self._in_beam = [
            (track, first, [_at_speed(target, round(track.passage.speed_kmh)) for target in shown])
            for track, first, shown in self._in_beam
        ]


def _at_speed(target: bytes, speed_kmh: int) -> bytes:
    """A radar target's five bytes with another speed, the fourth; what was not seen stays unseen."""
    return target and target[:3] + bytes([speed_kmh]) + target[4:]


class Way(Scene):
    """A detector's view of who walks by: one box, at known places."""

    def boxes(self, at: float, *_: object) -> list[list[int]]:
        found = []
        for passage in self.present(at):
            step = int((at - passage.time_s) // _STEP_S) + len(PLACES_PX) // 2
            if passage.kind == "pedestrian" and 0 <= step < len(PLACES_PX):
                x = PLACES_PX[step] if passage.direction == "receding" else SIDE_PX - PLACES_PX[step]
                found.append([x, BOX_Y, BOX_WIDTH, BOX_HEIGHT, BOX_SCORE, grove_vision.TARGETS["person"]])
        return found


class TalkativeCamera(grove_vision.GroveVision):
    """A module whose firmware reads number plates, and says so wherever it can while somebody walks by."""

    def __init__(self, street: PlantedStreet) -> None:
        super().__init__(street)
        self._scene = Way(street, 0)
        self._asides = _asides()
        self.said = 0

    def _say(self, at: float, kind: int, name: str, data: object, code: int = 0) -> None:
        if kind == 1 and isinstance(data, dict) and data.get("boxes"):
            # Not before every result: most of them must get through, or nobody is counted
            self.said += 1
            if self.said % 4 == 0:
                self._said.append((at, next(self._asides)))
            data = {**data, "plate": PLATES[0], "names": list(PLATES[:2]), "labels": [[PLATES[2], 0.97]]}
        super()._say(at, kind, name, data, code)


def _asides() -> Iterator[bytes]:
    """Lines that nobody asked for, the one after the other, for ever."""
    plate, other, third = PLATES
    box = [100, BOX_Y, BOX_WIDTH, BOX_HEIGHT, BOX_SCORE, 0]
    answers: list[dict[str, Any]] = [
        {"type": 1, "name": "INVOKE", "code": 0, "data": {"boxes": [[*box[:5], plate]]}},
        {"type": 1, "name": other, "code": 0, "data": {"boxes": [box]}},
        {"type": 1, "name": "INVOKE", "code": 0, "data": other},
        {"type": 0, "name": "INFO?", "code": 0, "data": {"info": third}},
        {"type": 2, "name": "LPR", "code": 0, "data": f"read {plate}"},
        {"type": plate, "name": "INVOKE", "code": other, "data": third},
        {"type": 1, "name": "INVOKE", "code": 0, "data": {"boxes": [], "image": base64.b64encode(
            plate.encode() * 40).decode()}},
    ]  # fmt: skip
    lines = [json.dumps(answer).encode() for answer in answers]
    lines += [lines[0][:-3], b'{"' + plate.encode() + b'": ' + lines[0], plate.encode() * 200, third.encode()]
    while True:
        for line in lines:
            yield b"\r" + line + b"\n"


class NamedPhones(ble_footfall.PassingDevices):
    """Phones with known addresses stand in the street and say their owner's name, among others."""

    def __init__(self, street: Surroundings) -> None:
        super().__init__(street, standing=ble_footfall.Standing(rotating=5, fixed=0, addresses=list(PHONES)))

    def advertising(self, t0: float, t1: float) -> list[ble_footfall.Advertising]:
        return [_named(packet) for packet in super().advertising(t0, t1)]


def _named(packet: ble_footfall.Advertising) -> ble_footfall.Advertising:
    name = PHONES.get(packet.address, "").encode()
    return replace(packet, data=packet.data + bytes((1 + len(name), _LOCAL_NAME)) + name) if name else packet


@dataclass(frozen=True)
class Seen:
    """What the node makes of the planted things before it counts them."""

    boxes: tuple[tuple[int, ...], ...]  # y, width, height; as the module says them, and in thousandths
    places: tuple[tuple[int, ...], ...]  # with x
    passages: tuple[tuple[int, ...], ...]  # the events of node/sample.py


def seen_by_the_node() -> Seen:
    """The numbers a leak of coordinates or events would consist of; walkers have no speed, so no event of their own."""
    box = (BOX_Y, BOX_WIDTH, BOX_HEIGHT)
    share = tuple(number * 1000 // SIDE_PX for number in box)
    xs = (*PLACES_PX, *(SIDE_PX - place for place in PLACES_PX))
    return Seen(
        boxes=(box, share),
        places=tuple(place for x in xs for place in ((x, *box), (x * 1000 // SIDE_PX, *share))),
        passages=tuple((2, 0, 0, speed) for speed in SPEEDS_KMH),
    )
