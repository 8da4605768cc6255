"""OmniPreSense OPS243-A (24 GHz Doppler radar), at the level of its commands and lines, on a UART at 19200 baud, 8N1.

Source: OmniPreSense UM-003-A, OPS243-A user manual, and AN-010, API interface specification, read in the excerpts that
manual sites carry; lines of its sister OPS241-A (firmware 1.3.0) as a public project captured them. Commands are two
characters and take effect at once; those with a number end with a carriage return. Lines end with CR LF.

    UC UF UK UM US   units: cm/s, ft/s, km/h, m/s (factory), mph     U?  answers {"Units":"m-per-sec"}
    OJ Oj OM Om OU Ou  JSON, magnitude, unit of each report on and off; answers {"OutputFeature":"J"}
    O1 .. O9         how many speeds a report has, strongest first
    R>n R<n          slowest and fastest to report, in the units of now; 0: no limit
    R+ R- R|         inbound, outbound, both
    SX S2            10 000 (factory) or 20 000 samples a second: up to 31.1 or 62.2 m/s, in steps of 0.0607 or 0.1214
    I1 .. I5         9600, 19200 (factory), 57600, 115200, 230400 baud
    ?P ?V            {"Product":"OPS243 Doppler"}, {"Version":"1.3.1"}     P!  reset     A!  keep the settings in flash
    reports          {"magnitude":"467.72","speed":"-0.25"} with OJ and OM; -0.25 as it comes; 467.72,-0.25 with OM

Inbound is positive. With nothing in sight it says nothing. Without A! a reset brings back what flash has.

Not found, so chosen: a report every 100 ms; {"unit":"mps",...} and "mps",-3.6 for OU (as AN-010 names the units);
what R, O1 to O9, S and I answer; an unknown command goes unanswered; a reset takes 1 s; two digits after the point.

The scene is the LD2451 model's: it looks along the road, approaching vehicles on the near lane, receding ones on the
far lane, and a passage's moment is when it is abreast. Speed is the part along the line of sight. Magnitude falls with
the square of the distance, and differs by 25 % from report to report; a car is seen from 100 m on, a bike from some
50 m and a walker, whom this part does see, from some 25 m; every report misses one in fifty.
"""

import json
import math
import random
from dataclasses import dataclass, replace

from hadeda.emulator.chips.base import OnEvent, Surroundings
from hadeda.scenario import Passage

REPORT_INTERVAL_S = 0.1

_UNITS = {
    "C": ("cm-per-sec", "cmps", 100.0),
    "F": ("ft-per-sec", "fps", 3.28084),
    "K": ("km-per-hr", "kmph", 3.6),
    "M": ("m-per-sec", "mps", 1.0),
    "S": ("mph", "mph", 2.236936),
}
_RATES = {"X": (10_000, 0.0607), "2": (20_000, 0.1214)}
_BAUDRATES = {"1": 9600, "2": 19200, "3": 57600, "4": 115_200, "5": 230_400}
_STEPS = 512  # of speed, in each direction: half of 1024 samples
_WITH_NUMBER = ("R>", "R<")
_LONGEST_NUMBER = 16
_RESET_S = 1.0

_BEAM_DEGREES = 20.0
_LANE_M = {"approaching": 3.0, "receding": 6.0}
_LEAST_MAGNITUDE = 20.0
_AT_1_M = {"car": 3e5, "heavy": 9e5, "bike": 6e4, "pedestrian": 1.5e4}
_FARTHEST_M = 120.0
_SPREAD = 0.25
_MISSED = 0.02
_LOAD_S = 60.0
_LONGEST_TRACK_S = 240.0  # 120 m at walking pace
_BACKLOG_S = 10.0
_MOST_KEPT = 4096


@dataclass(frozen=True)
class Settings:
    """What commands change; the defaults are the factory's."""

    unit: str = "M"
    json: bool = False
    magnitude: bool = False
    units: bool = False
    reports: int = 1
    slowest: float = 0.0
    fastest: float = 0.0
    direction: str = "|"
    rate: str = "X"
    baudrate: int = 19200


@dataclass(frozen=True)
class Echo:
    """One vehicle in one report: metres a second, positive when it comes nearer."""

    speed_ms: float
    magnitude: float


