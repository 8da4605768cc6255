"""The outbox on a board's littlefs: a month in a megabyte, what a boot costs with it, and how flash wears."""

import json
from collections.abc import Callable
from typing import Any

import flash_image
import pytest
from firmware.fakes import Flash
from lamp_post import LampPost

from hadeda.board.partitions import FILES, KEYS, find, hadeda
from node.store import Store

RaisePost = Callable[..., LampPost]

NVS = "nvs"
WINDOWS_A_DAY = 96
DAYS = 7  # what a year is extrapolated from
WINDOWS_A_YEAR = 365 * WINDOWS_A_DAY
SEALED_BYTES = 241  # a report of six channels and eight cells
ERASES_A_YEAR_MAX = 1000
KEPT_HEAP = 4_000  # bytes that the outbox may stay with: a number for each segment
PASSING_HEAP = 48_000  # and garbage until the collector comes
LIMIT_S = 280.0

BEGIN = """
import gc, json, os
from node import keystore, ledger, randomness, store
from node.boots import Boots
from node.keychain import Keychain
from ports import entropy, power
from ports.flash import Files, KeyPartition, Nvs

files, nvs = Files(), Nvs()
"""
# A node's life as far as it touches flash, without sensors, signatures and radio
WEAR = """
keychain = Keychain(keystore.open_keystore(files, KeyPartition.find()), nvs, power.Retained())
book, outbox = ledger.Ledger(nvs, keychain), store.Store(files, nvs)
chance = randomness.Randomness(nvs, entropy.noise, power.serial())
Boots(nvs, power)
for window in range({windows}):
    keychain.ratchet_if_due(900)
    keychain.spend()
    book.spend(1, 1000000, 900)
    outbox.append(bytes({size}))
    chance.reseed()
    if {receipts} and window % 4 == 3:
        outbox.forget(outbox.next - 1)
print("done", json.dumps([keychain.epoch, outbox.waiting]))
"""
BLOCKS = """
stat = os.statvfs("/")
print("done", json.dumps((stat[2] - stat[3]) * stat[0]))
"""
BOOT = """
class Counted(Files):
    count = 0
    def read(self, path):
        Counted.count += 1
        return Files.read(self, path)
files = Counted()
gc.collect()
before = gc.mem_alloc()
outbox = store.Store(files, nvs)
peak = gc.mem_alloc()
gc.collect()
print("done", json.dumps([outbox.waiting, outbox.next, Counted.count, peak - before, gc.mem_alloc() - before]))
"""
PASS = """
outbox, index, count = store.Store(files, nvs), 0, 0
entry = outbox.after(0)
while entry is not None:
    index, count = entry[0], count + 1
    entry = outbox.after(index)
print("done", json.dumps([index, count, outbox.row()[2:]]))
"""


def run_script(post: LampPost, script: str, **values: Any) -> Any:
    """Run a program on the board from power-on; what it prints after `done`."""
    flash_image.change(post.flash, post.board, {"/main.py": (BEGIN + script.format(**values)).encode()})
    start = len(post.emulated.output)
    post.power_on()
    post.run_until(lambda: b"done" in post.emulated.output[start:] or b"Error" in post.emulated.output[start:], LIMIT_S)
    post.run_until(post.clock_s + 1)
    text = bytes(post.emulated.output[start:]).decode()
    post.power_off()
    assert "done" in text, text
    return json.loads(text.split("done", 1)[1].splitlines()[0])


def worst_per_year(post: LampPost, before: list[int], windows: int) -> dict[str, float]:
    """Erases of the worst sector of each partition, in a year of 15-minute windows."""
    wear = [now - then for now, then in zip(post.emulated.flash.wear, before, strict=True)]
    found = {}
    for name in (NVS, KEYS, FILES):
        part = find(hadeda(post.board.flash_mb), name)
        sectors = wear[part.address // 4096 : (part.address + part.size) // 4096]
        found[name] = max(sectors) * WINDOWS_A_YEAR / windows
    return found


@pytest.mark.parametrize("receipts", [True, False], ids=["city answers", "city away"])
def test_no_sector_is_erased_more_than_a_thousand_times_a_year(raise_post: RaisePost, receipts: bool) -> None:
    post = raise_post()
    windows = DAYS * WINDOWS_A_DAY
    before = list(post.emulated.flash.wear)
    epoch, waiting = run_script(post, WEAR, windows=windows, size=SEALED_BYTES, receipts=receipts)
    assert (epoch, waiting) == (DAYS, 0 if receipts else windows)
    worst = worst_per_year(post, before, windows)
    print(f"\nerases a year on the worst sector, receipts {receipts}: {worst}")
    assert max(worst.values()) <= ERASES_A_YEAR_MAX, worst


def month_of_segments(reports: int) -> dict[str, bytes]:
    """The files of an outbox that nobody emptied, as the node's own code makes them."""
    flash = Flash()
    outbox = Store(flash, flash)
    for _ in range(reports):
        outbox.append(bytes(SEALED_BYTES))
    return flash.files


def test_thirty_days_of_reports_fit_into_a_megabyte_and_a_boot_reads_little_of_it(raise_post: RaisePost) -> None:
    post = raise_post()
    reports = 30 * WINDOWS_A_DAY
    before = run_script(post, BLOCKS)
    flash_image.change(post.flash, post.board, month_of_segments(reports))
    size = run_script(post, BLOCKS) - before
    waiting, following, read, passing, kept = run_script(post, BOOT)
    assert (waiting, following, read) == (reports, reports + 1, 1)
    assert kept <= KEPT_HEAP
    assert passing <= PASSING_HEAP
    print(
        f"\n{reports} reports take {size} bytes of flash, file system included; a boot reads {read} "
        f"segment, leaves {passing} bytes of garbage and {kept} of heap in use"
    )
    assert size <= 1 << 20
    assert run_script(post, PASS) == [reports, reports, []]
    wear = list(post.emulated.flash.wear)
    more = 2 * WINDOWS_A_DAY
    assert run_script(post, WEAR, windows=more, size=SEALED_BYTES, receipts=False)[1] == reports + more
    worst = worst_per_year(post, wear, more)
    print(f"erases a year on the worst sector, outbox full: {worst}")
    assert worst[FILES] <= ERASES_A_YEAR_MAX, worst
