"""The report, decoded: scaled integers become units, codes become words. The wire form is firmware/node/report.cddl."""

from dataclasses import dataclass
from typing import Final

from hadeda.envelope import labels, strict_cbor
from hadeda.errors import Rejected

START_MAX: Final = 2**32 - 1
WINDOW_MAX_S: Final = 86_400
COUNT_MAX: Final = 2**31 - 1
READINGS_MAX: Final = 2**16 - 1
FAULT_COUNT_MAX: Final = 255
CELLS_MAX: Final = 64
CELL_SIZE: Final = 2  # bytes
POLICY_VERSION_MAX: Final = 2**31 - 1
CLOCK_SLACK_S: Final = 2  # a window is that much shorter where the clock was set by as much
SPENT_UNKNOWN: Final = COUNT_MAX  # the node lost its ledger and releases nothing for a ledger day
FAULT_SENSORS_MAX: Final = 64

CLOCK_WORDS: Final = {
    labels.CLOCK_NEVER: "never set",
    labels.CLOCK_FREE_RUNNING: "free-running",
    labels.CLOCK_SYNCHRONISED: "synchronised",
    labels.CLOCK_SIGNED: "set by the city",
}
FAULT_WORDS: Final = {
    labels.FAULT_NO_ANSWER: "no answer",
    labels.FAULT_BUS_HUNG: "bus hung",
    labels.FAULT_BAD_FRAME: "bad frame",
    labels.FAULT_IMPLAUSIBLE: "implausible value",
    labels.FAULT_DRIVER: "driver error",
}
WITHHELD_WORDS: Final = {
    labels.WITHHELD_BELOW_K: "below k",
    labels.WITHHELD_BUDGET: "no budget",
    labels.WITHHELD_POLICY: "not allowed",
    labels.WITHHELD_BLIND: "sensor blind",
}
# Why a node goes without its sensors: the cause of its last crash, or what is damaged
SAFE_WORDS: Final = {
    3: "watchdog",
    labels.RESET_BROWN_OUT: "brown-out",
    labels.RESET_PANIC: "panic",
    labels.RESET_ERROR: "error",
    labels.SAFE_CONFIG: "damaged configuration",
}
KEY_STORE_WORDS: Final = {0: "file", 1: "raw sectors"}

_ENERGY: Final = labels.CHANNELS[labels.CHANNEL_ENERGY][0]
_BELOW_K: Final = WITHHELD_WORDS[labels.WITHHELD_BELOW_K]

_REQUIRED: Final = {
    labels.REPORT_START,
    labels.REPORT_WINDOW,
    labels.REPORT_CLOCK,
    labels.REPORT_AIR,
    labels.REPORT_TRAFFIC,
    labels.REPORT_HEALTH,
    labels.REPORT_PRIVACY,
    labels.REPORT_OUTBOX,
}
_OPTIONAL: Final = {labels.REPORT_FAULTS, labels.REPORT_ANSWER, labels.REPORT_ECHO, labels.REPORT_FOOTFALL}
ANSWER_NUMBER_MAX: Final = 0xFFFF
INDEX_LOW_MAX: Final = 0xFFFF
HEAP_KB_MAX: Final = 2**20
KERNEL_WORDS: Final = {
    labels.KERNEL_NONE: "none",
    labels.KERNEL_USED: "in use",
    labels.KERNEL_FAILED: "failed",
}
NO_KERNEL: Final = KERNEL_WORDS[labels.KERNEL_NONE]
KERNEL_STEP: Final = 32
HEALTH_STATE_MAX: Final = KERNEL_STEP * (max(KERNEL_WORDS) + 1) - 1


@dataclass(frozen=True)
class AirReading:
    """One channel over one window, in `unit`: how many readings, and their mean, least and greatest."""

    channel: str
    unit: str
    n: int
    mean: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Count:
    """One traffic cell: how many passed, noise included, or why the node does not say (one of WITHHELD_WORDS).

    Footfall has the same form, counted in set bits of its sketch.
    """

    count: int | None
    withheld: str | None = None


@dataclass(frozen=True)
class Privacy:
    """Under which version of the city's policy the report was made (0: none), and the epsilon it cost, in millionths.

    `epsilon` was spent by this release, 0 where nothing was looked at; `spent` in the node's ledger day, with it, or
    SPENT_UNKNOWN. The unit of privacy is one passage in one window.
    """

    policy: int
    epsilon: int
    spent: int


@dataclass(frozen=True)
class Fault:
    """A sensor (by its place in the node's configuration) that failed `count` times in the window; 255 is or more."""

    sensor: int
    kind: str
    count: int