class Ops243a:
    """One OPS243-A, powered from the moment it is first spoken to or asked."""

    def __init__(self, world: Surroundings, seed: int = 0) -> None:
        self.on_event: OnEvent | None = None
        self.settings = Settings()
        self._kept = self.settings
        self.baudrate = self.settings.baudrate
        self._world = world
        self._seed = seed
        self._inbox = ""
        self._said = bytearray()
        self._next: int | None = None  # number of the next report
        self._tracks: list[tuple[int, int, Passage]] = []  # first report, first no more, who
        self._loaded_until = -math.inf
        self._announced: set[Passage] = set()

    def brown_out(self, now: float) -> None:
        """Its supply fails for a moment."""
        self.settings = self._kept
        self.baudrate = self.settings.baudrate
        self._inbox = ""
        self._said.clear()
        self._next = math.floor((now + _RESET_S) / REPORT_INTERVAL_S) + 1

    def receive(self, data: bytes, now: float) -> None:
        """Commands, in any pieces; what is none is passed over."""
        self._speak_until(now)
        self._inbox += data.decode("latin-1")
        while len(self._inbox) >= 2:
            name = self._inbox[:2]
            if self._inbox[0] in "\r\n":
                self._inbox = self._inbox[1:]
            elif name in _WITH_NUMBER:
                number, end, rest = self._inbox[2:].replace("\n", "\r").partition("\r")
                if not end and len(number) <= _LONGEST_NUMBER:
                    return
                self._inbox = rest
                self._limit(name, number)
            else:
                self._inbox = self._inbox[2:]
                self._execute(name, now)

    def next_transmission(self, now: float) -> float | None:
        """When the next answer or report may be due."""
        if self._said:
            return now
        number = self._following(now)
        self._load(number * REPORT_INTERVAL_S)
        firsts = [max(number, first) for first, end, _ in self._tracks if end > number]
        soonest = min(firsts) * REPORT_INTERVAL_S if firsts else self._loaded_until
        return max(now, soonest)

    def transmit(self, now: float) -> bytes:
        """Answers and reports due up to now."""
        self._speak_until(now)
        said = bytes(self._said)
        self._said.clear()
        return said

    def _following(self, now: float) -> int:
        if self._next is None:
            self._next = math.floor(now / REPORT_INTERVAL_S) + 1
        return self._next

    def _speak_until(self, now: float) -> None:
        number = max(self._following(now), math.floor((now - _BACKLOG_S) / REPORT_INTERVAL_S))
        end = math.floor(now / REPORT_INTERVAL_S) + 1
        while number < end:
            self._load(number * REPORT_INTERVAL_S)
            in_beam = [who for first, end_of_it, who in self._tracks if first <= number < end_of_it]
            if in_beam:
                self._report(in_beam, number)
                number += 1
            else:  # nothing to say until somebody enters, or more of the world has to be looked at
                ahead = [first for first, _, _ in self._tracks if first > number]
                number = min([*ahead, max(number + 1, math.ceil(self._loaded_until / REPORT_INTERVAL_S))])
        self._next = number
        del self._said[:-_MOST_KEPT]

    def _load(self, at: float) -> None:
        """Takes from the world who is in the beam at some time in the next minute."""
        if at < self._loaded_until:
            return
        self._loaded_until = at + _LOAD_S
        passages = self._world.passages(at - _LONGEST_TRACK_S, self._loaded_until + _LONGEST_TRACK_S)
        self._tracks = [(*_in_beam(passage), passage) for passage in passages]
        self._announced &= set(passages)

    def _report(self, in_beam: list[Passage], number: int) -> None:
        echoes = sorted(
            filter(None, (self._echo(passage, number) for passage in in_beam)), key=lambda echo: -echo.magnitude
        )
        if echoes:
            self._say(report(self.settings, echoes[: self.settings.reports]))

    def _echo(self, passage: Passage, number: int) -> Echo | None:
        """What one report has of somebody; None where it misses him, or he is filtered out."""
        now, rng = self.settings, random.Random(f"ops243a {self._seed} {passage} {number}")
        distance_m, along_m = _where(passage, number * REPORT_INTERVAL_S)
        magnitude = _AT_1_M[passage.kind] / distance_m**2 * rng.lognormvariate(0, _SPREAD)
        missed = rng.random() < _MISSED
        _rate, step_ms = _RATES[now.rate]
        steps = round(passage.speed_kmh / 3.6 * abs(along_m) / distance_m / step_ms + rng.gauss(0, 0.5))
        sign = 1 if passage.direction == "approaching" else -1
        speed = steps * step_ms * _UNITS[now.unit][2]
        seen = (
            not missed
            and magnitude >= _LEAST_MAGNITUDE
            and 0 < steps < _STEPS
            and speed >= now.slowest
            and (not now.fastest or speed <= now.fastest)
            and now.direction in ("|", "+" if sign > 0 else "-")
        )
        if seen and self.on_event and passage not in self._announced:
            self._announced.add(passage)
            self.on_event(
                number * REPORT_INTERVAL_S, f"{passage.kind} {passage.direction} {passage.speed_kmh:.0f} km/h"
            )
        return Echo(sign * steps * step_ms, magnitude) if seen else None

    def _execute(self, name: str, now: float) -> None:
        kind, value = name[0], name[1]
        if name == "P!":
            self.brown_out(now)
        elif name == "A!":
            self._kept = self.settings
        elif name == "U?" or (kind == "U" and value in _UNITS):
            self._change(unit=value if value in _UNITS else self.settings.unit)
            self._say(f'{{"Units":"{_UNITS[self.settings.unit][0]}"}}')
        elif kind == "O" and value in "JjMmUu":
            feature = {"J": "json", "M": "magnitude", "U": "units"}[value.upper()]
            self._change(**{feature: value.isupper()})
            self._say(f'{{"OutputFeature":"{value}"}}')
        elif kind == "O" and value in "123456789":
            self._change(reports=int(value))
            self._say(f'{{"ReportCount":{value}}}')
        elif kind == "R" and value in "+-|":
            self._change(direction=value)
            self._say(f'{{"Direction":"{value}"}}')
        elif kind == "S" and value in _RATES:
            self._change(rate=value)
            self._say('{{"SamplingRate":{}, "resolution":{}}}'.format(*_RATES[value]))
        elif kind == "I" and value in _BAUDRATES:
            self._change(baudrate=_BAUDRATES[value])
            self.baudrate = self.settings.baudrate
        elif name in ("?P", "?V"):
            self._say({"?P": '{"Product":"OPS243 Doppler"}', "?V": '{"Version":"1.3.1"}'}[name])

    def _limit(self, name: str, written: str) -> None:
        try:
            limit = float(written)
        except ValueError:
            return
        self._change(**{"slowest" if name == "R>" else "fastest": max(0.0, limit)})
        self._say(f'{{"Required{"Min" if name == "R>" else "Max"}Speed":"{limit:.3f}"}}')

    def _change(self, **values: str | bool | float) -> None:
        self.settings = replace(self.settings, **values)  # type: ignore[arg-type]

    def _say(self, line: str) -> None:
        self._said += f"{line}\r\n".encode()


