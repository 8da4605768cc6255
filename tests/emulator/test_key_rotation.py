"""Rotation never bricks a node: prepare, ready, first message, commit, with any message lost and any power cut."""

from collections.abc import Callable

import pytest
from lamp_post import LampPost

from hadeda.board.partitions import KEYS, find, hadeda
from hadeda.collect.collector import Status
from hadeda.emulator.flash import PowerCut
from hadeda.envelope import labels
from hadeda.registry.commands import RESULTS

FIRST = 1
WINDOWS = 6  # prepare, ready, first message, commit: a session each at the worst, and a window to spare
SECOND_CHAIN = FIRST + labels.REKEY_JUMP


def rotated(post: LampPost) -> bool:
    """Whether the city has seen the node under the keys of the second chain, and the first one is dead."""
    standing = post.standing
    return standing.epoch >= SECOND_CHAIN and standing.pending is None and len(post.root_keys()) == 1


def starts(post: LampPost) -> list[float]:
    """When the windows began that the city has."""
    return sorted({report.window_start.timestamp() for report in post.stored if report.window_s > 1})


def longest_gap(post: LampPost) -> float:
    """The longest time between two windows that follow each other, in windows."""
    begun = starts(post)
    return max(later - earlier for earlier, later in zip(begun, begun[1:], strict=False)) / post.window_s


def under_way(post: LampPost) -> int:
    """A node that has reported, and a rotation that waits for it; returns the command's number."""
    post.open_city()
    post.power_on()
    post.run_windows(1)
    post.wait_stored(1)
    return post.command(labels.OPERATION_ROTATE)


def test_a_rotation_goes_through_and_old_keys_die(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post()
    number = under_way(post)
    (old_root,) = post.root_keys()
    image = post.emulated.flash.image()
    assert old_root in image, "the root key is not where the node keeps it: this test sees nothing"
    post.run_windows(WINDOWS)
    assert rotated(post), post.explain("the node has not rotated")
    assert RESULTS[post.results()[number]] == "done"
    (new_root,) = post.root_keys()
    image = post.emulated.flash.image()
    assert new_root in image
    assert old_root not in image, "the old root key is still in flash"
    found = [key.hex() for key in post.traffic_keys() if key in image]
    assert not found, "traffic keys are in flash"
    assert longest_gap(post) == 1
    assert post.count(Status.REJECTED) == 0


class Losing:
    """Loses the `nth` message (from 1) that `fits`, and tells whether it did."""

    def __init__(self, nth: int, fits: Callable[[str, bytes], bool]) -> None:
        self._left = nth
        self._fits = fits
        self.lost = 0

    def __call__(self, topic: str, payload: bytes) -> bool:
        if not self._fits(topic, payload):
            return False
        self._left -= 1
        if self._left == 0:
            self.lost += 1
        return self._left == 0


def is_letter(topic: str, payload: bytes) -> bool:
    return topic.startswith("hadeda/down") and bool(payload)


def is_ready(topic: str, payload: bytes) -> bool:
    return topic == "hadeda/up" and payload.startswith(bytes((0xD8, labels.TAG_ENCRYPT)))


def is_report(topic: str, payload: bytes) -> bool:
    return topic == "hadeda/up" and not is_ready(topic, payload)


LOSSES = [
    ("letter", is_letter, nth) for nth in (1, 2, 3, 4)
] + [("ready", is_ready, nth) for nth in (1, 2)] + [("report", is_report, nth) for nth in (2, 3, 4, 5)]


@pytest.mark.parametrize(("what", "fits", "nth"), LOSSES, ids=[f"{what}{nth}" for what, _, nth in LOSSES])
def test_any_message_of_a_rotation_may_be_lost(
    raise_post: Callable[..., LampPost], what: str, fits: Callable[[str, bytes], bool], nth: int
) -> None:
    post = raise_post()
    under_way(post)
    losing = Losing(nth if what != "report" else nth - 1, fits)
    post.collector.lose = losing
    post.run_windows(WINDOWS + 2)
    assert losing.lost or nth > 2 or (what, nth) == ("ready", 2), "nothing was lost: this test sees nothing"
    assert rotated(post), post.explain("the node has not rotated")
    assert longest_gap(post) <= 2


@pytest.mark.parametrize("torn", ["before", "half", "all"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_the_power_may_fail_at_any_write_of_a_rotation(
    raise_post: Callable[..., LampPost], nth: int, torn: str
) -> None:
    """Every change of the two sectors that hold the keys, from the command to the confirmation."""
    post = raise_post()
    under_way(post)
    keys = find(hadeda(post.board.flash_mb), KEYS)
    changes = 0

    def cut(address: int, data: bytes | None) -> None:
        nonlocal changes
        if not keys.address <= address < keys.address + keys.size:
            return
        changes += 1
        if changes == nth:
            raise PowerCut({"before": 0, "half": len(data or b"") // 2, "all": len(data or b"")}[torn])

    post.emulated.flash.before_change = cut
    ends = post.clock_s + (WINDOWS + 3) * post.window_s
    post.run_until(lambda: not post.emulated.powered or post.clock_s >= ends)
    post.emulated.flash.before_change = None
    assert not post.emulated.powered, "the power was not cut: this test sees nothing"
    post.power_on()
    post.run_windows(WINDOWS)
    assert rotated(post), post.explain("the node has not rotated")
    assert longest_gap(post) <= 2


def test_an_identity_is_replaced_under_the_signature_of_the_old_one(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post()
    post.open_city()
    post.power_on()
    post.run_windows(1)
    before = post.wait_stored(1)[-1]
    post.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1})
    post.run_windows(WINDOWS)
    assert rotated(post), post.explain("the node has not rotated")
    after = post.stored[-1]
    assert (after.node, after.node_id == before.node_id) == (before.node, False)
    assert longest_gap(post) == 1