@dataclass(frozen=True)
class Health:
    """The node about itself. `reset_cause` is the number of MicroPython's `machine.reset_cause()`, or labels.RESET_*.

    The heap's high-water mark is rounded up to a multiple of 1024. In safe mode its sensors are off; `safe_mode` is why
    (one of SAFE_WORDS), None where it is not in it. `kernel` (one of KERNEL_WORDS): does the RISC-V kernel sign?
    """

    reset_cause: int
    heap_high_water_bytes: int
    key_store: str
    boots: int
    safe_mode: str | None = None
    kernel: str = NO_KERNEL


@dataclass(frozen=True)
class MissingReports:
    """`count` reports that the node has no record of; the newest is `below` indexes below the report that says so."""

    below: int
    count: int


@dataclass(frozen=True)
class Outbox:
    """Where a report stands in its node's outbox. `index` is the low 16 bits of its own, which is never used twice.

    The oldest report that the node keeps is `kept_before` indexes below it; `gaps` are what is missing in between.
    """

    index: int
    kept_before: int
    gaps: tuple[MissingReports, ...] = ()


@dataclass(frozen=True)
class Answer:
    """To a command: the low 16 bits of its number, and one of labels.RESULT_*."""

    number: int
    result: int


@dataclass(frozen=True)
class Report:
    """One window of one node. `start_s` is Unix seconds.

    `echo` is the challenge of a letter that the node has read (8 bytes).
    """

    start_s: int
    window_s: int
    clock: str
    air: tuple[AirReading, ...]
    traffic: tuple[Count, ...]
    faults: tuple[Fault, ...]
    health: Health
    privacy: Privacy
    outbox: Outbox
    answer: Answer | None = None
    echo: bytes | None = None
    footfall: Count | None = None


def parse_report(data: bytes) -> Report:
    """Decode one report without its padding; raises Rejected unless every type and range is right."""
    report = _mapping(strict_cbor.decode(data), "report")
    if not set(report) >= _REQUIRED or not set(report) <= _REQUIRED | _OPTIONAL:
        raise Rejected("report lacks a field or has one too many")
    found = Report(
        start_s=_number(report[labels.REPORT_START], 0, START_MAX, "start"),
        window_s=_number(report[labels.REPORT_WINDOW], 1, WINDOW_MAX_S, "window"),
        clock=CLOCK_WORDS[_number(report[labels.REPORT_CLOCK], 0, max(CLOCK_WORDS), "clock quality")],
        air=_air(report[labels.REPORT_AIR]),
        traffic=_traffic(report[labels.REPORT_TRAFFIC]),
        faults=_faults(report[labels.REPORT_FAULTS]) if labels.REPORT_FAULTS in report else (),
        health=_health(report[labels.REPORT_HEALTH]),
        privacy=_privacy(report[labels.REPORT_PRIVACY]),
        outbox=_outbox(report[labels.REPORT_OUTBOX]),
        answer=_answer(report[labels.REPORT_ANSWER]) if labels.REPORT_ANSWER in report else None,
        echo=_echo(report[labels.REPORT_ECHO]) if labels.REPORT_ECHO in report else None,
        footfall=_count(report[labels.REPORT_FOOTFALL], "footfall") if labels.REPORT_FOOTFALL in report else None,
    )
    _refuse_contradictions(found)
    return found


def _refuse_contradictions(report: Report) -> None:
    """Raise Rejected where the report does not agree with its own privacy row."""
    privacy = report.privacy
    if privacy.policy == 0 and (report.air or report.traffic or report.footfall or privacy.epsilon):
        raise Rejected("something was released without a policy")
    if report.window_s < labels.ENERGY_WINDOW_MIN - CLOCK_SLACK_S and any(
        reading.channel == _ENERGY for reading in report.air
    ):
        raise Rejected("energy of less than an hour")
    cells = (*report.traffic, *([report.footfall] if report.footfall else []))
    looked_at = any(cell.count is not None or cell.withheld == _BELOW_K for cell in cells)
    if looked_at and not privacy.epsilon:
        raise Rejected("counts were looked at and no epsilon was spent")


def _air(value: object) -> tuple[AirReading, ...]:
    readings = []
    for channel, statistics in _mapping(value, "air").items():
        if channel not in labels.CHANNELS:
            raise Rejected("air has an unknown channel")
        name, unit, scale = labels.CHANNELS[channel]
        n, mean, below, above = _sequence(statistics, 4, f"channel {name}")
        n = _number(n, 1, READINGS_MAX, f"{name} n")
        mean = _number(mean, -COUNT_MAX, COUNT_MAX, f"{name} mean")
        below = _number(below, 0, COUNT_MAX, f"{name} below")
        above = _number(above, 0, COUNT_MAX, f"{name} above")
        if channel == labels.CHANNEL_ENERGY and ((n, below, above) != (1, 0, 0) or mean < 0):
            raise Rejected("energy is more than the one value of its window")
        readings.append(
            AirReading(name, unit, n, mean / scale, (mean - below) / scale, (mean + above) / scale),
        )
    return tuple(readings)


