"""Seeed Studio Grove Vision AI Module V2 (Himax WiseEye2) with a camera, line level, on a UART at 921600 baud, 8N1.

Source: "AT Protocol Specification v2023.12.12" (Seeed-Studio/SSCMA-Micro, docs/protocol/at_protocol.md); the baud rate
and what x and y of a box mean are from Seeed's wiki.

    command   AT+ [tag @] name [? | = arguments] CR          answer, event, log   CR JSON LF
    JSON      type (0 answer, 1 event, 2 log), name (as sent, with its tag), code (0 done, else an error), data

    ID?  NAME?  VER?  STAT?  SENSOR?  SENSOR=1,1,0  MODEL?  INVOKE?  BREAK  RST     the module itself
    TSCORE?  TSCORE=0..100  TIOU?  TIOU=0..100                                       the detector's thresholds
    INVOKE=times,differed,results only    an answer, then an event for each result; -1 times is for ever. Differed:
                                          only when the boxes are others than before. Not results only: with `image`,
                                          a JPEG in base64. An INVOKE or BREAK ends the one before.
    event     count (of this INVOKE), perf [before, run, after, in ms], boxes [[x, y, w, h, score, target], ...],
              resolution [width, height]. x and y are the middle of the box, in pixels.

Not in the specification, so chosen: `resolution` is in the events because the firmware writes it, and the two INIT
lines at power-up, which forum posts show. What it says to an unknown command or a wrong number of arguments (a log
named AT, code 5) and when; that a result takes 70 ms; 1 s from power or RST to the INIT lines. Newer firmware takes
INVOKE=times,results only: `invoke_arguments=2` is such a module.

What the camera sees, and what its detector gets wrong, is in emulator/street_view.py. What else can go wrong, each with
a probability: an event is cut short (`truncated`: the end of the JSON, or with it the LF) or sent twice (`repeated`).
`disobedient` sends pictures whatever it was asked, `blind` has no camera and answers code 4. What a wire does is in
faults.py.
"""

import base64
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hadeda.emulator.chips.base import OnEvent, Surroundings
from hadeda.emulator.street_view import SIDE_PX, DetectorFlaws, Scene
from hadeda.scenario import Passage

# COCO's numbers
TARGETS = {"person": 0, "bicycle": 1, "car": 2, "bus": 5, "truck": 7}

_LONGEST_COMMAND = 4095
_ANSWER_S = 0.004
_RESULT_S = 0.070
_BOOT_S = 1.0
_PERF_MS = [8, 50, 1]
_PICTURE_BYTES = 6000
_EINVAL, _EIO = 5, 4
# Who passed the middle so long ago, unseen, is not told any more.
_JUST_S = 5.0
# A line nobody reads keeps nothing: after a longer silence only what is being said now is heard.
_BACKLOG_S = 10.0


@dataclass
class Flaws(DetectorFlaws):
    """What is wrong with the module besides its detector; probabilities from 0 to 1."""

    truncated: float = 0.0
    repeated: float = 0.0
    disobedient: bool = False
    blind: bool = False


@dataclass
class Invocation:
    """An INVOKE that is being carried out."""

    name: str
    times: int
    differed: bool
    results_only: bool
    next_s: float
    count: int = 0
    before: list[list[int]] | None = None


