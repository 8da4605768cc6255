"""Rotation never bricks a node: prepare, ready, first message, commit, with any message lost."""

import itertools
from collections.abc import Callable

import pytest
from lamp_post import LampPost, is_ready

from hadeda.collect.collector import Status
from hadeda.envelope import labels, parse_sealed
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
    return max(later - earlier for earlier, later in itertools.pairwise(begun)) / post.window_s


def under_way(post: LampPost) -> int:
    """A node that has reported, and a rotation that waits for it; returns the command's number."""
    post.open_city()
    post.power_on()
    post.run_until_stored(1)
    return post.command(labels.OPERATION_ROTATE)


def test_a_rotation_goes_through_and_old_keys_die(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post()
    number = under_way(post)
    (old_root,) = post.root_keys()
    image = post.emulated.flash.image()
    assert old_root in image, "the root key is not where the node keeps it: this test sees nothing"
    assert post.run_until_known(lambda: rotated(post), WINDOWS), post.explain("the node has not rotated")
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
    """Loses the first `times` messages that `fits`, and counts them."""

    def __init__(self, times: int, fits: Callable[[str, bytes], bool]) -> None:
        self._times = times
        self._fits = fits
        self.lost = 0

    def __call__(self, topic: str, payload: bytes) -> bool:
        if not payload or self.lost == self._times or not self._fits(topic, payload):
            return False
        self.lost += 1
        return True


def prepare(topic: str, payload: bytes) -> bool:
    """A letter where the node listens now, with the command."""
    return topic.startswith("hadeda/down") and parse_sealed(payload).epoch == FIRST


def report(topic: str, payload: bytes) -> bool:
    """A report under the old keys."""
    return topic == "hadeda/up" and not is_ready(payload) and parse_sealed(payload).epoch == FIRST


def ready(topic: str, payload: bytes) -> bool:
    """The node's announcement of a re-key."""
    return topic == "hadeda/up" and is_ready(payload)


def first_message(topic: str, payload: bytes) -> bool:
    """A letter under the new keys."""
    return topic.startswith("hadeda/down") and parse_sealed(payload).epoch >= SECOND_CHAIN


def commit(topic: str, payload: bytes) -> bool:
    """A report under the new keys."""
    return topic == "hadeda/up" and not is_ready(payload) and parse_sealed(payload).epoch >= SECOND_CHAIN


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("step", [report, prepare, ready, first_message, commit], ids=lambda step: step.__name__)
def test_any_message_of_a_rotation_may_be_lost(
    raise_post: Callable[..., LampPost], step: Callable[[str, bytes], bool], times: int
) -> None:
    post = raise_post()
    under_way(post)
    losing = Losing(times, step)
    post.collector.lose = losing
    assert post.run_until_known(lambda: rotated(post), WINDOWS + times), post.explain("the node has not rotated")
    assert losing.lost == times, "nothing was lost: this test sees nothing"
    reports_lost = times if step in (report, commit) else 0
    assert longest_gap(post) <= 1 + reports_lost, "a window is missing that nobody lost"


def test_an_identity_is_replaced_under_the_signature_of_the_old_one(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post()
    post.open_city()
    post.power_on()
    post.run_until_stored(1)
    before = post.stored[-1]
    post.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1})
    assert post.run_until_known(lambda: rotated(post), WINDOWS), post.explain("the node has not rotated")
    after = post.stored[-1]
    assert (after.node, after.node_id == before.node_id) == (before.node, False)
    assert longest_gap(post) == 1
