"""`bluetooth` on an emulated board: a passive scanner in the shape of the ESP32 port, and a street it listens to."""

from __future__ import annotations

import struct

import pytest
from emulator_bench import execute, on_bench, power_up

from hadeda.emulator.bluetooth import HEARD_MOST, Bluetooth
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.chips.ble_footfall import PassingDevices, Standing
from hadeda.emulator.errors import EINVAL, ENODEV, BoardOSError
from hadeda.emulator.surface import opcodes
from hadeda.scenario import World

PLANTED = bytes.fromhex("001122334455")
SCAN = """
import bluetooth, time
ble = bluetooth.BLE()
heard = set()
ended = 0
def irq(event, data):
    global ended
    if event == 5:
        kind, address, advertising, rssi, payload = data
        heard.add((kind, bytes(address), advertising, bytes(payload)))
        assert -100 <= rssi < 0
    elif event == 6:
        ended += 1
ble.irq(irq)
"""


def plant(board: EmulatedBoard, *addresses: bytes) -> None:
    """Nobody in the street but these."""
    board.bluetooth.street = PassingDevices(
        World(seed=1), standing=Standing(rotating=0, fixed=0, addresses=list(addresses))
    )


def test_a_scan_hears_who_advertises_and_ends() -> None:
    with on_bench() as board:
        plant(board, PLANTED)
        power_up(board)
        program = SCAN + (
            "ble.active(True); ble.gap_scan(3000, 100000, 50000, False)\n"
            "time.sleep(2); print(len(heard), ended)\n"
            "time.sleep(2); print(heard, ended)\n"
            "ble.active(False); print(ble.active())"
        )
        expected = "{(0, b'\\x00\\x11\"3DU', 3, b'\\x02\\x01\\x1a')}"
        assert execute(board, program) == f"1 0\n{expected} 1\nFalse\n"


def test_a_scan_can_be_stopped_and_a_second_one_waits() -> None:
    with on_bench() as board:
        power_up(board)
        program = SCAN + (
            "ble.active(1); ble.gap_scan(0, 100000, 100000)\n"
            "try: ble.gap_scan(1000)\n"
            "except OSError as error: print(error.errno)\n"
            "ble.gap_scan(None); print(ended); ble.gap_scan(None); print(ended)\n"
            "ble.gap_scan(100); time.sleep_ms(300); print(ended)"
        )
        assert execute(board, program) == "114\n1\n1\n2\n"


def test_errors_are_the_ports() -> None:
    with on_bench() as board:
        power_up(board)
        program = (
            "import bluetooth\nble = bluetooth.BLE()\nprint(ble is bluetooth.BLE(), ble.active())\n"
            "def raised(call, *words, **named):\n"
            "    try: return call(*words, **named)\n"
            "    except Exception as error: return type(error).__name__, error.args\n"
            "print(raised(ble.gap_scan, 1000), raised(ble.gap_scan, None))\n"
            "print(raised(ble.irq, 1), raised(ble.config))\n"
            "print(raised(ble.config, 'nothing'), raised(ble.config, rxbuf=1))\n"
            "ble.active(True)\nprint(raised(ble.gap_connect, 0, b'123456'), ble.config('mac')[0], ble.config('mtu'))"
        )
        assert execute(board, program) == (
            "True False\n"
            "('OSError', (19,)) ('OSError', (19,))\n"
            "('ValueError', ('invalid handler',)) ('TypeError', ('must query one param',))\n"
            "('ValueError', ('unknown config param',)) ('ValueError', ('unknown config param',))\n"
            "('OSError', (95,)) 0 256\n"
        )


def test_a_handler_that_raises_is_switched_off() -> None:
    with on_bench() as board:
        plant(board, PLANTED)
        power_up(board)
        program = (
            "import bluetooth, time\nble = bluetooth.BLE()\nble.irq(lambda event, data: 1 // 0)\n"
            "ble.active(True); ble.gap_scan(2000, 1000, 1000); time.sleep(3); print('on')"
        )
        printed = execute(board, program)
        assert printed.count("Unhandled exception in IRQ callback handler") == 1
        assert "ZeroDivisionError" in printed
        assert printed.endswith("on\n")


def test_a_reset_switches_it_off() -> None:
    with on_bench() as board:
        power_up(board)
        execute(board, "import bluetooth; bluetooth.BLE().active(True); bluetooth.BLE().gap_scan(0)")
        assert board.bluetooth.scanning
        board.power_off()
        assert not board.bluetooth.active
        power_up(board)
        assert execute(board, "import bluetooth; print(bluetooth.BLE().active())") == "False\n"


class Ears:
    """The radio alone, with hands on its time."""

    def __init__(self, *addresses: bytes) -> None:
        self.now_s = 1000.0
        street = PassingDevices(World(seed=1), standing=Standing(rotating=0, fixed=0, addresses=list(addresses)))
        self.radio = Bluetooth(street, 1, lambda: self.now_s)
        self._handlers = self.radio.handlers()

    def ask(self, opcode: int, payload: bytes = b"") -> bytes:
        return self._handlers[opcode](payload)

    def scan(self, duration_ms: int = 10_000, interval_us: int = 100_000, window_us: int = 100_000) -> None:
        self.ask(opcodes.BLE_ACTIVE, b"\x01")
        self.ask(opcodes.BLE_SCAN, struct.pack("<III", duration_ms, interval_us, window_us))

    def listen(self, seconds: float, step_s: float = 0.02) -> int:
        packets = 0
        for _ in range(round(seconds / step_s)):
            self.now_s += step_s
            packets += self.ask(opcodes.BLE_HEARD).count(PLANTED)
        return packets


def test_it_hears_the_share_it_listens_for() -> None:
    everything, half = Ears(PLANTED), Ears(PLANTED)
    everything.scan()
    half.scan(window_us=50_000)
    all_of_it, part = everything.listen(9), half.listen(9)
    assert all_of_it == pytest.approx(9 / 0.2165, abs=2)
    assert 0.25 * all_of_it < part < 0.75 * all_of_it


def test_a_busy_processor_loses_what_it_did_not_fetch() -> None:
    ears = Ears(*(n.to_bytes(6, "big") for n in range(1000)))
    ears.scan(60_000)
    ears.now_s += 30
    answer = ears.ask(opcodes.BLE_HEARD)
    assert len(answer) < opcodes.PAYLOAD_MAX
    assert ears.ask(opcodes.BLE_HEARD)[0], "there is more"
    assert ears.radio.heard_in_all < 1000 * 6
    assert len(ears.radio._heard) <= HEARD_MOST


def test_a_scan_that_cannot_be() -> None:
    ears = Ears()
    with pytest.raises(BoardOSError) as caught:
        ears.ask(opcodes.BLE_SCAN, struct.pack("<III", 1000, 1000, 1000))
    assert caught.value.code == ENODEV
    ears.ask(opcodes.BLE_ACTIVE, b"\x01")
    with pytest.raises(BoardOSError) as caught:
        ears.ask(opcodes.BLE_SCAN, struct.pack("<III", 1000, 1000, 2000))
    assert caught.value.code == EINVAL