def _traffic(value: object) -> tuple[Count, ...]:
    if not isinstance(value, bytes) or len(value) % CELL_SIZE or len(value) > CELL_SIZE * CELLS_MAX:
        raise Rejected("traffic is not a row of cells")
    return tuple(_cell(int.from_bytes(value[at : at + CELL_SIZE])) for at in range(0, len(value), CELL_SIZE))


def _cell(number: int) -> Count:
    """What two bytes say: a count, or above those the reason that there is none."""
    return _count(number if number <= labels.REPORT_COUNT_MAX else number - 2 ** (8 * CELL_SIZE), "traffic count")


def _count(value: object, name: str) -> Count:
    """A count is at least k, so at least 1: zero would be no count and no reason."""
    if isinstance(value, int) and value in WITHHELD_WORDS:
        return Count(None, WITHHELD_WORDS[value])
    return Count(_number(value, 1, COUNT_MAX, name))


def _privacy(value: object) -> Privacy:
    policy, epsilon, spent, unit = _sequence(value, 4, "privacy")
    _number(unit, labels.UNIT_PASSAGE_WINDOW, labels.UNIT_PASSAGE_WINDOW, "unit of privacy")
    spent = _number(spent, 0, COUNT_MAX, "epsilon spent")
    return Privacy(
        policy=_number(policy, 0, POLICY_VERSION_MAX, "policy version"),
        epsilon=_number(epsilon, 0, spent, "epsilon of the release"),
        spent=spent,
    )


def _faults(value: object) -> tuple[Fault, ...]:
    faults = []
    for code, count in _mapping(value, "faults").items():
        sensor, kind = divmod(_number(code, 0, FAULT_SENSORS_MAX * 8 - 1, "fault code"), 8)
        if kind not in FAULT_WORDS:
            raise Rejected("fault of an unknown kind")
        faults.append(Fault(sensor, FAULT_WORDS[kind], _number(count, 1, FAULT_COUNT_MAX, "fault count")))
    if not faults:
        raise Rejected("faults are there, but empty")
    return tuple(faults)


def _health(value: object) -> Health:
    reset_cause, heap_kb, state, boots = _sequence(value, 4, "health")
    kernel, state = divmod(_number(state, 0, HEALTH_STATE_MAX, "state of the node"), KERNEL_STEP)
    safe_mode, key_store = divmod(state, 2)
    if safe_mode not in (0, *SAFE_WORDS):
        raise Rejected("safe mode for an unknown reason")
    return Health(
        reset_cause=_number(reset_cause, 0, 255, "reset cause"),
        heap_high_water_bytes=_number(heap_kb, 0, HEAP_KB_MAX, "heap high-water mark") * 1024,
        key_store=KEY_STORE_WORDS[key_store],
        boots=_number(boots, 0, COUNT_MAX, "boots"),
        safe_mode=SAFE_WORDS.get(safe_mode),
        kernel=KERNEL_WORDS[kernel],
    )


def _outbox(value: object) -> Outbox:
    if not isinstance(value, list) or len(value) % 2 or not 2 <= len(value) <= 2 + 2 * labels.REPORT_GAPS_MAX:
        raise Rejected("outbox is not a list of pairs")
    index, kept_before, *pairs = value
    gaps = zip(pairs[::2], pairs[1::2], strict=True)
    return Outbox(
        index=_number(index, 0, INDEX_LOW_MAX, "index"),
        kept_before=_number(kept_before, 0, INDEX_LOW_MAX, "reports kept"),
        gaps=tuple(
            MissingReports(_number(below, 1, INDEX_LOW_MAX, "gap"), _number(count, 1, INDEX_LOW_MAX, "gap's length"))
            for below, count in gaps
        ),
    )


def _answer(value: object) -> Answer:
    number, result = _sequence(value, 2, "answer")
    return Answer(
        number=_number(number, 0, ANSWER_NUMBER_MAX, "answer's number"),
        result=_number(result, 0, labels.RESULT_FELL_BACK, "answer's result"),
    )


def _echo(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != labels.CHALLENGE_SIZE:
        raise Rejected(f"echo is not {labels.CHALLENGE_SIZE} bytes")
    return value


def _mapping(value: object, name: str) -> dict[object, object]:
    if not isinstance(value, dict):
        raise Rejected(f"{name} is not a map")
    return value


def _sequence(value: object, length: int, name: str) -> list[object]:
    if not isinstance(value, list) or len(value) != length:
        raise Rejected(f"{name} is not an array of {length}")
    return value


def _number(value: object, least: int, greatest: int, name: str) -> int:
    if not isinstance(value, int) or not least <= value <= greatest:
        raise Rejected(f"{name} is not a number from {least} to {greatest}")
    return value