class GroveVision:
    """One module, powered from the moment it is first spoken to or asked."""

    def __init__(
        self,
        world: Surroundings,
        seed: int = 0,
        *,
        flaws: Flaws | None = None,
        targets: Mapping[str, int] = TARGETS,
        invoke_arguments: int = 3,
    ) -> None:
        self.on_event: OnEvent | None = None
        self.baudrate = 921_600
        self.flaws = flaws or Flaws()
        self.targets = dict(targets)
        self.settings = {"TSCORE": 60, "TIOU": 50}
        self.pictures_sent = 0
        self._invoke_arguments = invoke_arguments
        self._scene = Scene(world, seed)
        self._rng = random.Random(f"grove vision {seed}")
        self._ready_s: float | None = None
        self._inbox = bytearray()
        self._said: list[tuple[float, bytes]] = []
        self._invocation: Invocation | None = None
        self._announced: set[Passage] = set()

    def receive(self, data: bytes, now: float) -> None:
        """Commands, in any pieces; what is not a whole command is passed over."""
        self._speak_until(now)
        if self._ready_s is None or now < self._ready_s:
            return
        self._inbox += data
        while (end := self._inbox.find(b"\r")) >= 0:
            line = bytes(self._inbox[:end]).strip(b"\n")
            del self._inbox[: end + 1]
            at = line.find(b"AT+")
            if at >= 0:
                self._execute(line[at + 3 :].decode("ascii", "replace"), now)
        del self._inbox[:-_LONGEST_COMMAND]

    def next_transmission(self, now: float) -> float | None:
        """When the next line is due."""
        self._power(now)
        due = [at for at, _ in self._said]
        if self._invocation:
            due.append(self._invocation.next_s)
        return max(now, min(due)) if due else None

    def transmit(self, now: float) -> bytes:
        """The lines due up to now."""
        self._speak_until(now)
        said = b"".join(data for at, data in self._said if at <= now)
        self._said = [entry for entry in self._said if entry[0] > now]
        return said

    def _power(self, now: float) -> None:
        if self._ready_s is None:
            self._boot(now)

    def _boot(self, now: float) -> None:
        self._ready_s = now + _BOOT_S
        self._invocation = None
        self._inbox.clear()
        self._say(self._ready_s, 1, "INIT@SENSOR", {"sensor": self._sensor()})
        self._say(self._ready_s, 0, "INIT@STAT?", {"boot_count": 0, "is_ready": 1})

    def _speak_until(self, now: float) -> None:
        """Says the results due up to now."""
        self._power(now)
        self._said = [entry for entry in self._said if entry[0] >= now - _BACKLOG_S]
        running = self._invocation
        while running is self._invocation and running and running.next_s <= now:
            self._result(running, max(running.next_s, now - _BACKLOG_S))

    def _result(self, running: Invocation, at: float) -> None:
        """Says one result, and whether there is another one."""
        running.count += 1
        running.next_s = at + _RESULT_S
        if 0 <= running.times <= running.count or self.flaws.blind:
            self._invocation = None
        if self.flaws.blind:
            self._say(at, 1, running.name, {"count": running.count}, _EIO)
            return
        threshold = self.settings["TSCORE"]
        boxes = [box for box in self._scene.boxes(at, self.flaws, self.targets) if box[4] >= threshold]
        self._announce(at)
        if running.differed and boxes == (running.before or []):
            return
        running.before = boxes
        data = {"count": running.count, "perf": _PERF_MS, "boxes": boxes, "resolution": [SIDE_PX, SIDE_PX]}
        if self.flaws.disobedient or not running.results_only:
            data["image"] = base64.b64encode(self._rng.randbytes(_PICTURE_BYTES)).decode()
            self.pictures_sent += 1
        self._say(at, 1, running.name, data)

    def _announce(self, at: float) -> None:
        """Tells who has just passed the middle of the picture."""
        passed = {passage for passage in self._scene.present(at) if 0 <= at - passage.time_s < _JUST_S}
        for passage in sorted(passed - self._announced, key=lambda passage: passage.time_s):
            if self.on_event:
                self.on_event(at, f"{passage.kind} {passage.direction}")
        self._announced = passed

    def _execute(self, text: str, now: float) -> None:
        name, _, arguments = text.partition("=")
        command = name.split("@")[-1]
        numbers = _numbers(arguments)
        if command == "RST":
            self._said = []
            self._boot(now)
        elif command == "BREAK":
            self._invocation = None
            self._say(now + _ANSWER_S, 0, name, round(now) % 2**31)
        elif command == "INVOKE" and numbers is not None and len(numbers) == self._invoke_arguments:
            self._invoke(name, numbers, now)
        elif command in self.settings and numbers is not None and len(numbers) == 1:
            allowed = 0 <= numbers[0] <= 100
            if allowed:
                self.settings[command] = numbers[0]
            self._say(now + _ANSWER_S, 0, name, self.settings[command], 0 if allowed else _EINVAL)
        elif command == "SENSOR" and numbers is not None and len(numbers) in (2, 3):
            self._say(now + _ANSWER_S, 0, name, {"sensor": self._sensor()}, 0 if numbers[0] == 1 else _EINVAL)
        elif command in (readings := self._readings()) and not arguments:
            self._say(now + _ANSWER_S, 0, name, readings[command])
        else:
            self._say(now + _ANSWER_S, 2, "AT", f"Unknown command: {command}", _EINVAL)

    def _invoke(self, name: str, numbers: list[int], now: float) -> None:
        differed = len(numbers) == 3 and bool(numbers[1])
        setting = {"tscore": self.settings["TSCORE"], "tiou": self.settings["TIOU"]}
        algorithm = {"type": 3, "category": 1, "input_from": 1, "config": setting}
        model = {"id": 1, "type": 3, "address": 4194304, "size": 0}
        self._say(now + _ANSWER_S, 0, name, {"model": model, "algorithm": algorithm, "sensor": self._sensor()})
        running = Invocation(name, numbers[0], differed, bool(numbers[-1]), now + _RESULT_S)
        self._invocation = running if numbers[0] else None

    def _sensor(self) -> dict[str, Any]:
        return {"id": 1, "type": 1, "state": 1, "opt_id": 0, "opt_detail": f"{SIDE_PX}x{SIDE_PX} Auto"}

    def _readings(self) -> dict[str, Any]:
        """What a question is answered with."""
        return {
            "ID?": "7e2d02cf",
            "NAME?": "Grove Vision AI V2",
            "VER?": {"at_api": "v0", "software": "2024.08.16", "hardware": "1"},
            "STAT?": {"boot_count": 0, "is_ready": 1},
            "SENSOR?": self._sensor(),
            "MODEL?": {"id": 1, "type": 3, "address": 4194304, "size": 0},
            "INVOKE?": int(self._invocation is not None),
            "TSCORE?": self.settings["TSCORE"],
            "TIOU?": self.settings["TIOU"],
        }

    def _say(self, at: float, kind: int, name: str, data: object, code: int = 0) -> None:
        line = b"\r" + json.dumps({"type": kind, "name": name, "code": code, "data": data}).encode() + b"\n"
        if kind == 1 and self._rng.random() < self.flaws.truncated:
            line = line[: self._rng.randrange(1, len(line) - 1)] + self._rng.choice((b"", b"\n"))
        if kind == 1 and self._rng.random() < self.flaws.repeated:
            line += line
        self._said.append((at, line))


def _numbers(arguments: str) -> list[int] | None:
    """The arguments as whole numbers, None when they are not."""
    try:
        return [int(argument) for argument in arguments.split(",")] if arguments else []
    except ValueError:
        return None


CHIP = GroveVision
