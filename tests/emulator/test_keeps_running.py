"""What stops other programs does not stop a node: a blocked loop, a full flash, somebody at the cable."""

from collections.abc import Callable

import flash_image
from lamp_post import MORNING, LampPost

from hadeda.collect.collector import Status
from hadeda.provision.port import NodePort

RaisePost = Callable[..., LampPost]
WDT_RESET = 3
# A driver that blocks for ever, but only after power-up: after the watchdog's reset it just fails
BLOCKING = """
import machine, time

PART = {"kind": "air", "channels": (1, 2, 3)}

class Driver:
    async def run(self, out):
        while machine.reset_cause() == machine.PWRON_RESET:
            time.sleep(1)
        raise OSError(19)

def open(entry, bus, clock):
    return Driver()
"""


def test_a_blocked_loop_ends_in_the_watchdog_and_the_node_reports_again(post: LampPost) -> None:
    def patch() -> None:
        with NodePort(post.port) as port:
            port.run("import os\nos.remove('/lib/sensors/bme280.mpy')")
            port.write_file("/lib/sensors/bme280.py", BLOCKING.encode())

    post.power_on()
    post.run_until(lambda: b"hadeda: running" in post.emulated.output)
    post.run_beside(patch)
    post.power_off()
    post.power_on()
    post.run_until(lambda: post.count(Status.STORED) >= 1)
    assert post.emulated.resets[-2:] == [1, WDT_RESET], post.explain("the watchdog did not reset the board")
    report = post.stored[-1]
    assert report.health.reset_cause == WDT_RESET
    assert [fault.part for fault in report.faults] == ["bme280"]
    assert "pm2_5" in {reading.channel for reading in report.air}


def test_ctrl_c_through_mpremote_stops_the_node_and_a_reset_starts_it_again(post: LampPost) -> None:
    post.power_on()
    post.run_windows(1)
    post.wait_stored(1)

    def interrupt() -> None:
        with NodePort(post.port) as port:
            assert port.run("print(6 * 7)").strip() == "42"

    post.run_beside(interrupt)
    assert "hadeda: interrupted" in post.console, post.explain("Ctrl-C did not end the node's program")
    at_prompt = post.count(Status.STORED)
    assert at_prompt == 1

    def restart() -> None:
        NodePort(post.port).reset()

    post.run_beside(restart)
    post.run_until(lambda: post.count(Status.STORED) > at_prompt)
    sequences = [report.sequence for report in post.stored]
    assert len(set(sequences)) == len(sequences)


def test_a_full_flash_does_not_stop_the_node(raise_post: RaisePost) -> None:
    post = raise_post()
    with_room = flash_image.change(post.flash, post.board, fill=("/full", 3))
    assert "/full" in with_room
    post.power_on()
    post.run_windows(20)
    post.open_city()
    post.run_until(lambda: post.count(Status.STORED) >= 3, limit_s=30)
    post.run_until(lambda: not post.emulated.radio.online)  # a second between two reports
    newest = max(report.window_start.timestamp() for report in post.stored)
    assert newest > post.emulated.now() - 300, post.explain("the newest reports were not kept")


def test_the_same_seed_gives_the_same_flash_to_the_last_bit(raise_post: RaisePost) -> None:
    images = []
    for _ in range(2):
        post = raise_post(start=MORNING)
        post.emulated.radio.lose_reach()
        post.power_on()
        post.run_windows(3)
        images.append(post.emulated.flash.image())
    assert images[0] == images[1], "the same seed, other bytes"


def test_another_seed_gives_other_bytes(raise_post: RaisePost) -> None:
    images = []
    for seed in (1, 2):
        post = raise_post(seed=seed)
        post.emulated.radio.lose_reach()
        post.power_on()
        post.run_windows(2)
        images.append(post.emulated.flash.image())
    assert images[0] != images[1]
