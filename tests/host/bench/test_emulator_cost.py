"""What emulating costs: the answer is what was counted, and every request a board can make has its name."""

from hadeda.bench.emulator import Cost
from hadeda.board import load
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.surface import opcodes
from hadeda.emulator.wire import REQUESTS
from hadeda.scenario import World


def test_cost_is_both_processes_over_the_time_of_the_street() -> None:
    answer = Cost(3600.0, host_cpu_s=0.5, board_cpu_s=0.7, requests={"sleep": 7200}).answer()
    assert answer["cpu_seconds_per_board_day"] == 28.8
    assert answer["board_days_per_cpu_second"] == 0.0347
    assert answer["requests_per_second"] == {"sleep": 2.0}


def test_every_request_has_a_name_of_its_own() -> None:
    emulated = EmulatedBoard(load("esp32-s3-devkitc-1"), World())
    try:
        handled = {*emulated._handlers, opcodes.SLEEP, opcodes.EXIT}
    finally:
        emulated.close()
    assert handled <= set(REQUESTS)
    assert REQUESTS[opcodes.EXIT] == "exit"
    assert REQUESTS[opcodes.BOOT] == "boot"
    assert REQUESTS[opcodes.CONSOLE] == "console"
