"""The node's heap on a board of 160 KB: what is left of it at the worst moment, and what happens when nothing is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import flash_image
import pytest
from lamp_post import MORNING, LampPost, Template

from hadeda.collect.collector import Status
from hadeda.envelope import labels

RaisePost = Callable[..., LampPost]
LETTERS = 6  # windows in which a rotation is commanded, announced, confirmed and taken
# On how much heap the node still does everything, letters included. A board has 160: the rest is kept in reserve
HEAP_KB = 150
# What its reports say it had on the heap at the most, garbage included, less what the emulated board keeps there
PEAK_MAX = 136_000 + 4095  # reports round up
# Says how much of the heap is taken before the node's first module
BOOT_PY = b"import gc\ngc.collect()\nprint('taken', gc.mem_alloc())\n"
# A node that has nothing left whenever a letter comes
HUNGRY_MAIN_PY = b"""
import gc
gc.threshold(2048)
import envelope.cose
from node.letters import Mailbox
from node.main import start

handle = Mailbox.handle

def hungry(self, topic, message):
    held = []
    try:
        while True:
            held.append(bytearray(16))
    except MemoryError:
        pass
    handle(self, topic, message)

Mailbox.handle = hungry
start()
"""


def taken_at_boot(post: LampPost) -> int:
    """What the emulated board keeps on the heap, in bytes: on silicon it is in the firmware."""
    line = next(line for line in bytes(post.emulated.output).splitlines() if line.startswith(b"taken "))
    return int(line.split()[1])


@pytest.fixture
def small_post(template: Template, tmp_path: Path) -> Iterator[LampPost]:
    """A lamp post on a busy street whose board has less heap than any that Hadeda supports."""
    budgets = template.board.budgets.model_copy(update={"heap_kb": HEAP_KB})
    board = template.board.model_copy(update={"budgets": budgets})
    with LampPost(replace(template, board=board), tmp_path, start=MORNING) as post:
        yield post


def test_a_busy_morning_with_a_new_identity_leaves_room(small_post: LampPost) -> None:
    post = small_post
    flash_image.change(post.flash, post.board, {"/boot.py": BOOT_PY})
    post.open_city()
    post.power_on()
    post.run_windows(2)
    before = post.wait_stored(1)[-1].node_id
    post.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1})
    post.run_windows(LETTERS)
    post.command(labels.OPERATION_REPORT_NOW)
    post.run_windows(3)
    assert post.stored[-1].node_id != before, post.explain("the node has no new identity")
    assert all(result == labels.RESULT_DONE for result in post.results().values()), post.explain("commands are open")
    assert b"Error" not in post.emulated.output, post.explain("something went wrong")
    peak = max(report.health.heap_high_water_bytes for report in post.stored) - taken_at_boot(post)
    assert peak <= PEAK_MAX, post.explain(f"the heap peaks at {peak} bytes")


def test_a_letter_without_any_memory_left_costs_no_report(raise_post: RaisePost) -> None:
    post = raise_post()
    flash_image.change(post.flash, post.board, {"/main.py": HUNGRY_MAIN_PY})
    post.open_city()
    post.power_on()
    post.run_windows(1)
    post.wait_stored(1)
    number = post.command(labels.OPERATION_REPORT_NOW)
    post.run_windows(5)
    assert b"a letter went wrong: MemoryError" in post.emulated.output, post.explain("the letter did not fail")
    assert post.results()[number] is None, "the command was executed without memory: this test sees nothing"
    assert post.count(Status.STORED) >= 5, post.explain("reports are missing")
    assert post.emulated.resets == [1], post.explain("the node started again")
