"""Hi-Link HLK-LD2451, 24 GHz vehicle radar: whoever drives by becomes one passage with direction and speed.

Protocol: HLK-LD2451 serial communication protocol. Ten times a second the radar reports up to a handful of targets
(angle, distance, direction, speed, SNR) without saying which is which; units with nothing in sight send empty frames
or nothing at all. Following them is node work: sensors/vehicle_tracks.py.
"""

from micropython import const

from envelope.labels import FAULT_BAD_FRAME, FAULT_NO_ANSWER
from sensors.vehicle_tracks import Tracks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.sample import Output
    from ports.bus import Uart
    from ports.clock import Clock

PART = {"kind": "traffic", "channels": ()}

CLASS = "vehicle"

# Report frames, radar to node
_REPORT = b"\xf4\xf3\xf2\xf1"
_REPORT_END = b"\xf8\xf7\xf6\xf5"
# Command frames and their acknowledgements (command word with 0x0100 set, status 0 for success)
_COMMAND = b"\xfd\xfc\xfb\xfa"
_COMMAND_END = b"\x04\x03\x02\x01"
_ENABLE = b"\xff\x00\x01\x00"
_END = b"\xfe\x00"
# Word 0x0002 writes, 0x0012 reads: farthest distance 100 m, direction 2 (both), slowest 5 km/h, 1 s until "no target"
_DETECTION = b"\x64\x02\x05\x01"
_WRITE_DETECTION = b"\x02\x00" + _DETECTION
_READ_DETECTION = b"\x12\x00"

_HEAD = const(6)
_TAIL = const(4)
_TARGET = const(5)
_TARGETS_MAX = const(20)
_PAYLOAD_MAX = 2 + _TARGET * _TARGETS_MAX
_DIRECTION_AWAY = const(0)
_DIRECTION_TOWARDS = const(1)
_ANGLE_ZERO = const(0x80)
_FASTEST_KMH = const(250)

_FRAME_MS = const(100)
# Ticks wrap there
_TICKS = const(0x3FFFFFFF)
# Every third frame is followed: in 300 ms nobody gets where his track does not foretell him
_FOLLOWED = const(3)
# A street with nobody in it, as most units tell it
_NOBODY = _REPORT + b"\x00\x00" + _REPORT_END
_ACK_MS = const(1000)
_ACK_POLL_MS = const(50)
_ATTEMPTS = const(3)
# Frames wait in the UART for so long: one wake-up for twenty of them
_LISTEN_MS = const(2000)
# Between two tries to configure a radar that does not answer
_RETRY_MS = const(10000)
# Silence may mean an empty street: after so long the radar is asked whether it is there
_SILENT_MS = const(30000)
# So many reads of so many bytes empty the UART's buffer (ports/bus.py), whatever is in it
_READS = const(2)
_BUFFER = const(1024)


def open(_entry: "dict[str, Any]", bus: "Uart", clock: "Clock") -> "Ld2451":
    return Ld2451(bus, clock)


def command(word_and_value: bytes) -> bytes:
    """One command frame."""
    return _COMMAND + len(word_and_value).to_bytes(2, "little") + word_and_value + _COMMAND_END


class Parser:
    """Finds whole frames in whatever arrives; `bad` counts what looked like a frame and was none."""

    def __init__(self) -> None:
        self._pending = b""
        self.bad = 0

    def feed(self, data: "bytes | memoryview") -> "list[tuple[bool, bytes]]":
        """(is a report, payload) of every frame that is whole now, in order."""
        frames = []
        pending = self._pending + bytes(data)
        at = _find_start(pending, 0)
        while len(pending) - at >= _HEAD:
            end = at + _HEAD + (pending[at + 4] | pending[at + 5] << 8)
            if end - at - _HEAD <= _PAYLOAD_MAX:
                if len(pending) < end + _TAIL:
                    break
                is_report = pending[at] == _REPORT[0]
                if pending.startswith(_REPORT_END if is_report else _COMMAND_END, end):
                    frames.append((is_report, pending[at + _HEAD : end]))
                    at = _find_start(pending, end + _TAIL)
                    continue
            self.bad += 1
            at = _find_start(pending, at + 1)
        self._pending = pending[at:]
        return frames

    def nobody(self, data: "memoryview") -> int:
        """How many frames `data` is, if all of them are whole and say that nobody is there; 0 if not."""
        count = len(data) // len(_NOBODY)
        return 0 if self._pending or data != _NOBODY * count else count


def _find_start(data: bytes, at: int) -> int:
    """Where from `at` on the first frame starts or may still start, len(data) when nowhere."""
    if data.startswith(_REPORT, at):
        return at
    report = data.find(_REPORT, at)
    acknowledgement = data.find(_COMMAND, at)
    if report >= 0 and (acknowledgement < 0 or report < acknowledgement):
        return report
    if acknowledgement >= 0:
        return acknowledgement
    for start in range(max(at, len(data) - 3), len(data)):
        if _REPORT.startswith(data[start:]) or _COMMAND.startswith(data[start:]):
            return start
    return len(data)


