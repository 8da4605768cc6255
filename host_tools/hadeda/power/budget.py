"""A day's charge of a node, line by line, always on and with deep sleep between samples.

All currents are drawn from 5 V: the regulator of these boards is linear, what 3.3 V takes is taken from 5 V. Times come
from measure.py but for what an emulator cannot know, and is named here: how long a wake-up computes, how long a chip
takes to start MicroPython and the node's code, and TLS. A board whose board.toml has `[sleep]` sleeps deeply; of
another the budget says what that would save.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from hadeda.board import Board
from hadeda.board.energy import BOARD_MA, BOOT_S, DAY_S, HOUR_S, SUPPLY_V, charge_mah
from hadeda.board.parts import Part

WAKE_S: Final = 0.002  # assumed: computing at each wake-up of the program, a few thousand bytecodes
REPORT_S: Final = 12.4e6 / 160e6  # docs/performance.md: signing and minimising, at one instruction a cycle of 160 MHz
TLS_S: Final = 2.0  # assumed: a handshake with P-256 certificates, radio on
AIR_BITS_S: Final = 1e6  # 802.11b at its slowest: the longest that sending can take
RARE_PERIOD_S: Final = 60


@dataclass(frozen=True)
class Awake:
    """What was seen of a node in `seconds` of its time, all whole windows."""

    seconds: float
    window_s: int
    radio_s: float
    sessions: float
    sent_bytes: int
    wakes: int

    def a_day(self, amount: float) -> float:
        """So much of it in a day."""
        return amount / self.seconds * DAY_S

    def with_radio_every(self, windows: int) -> "Awake":
        """The same with the radio on after every so many windows: what is sent stays, sessions are fewer."""
        return replace(self, radio_s=self.radio_s / windows, sessions=self.sessions / windows)


# `hadeda board power esp32-c3-devkitm-1 --policy policies/street.toml`, for the boards' pages; a test holds it to that
TYPICAL: Final = Awake(seconds=3600, window_s=900, radio_s=7.6, sessions=4, sent_bytes=1396, wakes=3297)


@dataclass(frozen=True)
class Line:
    """One consumer in one state."""

    what: str
    current_ma: float
    seconds: float  # of a day

    @property
    def mah(self) -> float:
        """Its charge in a day."""
        return self.current_ma * self.seconds / HOUR_S


@dataclass(frozen=True)
class Budget:
    """A day; `without` are the parts that cannot work this way."""

    name: str
    lines: tuple[Line, ...]
    without: tuple[str, ...] = ()

    @property
    def mah(self) -> float:
        """Charge of a day at 5 V."""
        return sum(line.mah for line in self.lines)

    @property
    def wh(self) -> float:
        """Energy of a day."""
        return self.mah * SUPPLY_V / 1000

    @property
    def load_w(self) -> float:
        """The mean load."""
        return self.wh / 24


def budgets(
    board: Board, parts: dict[str, Part], awake: Awake, boot_s: float = BOOT_S, footfall: bool = False
) -> list[Budget]:
    """Always on, and with deep sleep between samples as often as today, and once a minute; of a sleeper, that.

    `footfall`: the policy has the radio listen, if the board can.
    """
    rows = [(sensor, parts[sensor.part]) for sensor in board.sensors]
    rows = [(sensor, part) for sensor, part in rows if part.kind != "radio" or footfall]
    beside = [parts[board.element.part]] if board.element is not None else []
    found = []
    if board.sleep is None:
        found.append(Budget("always on", (*_awake_lines(board, awake), *_rest([*(row for _, row in rows), *beside]))))
    sampled = [(sensor, part) for sensor, part in rows if not part.stays_awake]
    streaming = tuple(part.title for _, part in rows if part.stays_awake)
    if not sampled:
        return found
    often_s = min(sensor.period_s for sensor, _ in sampled)
    for period_s in sorted({often_s, max(often_s, RARE_PERIOD_S)}) if board.sleep is None else [often_s]:
        lines = (*_sleeping_lines(board, awake, period_s, boot_s), *_rest([*(part for _, part in sampled), *beside]))
        found.append(Budget(f"deep sleep, a sample every {period_s} s", lines, streaming))
    return found


def _radio_s(awake: Awake) -> tuple[float, float]:
    """Seconds of a day in which it listens, and in which it sends."""
    sending_s = awake.a_day(awake.sent_bytes) * 8 / AIR_BITS_S
    on_s = awake.a_day(awake.radio_s) + awake.a_day(awake.sessions) * TLS_S
    return max(on_s - sending_s, 0.0), sending_s


def _chip(board: Board, seconds: dict[str, float]) -> list[Line]:
    named = {"listening": "Wi-Fi listening", "transmitting": "Wi-Fi sending", "deep_sleep": "deep sleep"}
    title = board.silicon.title
    return [
        Line(f"{title}: {named.get(state, state)}", charge_mah(board.chip, {state: HOUR_S}), held_s)
        for state, held_s in seconds.items()
    ]


def _awake_lines(board: Board, awake: Awake) -> list[Line]:
    listening_s, sending_s = _radio_s(awake)
    computing_s = awake.a_day(awake.wakes) * WAKE_S + DAY_S / awake.window_s * REPORT_S
    computing_s = min(computing_s, DAY_S - listening_s - sending_s)
    idle_s = DAY_S - listening_s - sending_s - computing_s
    states = {"idle": idle_s, "computing": computing_s, "listening": listening_s, "transmitting": sending_s}
    return _chip(board, states)


def _sleeping_lines(board: Board, awake: Awake, period_s: float, boot_s: float) -> list[Line]:
    listening_s, sending_s = _radio_s(awake)
    computing_s = DAY_S / period_s * (boot_s + WAKE_S) + DAY_S / awake.window_s * REPORT_S
    computing_s = min(computing_s, DAY_S - listening_s - sending_s)
    asleep_s = DAY_S - listening_s - sending_s - computing_s
    states = {"deep_sleep": asleep_s, "computing": computing_s, "listening": listening_s, "transmitting": sending_s}
    return _chip(board, states)


def _rest(parts: Iterable[Part]) -> list[Line]:
    found = [Line(part.title, part.current.working_ma, DAY_S) for part in parts]
    return [*found, Line("development board: regulator, USB bridge, LED", BOARD_MA, DAY_S)]
