"""A stage that hangs starves the watchdog; a node that crashes again and again goes without sensors, and says so."""

from collections.abc import Callable

import flash_image
import pytest
from lamp_post import LampPost

from hadeda.collect.collector import Status
from hadeda.envelope import labels
from hadeda.registry import StoredReport

RaisePost = Callable[..., LampPost]
WDT_RESET = 3
# A node with a fault planted in one stage, until the watchdog has bitten
PLANTED = """
import gc
gc.threshold(2048)
import envelope.cose
import machine
from node.main import start
if machine.reset_cause() == machine.PWRON_RESET:
{fault}
start()
"""
HANGS = {
    # A driver that waits for ever, and cannot be cancelled
    "sample": """
    import asyncio
    from sensors.pms5003 import Pms5003
    async def run(self, out):
        while True:
            try:
                await asyncio.sleep_ms(1 << 28)
            except asyncio.CancelledError:
                pass
    Pms5003.run = run
""",
    # A window that nobody closes, while everything else goes on
    "minimise": """
    from node.window import Window
    Window.over = lambda self: False
    Window.nap_ms = lambda self, longest_ms: longest_ms
""",
    "seal": """
    import time
    from node.seal import Sealer
    def seal(self, report):
        while True:
            time.sleep(1)
    Sealer.seal = seal
""",
    "store": """
    import time
    from node.store import Store
    def append(self, sealed):
        while True:
            time.sleep(1)
    Store.append = append
""",
    # A session that does not move, and time-outs that do not come
    "send": """
    import asyncio
    from node.mqtt import Client
    from ports.clock import Clock
    async def publish(self, topic, payload):
        while True:
            await asyncio.sleep_ms(1000)
    Client.publish = publish
    Clock.within_ms = lambda self, awaitable, milliseconds: awaitable
""",
}
# A node whose windows fail as long as its sensors are on
CRASHING = b"""
import gc
gc.threshold(2048)
import envelope.cose
from node.main import start
from node.pipeline import Pipeline

run = Pipeline.run

async def crashing(self):
    if self.health.row()[2] < 2:  # not in safe mode
        raise ValueError("planted")
    await run(self)

Pipeline.run = crashing
start()
"""

# A node that cannot even start, until it has started again
STILLBORN = b"""
import asyncio, machine

def run(_):
    raise MemoryError("planted")

if machine.reset_cause() == machine.PWRON_RESET:
    asyncio.run = run
"""


def newest(post: LampPost) -> StoredReport:
    """The report with the highest number."""
    return max(post.stored, key=lambda report: (report.epoch, report.sequence))


@pytest.mark.parametrize("stage", HANGS)
def test_a_stage_that_hangs_ends_in_the_watchdog_and_the_node_reports_again(raise_post: RaisePost, stage: str) -> None:
    post = raise_post()
    flash_image.change(post.flash, post.board, {"/main.py": PLANTED.format(fault=HANGS[stage]).encode()})
    post.open_city()
    post.power_on()
    bound = post.clock_s + 15 * 60
    post.run_until(lambda: WDT_RESET in post.emulated.resets or post.clock_s > bound)
    assert post.emulated.resets == [1, WDT_RESET], post.explain("the watchdog did not starve")
    before = post.count(Status.STORED)
    post.run_until(post.clock_s + 3 * post.window_s)
    post.wait_stored(before + 1)
    assert newest(post).health.reset_cause == WDT_RESET
    assert post.emulated.resets == [1, WDT_RESET], post.explain("it is not well")


def test_a_node_that_crashes_three_times_reports_without_sensors_and_takes_commands(raise_post: RaisePost) -> None:
    post = raise_post()
    flash_image.change(post.flash, post.board, {"/main.py": CRASHING})
    post.open_city()
    post.power_on()
    post.run_until(lambda: post.count(Status.STORED) >= 1)
    assert post.emulated.resets == [1, 2, 2, 2], post.explain("not the third crash")
    report = newest(post)
    assert (report.health.safe_mode, report.health.reset_cause) == ("error", labels.RESET_ERROR)
    assert report.air == ()
    assert {cell.withheld for cell in report.traffic} <= {"sensor blind", "not allowed"}  # that: a window cut short
    number = post.command(labels.OPERATION_REBOOT)
    post.run_until(lambda: len(post.emulated.resets) > 5)  # told to, and crashed again
    assert post.run_until_known(lambda: post.results()[number] == labels.RESULT_DONE, 6)
    assert newest(post).health.safe_mode == "error"


def test_a_node_that_cannot_start_tries_again(raise_post: RaisePost) -> None:
    post = raise_post()
    flash_image.change(post.flash, post.board, {"/boot.py": STILLBORN})
    post.open_city()
    post.power_on()
    post.run_until(lambda: post.count(Status.STORED) >= 2)
    assert b"starting again after: MemoryError('planted',)" in post.emulated.output
    assert post.emulated.resets == [1, 2], post.explain("it did not start again, or too often")


def test_a_brown_out_is_told_from_a_power_cut(post: LampPost) -> None:
    post.power_on()
    post.run_windows(1)
    post.emulated.brown_out()
    post.run_windows(2)
    assert newest(post).health.reset_cause == labels.RESET_BROWN_OUT
    post.power_off()
    post.power_on()
    post.run_windows(2)
    assert newest(post).health.reset_cause == 1


def test_a_node_leaves_a_network_that_leads_nowhere_and_keeps_one_that_leads_to_the_city(raise_post: RaisePost) -> None:
    post = raise_post()
    post.open_city()
    post.power_on()
    post.run_windows(1)
    wrong = post.command(labels.OPERATION_SET_NETWORK, {labels.SET_NETWORK_PORT: 1})
    post.run_until_known(lambda: post.results()[wrong] is not None, 8)
    assert post.results()[wrong] == labels.RESULT_FELL_BACK, post.explain("nobody is at that port")
    port = post.city.settings.broker.port
    right = post.command(labels.OPERATION_SET_NETWORK, {labels.SET_NETWORK_PORT: port})
    post.run_until_known(lambda: post.results()[right] is not None, 8)
    assert post.results()[right] == labels.RESULT_DONE, post.explain("that is where the city is")
    sequences = [report.sequence for report in post.stored]
    assert sorted(sequences) == list(range(len(sequences))), "no report is lost"
