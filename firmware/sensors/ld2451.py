"""Hi-Link HLK-LD2451, 24 GHz vehicle radar: whoever drives by becomes one passage with direction and speed.

Protocol: HLK-LD2451 serial communication protocol. Ten times a second the radar reports up to a handful of targets
(angle, distance, direction, speed, SNR) without saying which is which; units with nothing in sight send empty frames
or nothing at all. Following them is node work: sensors/vehicle_tracks.py.
"""

import asyncio

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
_GATHER_MS = const(400)
_ACK_MS = const(1000)
_ACK_POLL_MS = const(50)
_ATTEMPTS = const(3)
_SWEEP_MS = const(1000)
# Between two tries to configure a radar that does not answer
_RETRY_MS = const(10000)
# Silence may mean an empty street: after so long the radar is asked whether it is there
_SILENT_MS = const(30000)
_BUFFER = const(256)


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
        while True:
            at = _find_start(pending)
            if len(pending) - at < _HEAD:
                break
            end = at + _HEAD + (pending[at + 4] | pending[at + 5] << 8)
            if end - at - _HEAD > _PAYLOAD_MAX:
                self.bad += 1
                pending = pending[at + 1 :]
                continue
            if len(pending) < end + _TAIL:
                break
            is_report = pending[at] == _REPORT[0]
            if pending[end : end + _TAIL] != (_REPORT_END if is_report else _COMMAND_END):
                self.bad += 1
                pending = pending[at + 1 :]
                continue
            frames.append((is_report, pending[at + _HEAD : end]))
            pending = pending[end + _TAIL :]
        self._pending = pending[at:]
        return frames


def _find_start(data: bytes) -> int:
    """Where the first frame starts or may still start, len(data) when nowhere."""
    report = data.find(_REPORT)
    acknowledgement = data.find(_COMMAND)
    if report >= 0 and (acknowledgement < 0 or report < acknowledgement):
        return report
    if acknowledgement >= 0:
        return acknowledgement
    for at in range(max(0, len(data) - 3), len(data)):
        if _REPORT.startswith(data[at:]) or _COMMAND.startswith(data[at:]):
            return at
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
        self._heard_ms = 0
        self._acknowledged = b""

    async def run(self, out: "Output") -> None:
        """Listen for ever. Passages leave when their track ends, which a second task looks after."""
        self._tracks = Tracks(self._clock)
        self._heard_ms = self._clock.ticks_ms()
        listening = asyncio.create_task(self._listen(out))
        try:
            await self._look_after(out)
        finally:
            listening.cancel()

    async def _listen(self, out: "Output") -> None:
        """Sleeps until something arrives, and a little longer: a few frames at a time are fewer wake-ups."""
        while True:
            count = await self._uart.read(self._buffer)
            if count:
                self.take(self._view[:count], out)
            await self._clock.sleep_ms(_GATHER_MS)

    async def _look_after(self, out: "Output") -> None:
        """Configure the radar, end tracks that went silent, ask a silent radar whether it is there."""
        configured = False
        until_retry_ms = 0
        while True:
            if until_retry_ms <= 0 and (not configured or self._silent()):
                configured = await self._configure(not configured)
                if not configured:
                    # An unconfigured radar may see one direction only: its silence must not be counted as zero
                    out.fault(FAULT_NO_ANSWER)
                    until_retry_ms = _RETRY_MS
            out.alive()
            await self._clock.sleep_ms(_SWEEP_MS)
            until_retry_ms -= _SWEEP_MS
            self._pass_on(out)

    def take(self, data: "bytes | memoryview", out: "Output") -> None:
        """Take bytes in. Frames that waited together were measured 100 ms apart."""
        frames = self._parser.feed(data)
        now = self._clock.ticks_ms()
        age_ms = _FRAME_MS * len(frames)
        for is_report, payload in frames:
            age_ms -= _FRAME_MS
            if not is_report:
                self._acknowledged = payload
                continue
            seen = targets(payload)
            if seen is None:
                self._parser.bad += 1
            else:
                self._tracks.see(seen, now - age_ms)
        if frames:
            self._heard_ms = now
        if self._parser.bad:
            self._parser.bad = 0
            out.fault(FAULT_BAD_FRAME)

    def _pass_on(self, out: "Output") -> None:
        for towards, speed_kmh in self._tracks.ended():
            out.passage(CLASS, "approaching" if towards else "receding", speed_kmh)

    def _silent(self) -> bool:
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._heard_ms) > _SILENT_MS

    async def _configure(self, parameters: bool) -> bool:
        """Enable configuration, set the detection parameters, end configuration; False when it did not answer.

        The radar keeps its parameters in flash: they are written only when they are not right. Without `parameters`
        it is only asked whether it is there.
        """
        done = False
        for _ in range(_ATTEMPTS):
            if await self._ask(_ENABLE) and (not parameters or await self._set_detection()):
                done = True
                break
        # In any case: a radar left in configuration mode reports nothing
        ended = await self._ask(_END)
        return done and ended

    async def _set_detection(self) -> bool:
        if await self._ask(_READ_DETECTION) and self._acknowledged[4:8] == _DETECTION:
            return True
        return await self._ask(_WRITE_DETECTION)

    async def _ask(self, word_and_value: bytes) -> bool:
        """Send a command; True when it was acknowledged with success within a second."""
        self._acknowledged = b""
        self._uart.write(command(word_and_value))
        for _ in range(_ACK_MS // _ACK_POLL_MS):
            await self._clock.sleep_ms(_ACK_POLL_MS)
            answer = self._acknowledged
            if len(answer) >= 4 and answer[0] == word_and_value[0] and answer[1] == 1:
                return answer[2] == 0 and answer[3] == 0
        return False
