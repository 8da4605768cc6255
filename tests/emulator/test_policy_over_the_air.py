"""A policy and a floor come to a board through a real broker: what holds, what is refused."""

import itertools
from collections.abc import Callable
from typing import Any

import flash_image
import pytest
from lamp_post import MORNING, NAME, WINDOW_S, LampPost, PluggedIn, sign_loose_policy
from test_commands_on_boards import answered

from hadeda.city.policies import set_policy
from hadeda.envelope import labels
from hadeda.policy import Floor, read_floor, read_policy
from hadeda.policy.compiled import compile_floor
from hadeda.policy.signing import sign_floor, sign_policy, sign_release
from hadeda.provision import steps
from hadeda.registry.nodes import find_node

RaisePost = Callable[..., LampPost]
WINDOWS = 6  # until a command is answered, the power cut on the way included
EPSILON = 10_000_000  # of the template's policy, for each window
UPDATED = "/lib/node/accept.mpy"  # not needed to boot


def policy(post: LampPost, version: int, **traffic: int) -> bytes:
    """The city's policy with other numbers for traffic, signed by its policy key."""
    model = read_policy(post.city.directory / "policy.toml").model
    changed = model.model_copy(update={"version": version, "traffic": model.traffic.model_copy(update=traffic)})
    return sign_policy(changed, post.city.keyring.private(labels.ROLE_POLICY))


def floor(post: LampPost, version: int, **counts: int) -> Floor:
    """The floor that the node was provisioned with, with other numbers for counts."""
    model = read_floor(post.city.directory / "floor.toml").model
    return model.model_copy(update={"version": version, "counts": model.counts.model_copy(update=counts)})


def listening_floor(post: LampPost, version: int) -> Floor:
    """That floor without what it never allowed: the loosest there is."""
    model = floor(post, version)
    return model.model_copy(update={"never": model.never.model_copy(update={"sources": ()})})


def told(post: LampPost, arguments: dict[int, Any]) -> str:
    """What the node answers to set-policy with these arguments, whatever the city's own tools think of them."""
    return answered(post, labels.OPERATION_SET_POLICY, arguments)


def through_the_tools(post: LampPost, signed: bytes | None, wanted: Floor | None = None) -> dict[int, Any]:
    """The arguments as `hadeda node command NODE set-policy` makes them."""
    return set_policy(post.city, find_node(post.city.database, NAME), signed, wanted)


@pytest.fixture
def standing(post: LampPost) -> LampPost:
    """A node that has reported once."""
    post.power_on()
    post.run_until_stored(1)
    return post


def test_a_policy_over_the_air_holds_from_the_next_window_and_reports_name_it(standing: LampPost) -> None:
    post = standing
    arguments = through_the_tools(post, policy(post, 3, k=5, epsilon_release=1_000_000))
    assert told(post, arguments) == "done"
    post.run_until_stored(len(post.stored) + 2)
    said = [(report.policy_version, report.epsilon) for report in post.stored if report.window_s == WINDOW_S]
    change = said.index((3, 1_000_000))
    assert said == [(2, EPSILON)] * change + [(3, 1_000_000)] * (len(said) - change), said
    assert change >= 1
    assert len(said) > change + 1
    starts = [report.window_start.timestamp() for report in post.stored[1:]]
    assert {later - earlier for earlier, later in itertools.pairwise(starts)} == {WINDOW_S}
    assert find_node(post.city.database, NAME).policy == 3


def test_a_floor_is_tightened_by_one_signature_keeps_policies_out_and_takes_two_to_loosen(standing: LampPost) -> None:
    post = standing
    keyring = post.city.keyring
    policy_key, release_key = (keyring.private(role) for role in (labels.ROLE_POLICY, labels.ROLE_RELEASE))
    node_id = bytes.fromhex(find_node(post.city.database, NAME).node_id)

    stricter = floor(post, 2, min_k=3, max_epsilon_release=5_000_000)
    arguments = through_the_tools(post, policy(post, 3, k=4, epsilon_release=1_000_000), stricter)
    assert set(arguments) == {labels.SET_POLICY_POLICY, labels.SET_POLICY_FLOOR}
    assert told(post, arguments) == "done"
    kept = {name: post.secrets[name] for name in ("policy", "floor")}
    assert kept["floor"] == compile_floor(stricter)

    below = policy(post, 4, k=2, epsilon_release=1_000_000)  # the real policy key signed it
    assert told(post, {labels.SET_POLICY_POLICY: below}) == "refused"
    assert "policy refused: below the floor: k" in post.console, post.explain("the node does not say why")

    looser = floor(post, 3, min_k=1)
    alone = {labels.SET_POLICY_FLOOR: sign_floor(looser, policy_key)}
    for release in (
        None,
        sign_release(looser, policy_key, node_id),
        sign_release(looser, keyring.private(labels.ROLE_COMMAND), node_id),
        sign_release(looser, release_key, bytes(32)),  # what the second person let another node do
    ):
        arguments = alone if release is None else alone | {labels.SET_POLICY_RELEASE: release}
        assert told(post, arguments) == "refused", release
        assert {name: post.secrets[name] for name in kept} == kept

    arguments = through_the_tools(post, below, looser)
    assert labels.SET_POLICY_RELEASE in arguments
    assert told(post, arguments) == "done"
    assert post.secrets["floor"] == compile_floor(looser)
    post.run_until_stored(len(post.stored) + 2)
    assert post.stored[-1].policy_version == 4
    assert b"Error" not in post.emulated.output, post.explain("something went wrong")


def test_the_longest_policy_change_fits_the_heap_on_a_busy_street(raise_post: RaisePost) -> None:
    """Policy, floor and release: four signatures to check, the command's with them."""
    post = raise_post(start=MORNING)
    post.open_city()
    post.power_on()
    post.run_until_stored(2)
    arguments = through_the_tools(post, policy(post, 3, k=2), listening_floor(post, 2))
    assert set(arguments) == {labels.SET_POLICY_POLICY, labels.SET_POLICY_FLOOR, labels.SET_POLICY_RELEASE}
    assert told(post, arguments) == "done"
    post.run_until_stored(len(post.stored) + 1)
    assert post.stored[-1].policy_version == 3
    assert any(cell.count for cell in post.stored[-1].traffic), "an empty street: this test sees nothing"
    assert b"Error" not in post.emulated.output, post.explain("something went wrong")


def test_a_firmware_update_over_the_cable_keeps_the_ledger(standing: LampPost) -> None:
    post = standing
    post.run_windows(2)
    before = post.wait_stored(3)[-1]
    assert before.spent > 0
    post.power_off()
    sign_loose_policy(post.city, 3, WINDOW_S)
    new = post.files()[UPDATED]
    flash_image.change(post.flash, post.board, {UPDATED: new[:-1]})  # what it ran until today
    with PluggedIn(post.board, post.flash) as plugged:
        done = steps.provision(plugged.port, post.board, post.city, now=plugged.now)
    assert done.sent == 1
    assert post.files()[UPDATED] == new
    post.power_on()
    post.run_until_stored(len(post.stored) + 2)
    after = post.stored[post.stored.index(before) + 1 :]
    assert after[-1].policy_version == 3
    # A window may have been paid for when the board was taken off the post, and not told
    paid = before.spent + sum(report.epsilon for report in after)
    assert paid <= after[-1].spent <= paid + EPSILON, "the update refilled the ledger, or lost it"