def report(settings: Settings, echoes: list[Echo]) -> str:
    """The line of one report, strongest first."""
    _name, unit, factor = _UNITS[settings.unit]
    magnitudes = [f"{echo.magnitude:.2f}" for echo in echoes] if settings.magnitude else []
    speeds = [f"{echo.speed_ms * factor:.2f}" for echo in echoes]
    if not settings.json:
        return ",".join([*([f'"{unit}"'] if settings.units else []), *magnitudes, *speeds])
    fields = {"unit": [unit] if settings.units else [], "magnitude": magnitudes, "speed": speeds}
    said = {name: texts[0] if len(texts) == 1 else texts for name, texts in fields.items() if texts}
    return json.dumps(said, separators=(",", ":"))


def _where(passage: Passage, at: float) -> tuple[float, float]:
    """Distance, and the part of it along the road, in metres."""
    along_m = (at - passage.time_s) * passage.speed_kmh / 3.6
    return math.hypot(along_m, _LANE_M[passage.direction]), along_m


def _in_beam(passage: Passage) -> tuple[int, int]:
    """Numbers of the first report somebody may be in, and of the first that he is in no more."""
    nearest_m = _LANE_M[passage.direction] / math.tan(math.radians(_BEAM_DEGREES))
    sign = -1 if passage.direction == "approaching" else 1
    times = sorted(passage.time_s + sign * metres / (passage.speed_kmh / 3.6) for metres in (nearest_m, _FARTHEST_M))
    first, end = (math.ceil(time_s / REPORT_INTERVAL_S) for time_s in times)
    return first, end


CHIP = Ops243a
