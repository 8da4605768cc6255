"""Power is cut at every flash operation of a whole cycle, each torn at three places: nothing is lost, nothing twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from powercut_sweep import hunt, sweep
from whole_cycle import Patch

from hadeda.board.partitions import KEYS

Record = Callable[[str, object], None]
SHARES = 2
STAGES = {
    "boot",
    "close",
    "seal",
    "append",
    "send",
    "receipt",
    "ratchet",
    "policy change",
    "rotation, prepared",
    "rotation, confirmed",
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", range(SHARES))
def test_powercut_at_every_flash_operation_of_a_cycle(
    share: int, record_property: Callable[[str, object], None]
) -> None:
    """The shares are of the same cuts: together they are all of them."""
    swept = sweep(share, SHARES)
    record_property(f"power cuts, share {share + 1} of {SHARES}", str(swept))
    assert set(swept.stages) == STAGES, "the cycle lacks a stage, or has another one"
    assert swept.failures == [], f"{len(swept.failures)} of {swept.forks}:\n" + "\n".join(swept.failures[:3])


LIMIT_LATE = ("node/counter.py", "if number >= self._limit:", "if number > self._limit:")
RULES_IN_TWO = (
    "node/keychain.py",
    "        self._save(self.secrets.changed(policy=policy, floor=floor, command=command, result=labels.RESULT_DONE))",
    "        self._save(self.secrets.changed(policy=policy))\n"
    "        self._save(self.secrets.changed(floor=floor, command=command, result=labels.RESULT_DONE))",
)
KEYS_ERASED_FIRST = (
    "node/keystore.py",
    "        if not self._wrote(1 - sector, _pack(generation + 1, body)):",
    "        self._erase(sector)\n        if not self._wrote(1 - sector, _pack(generation + 1, body)):",
)


@pytest.mark.parametrize(
    ("patch", "partition", "symptom"),
    [
        pytest.param(LIMIT_LATE, "nvs", "repeat the number", id="a-limit-written-after-its-first-number-is-used"),
        pytest.param(RULES_IN_TWO, KEYS, "half of the new rules", id="policy-and-floor-in-two-steps"),
        pytest.param(KEYS_ERASED_FIRST, KEYS, "no whole record", id="old-keys-erased-before-the-new-ones-are-there"),
    ],
)
def test_powercut_sweep_finds_a_planted_bug(
    patch: Patch, partition: str, symptom: str, record_property: Record
) -> None:
    swept = hunt(patch, partition)
    record_property(f"power cuts, {patch[0]} with a bug", f"found by restart {swept.forks}")
    assert len(swept.failures) == 1, "the planted bug was not found"
    assert symptom in swept.failures[0]