def targets(payload: bytes) -> "list[tuple[int, int, int, int]] | None":
    """[(angle in degrees, distance in m, direction, speed in km/h)] of a report, None when it cannot be one."""
    if not payload:
        return []
    if len(payload) < 2 or len(payload) != 2 + _TARGET * payload[0]:
        return None
    found = []
    for at in range(2, len(payload), _TARGET):
        direction = payload[at + 2]
        speed_kmh = payload[at + 3]
        if direction not in (_DIRECTION_AWAY, _DIRECTION_TOWARDS) or speed_kmh > _FASTEST_KMH:
            return None
        found.append((payload[at] - _ANGLE_ZERO, payload[at + 1], direction, speed_kmh))
    return found


class Ld2451:
    """One radar."""

    def __init__(self, uart: "Uart", clock: "Clock") -> None:
        self._uart = uart
        self._clock = clock
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._parser = Parser()
        self._tracks = Tracks(clock)
        self._heard_ms = self._frame_ms = 0
        self._reports = 0
        self._acknowledged = b""

    async def run(self, out: "Output") -> None:
        """Configure the radar, listen for ever, ask a silent radar whether it is there."""
        self._tracks = Tracks(self._clock)
        self._heard_ms = self._clock.ticks_ms()
        configured = False
        until_retry_ms = 0
        while True:
            if until_retry_ms <= 0 and (not configured or self._silent()):
                configured = await self._configure(not configured, out)
                if not configured:
                    # An unconfigured radar may see one direction only: its silence must not be counted as zero
                    out.fault(FAULT_NO_ANSWER)
                    until_retry_ms = _RETRY_MS
            out.alive()
            await self._clock.sleep_ms(_LISTEN_MS)
            until_retry_ms -= _LISTEN_MS
            self._listen(out)
            self._pass_on(out)

    def _listen(self, out: "Output") -> None:
        """Take in what has arrived. A buffer that was full has lost something."""
        for _ in range(_READS):
            count = self._uart.read_now(self._buffer)
            if count:
                self.take(self._view[:count], out)
            if count < _BUFFER:
                return
        out.fault(FAULT_BAD_FRAME)

    def take(self, data: "memoryview", out: "Output") -> None:
        """Take bytes in.

        To a street that was empty, frames come just now. While somebody is in sight only their number counts, each
        100 ms after the one before: a line delays some and loses some, and many units are silent once nobody is there.
        """
        now = self._clock.ticks_ms()
        nobody = self._parser.nobody(data)
        if nobody:
            self._heard_ms = now
            self._frame_ms = self._frame_ms + nobody * _FRAME_MS & _TICKS
            return
        frames = self._parser.feed(data)
        if not self._tracks.following:
            self._frame_ms = now - len(frames) * _FRAME_MS & _TICKS
        for is_report, payload in frames:
            if not is_report:
                self._acknowledged = payload
                continue
            self._reports += 1
            self._frame_ms = self._frame_ms + _FRAME_MS & _TICKS
            if self._reports % _FOLLOWED:
                continue
            seen = targets(payload)
            if seen is None:
                self._parser.bad += 1
            else:
                self._tracks.see(seen, self._frame_ms)
        if frames:
            self._heard_ms = now
        if self._parser.bad:
            self._parser.bad = 0
            out.fault(FAULT_BAD_FRAME)

    def _pass_on(self, out: "Output") -> None:
        now = self._clock.ticks_ms()
        heard = self._clock.ticks_diff(now, self._heard_ms) < _LISTEN_MS
        for towards, speed_kmh in self._tracks.ended(self._frame_ms if heard else now):
            out.passage(CLASS, "approaching" if towards else "receding", speed_kmh)

    def _silent(self) -> bool:
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._heard_ms) > _SILENT_MS

    async def _configure(self, parameters: bool, out: "Output") -> bool:
        """Enable configuration, set the detection parameters, end configuration; False when it did not answer.

        The radar keeps its parameters in flash: they are written only when they are not right. Without `parameters`
        it is only asked whether it is there.
        """
        done = False
        for _ in range(_ATTEMPTS):
            if await self._ask(_ENABLE, out) and (not parameters or await self._set_detection(out)):
                done = True
                break
        # In any case: a radar left in configuration mode reports nothing
        ended = await self._ask(_END, out)
        return done and ended

    async def _set_detection(self, out: "Output") -> bool:
        if await self._ask(_READ_DETECTION, out) and self._acknowledged[4:8] == _DETECTION:
            return True
        return await self._ask(_WRITE_DETECTION, out)

    async def _ask(self, word_and_value: bytes, out: "Output") -> bool:
        """Send a command; True when it was acknowledged with success within a second."""
        self._acknowledged = b""
        self._uart.write(command(word_and_value))
        for _ in range(_ACK_MS // _ACK_POLL_MS):
            await self._clock.sleep_ms(_ACK_POLL_MS)
            self._listen(out)
            answer = self._acknowledged
            if len(answer) >= 4 and answer[0] == word_and_value[0] and answer[1] == 1:
                return answer[2] == 0 and answer[3] == 0
        return False
