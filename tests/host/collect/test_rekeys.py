"""Re-keys as the city sees them: ready, first message, commit; replays, detours, and what it takes from the past."""

from copy import copy
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from key_life import Scene
from sealing import SealingNode, cose_thumbprint, enrolled, example_report, point
from test_ratchets import on_disk

from hadeda.city import City
from hadeda.city.rotation import key_state
from hadeda.collect import Collector, Status
from hadeda.envelope import labels
from hadeda.registry import revoke
from hadeda.registry.epochs import PENDING_MAX, keys_in_use, purge, standing


@pytest.fixture
def scene(city: City) -> Scene:
    return Scene(city)


def prepare(scene: Scene, node: SealingNode, **options: Any) -> SealingNode:
    """The node's ready arrives; the node as it will be."""
    outcome = scene.take(node.rekey(**options))
    assert outcome.status is Status.READY, outcome.reason
    assert node.pending is not None
    return node.pending


def test_ready_first_message_commit(scene: Scene) -> None:
    scene.stored(scene.node, 0)
    renewed = prepare(scene, scene.node)
    assert scene.epochs() == {1: "current", 65: "pending"}
    scene.stored(scene.node, 1)
    assert scene.said(renewed) == {1: 0}
    assert scene.letter(scene.node) is None
    assert scene.stored(renewed, 0).epoch == 65
    assert scene.epochs() == {1: "past", 65: "current"}
    assert scene.letter(renewed) is None, "confirmed: nothing stands there any more"
    assert scene.topics == {}
    scene.stored(scene.node, 2)
    scene.stored(renewed.ratchet(), 0)
    assert scene.epochs() == {1: "past", 65: "past", 66: "current"}


def test_the_old_chain_ends_with_the_commit(scene: Scene) -> None:
    ahead = scene.node.ratchet().seal(example_report(), 0)
    renewed = prepare(scene, scene.node)
    scene.stored(renewed, 0)
    assert scene.refusal(ahead) == "no key for this kid and epoch"
    disk = on_disk(scene.city)
    assert renewed.root in disk
    for old in range(3):
        assert scene.node.ratchet(old).root not in disk


def test_the_node_may_ratchet_on_before_and_after_it_takes_the_new_keys(scene: Scene) -> None:
    renewed = prepare(scene, scene.node)
    scene.stored(scene.node.ratchet(), 0)
    assert scene.said(renewed) == {1: 0}
    scene.stored(renewed.ratchet(3), 0)
    assert scene.epochs() == {1: "past", 2: "past", 65: "past", 66: "past", 67: "past", 68: "current"}
    scene.stored(renewed, 0)
    assert scene.registered().heard_at is not None


def test_a_ready_from_an_epoch_the_city_has_not_heard_of(scene: Scene) -> None:
    far = scene.node.ratchet(300)
    assert scene.refusal(far.seal(example_report(), 0)) == "no key for this kid and epoch"
    renewed = prepare(scene, far)
    assert renewed.epoch == 365
    scene.stored(scene.taken(far), 0)
    assert scene.epochs() == {1: "past", 365: "current"}


def test_the_same_ready_again_changes_nothing(scene: Scene) -> None:
    message = scene.node.rekey()
    assert scene.take(message).status is Status.READY
    before = scene.rows()
    for _ in range(3):
        scene.clock.forward(hours=1)
        outcome = scene.take(message)
        assert (outcome.status, outcome.node, outcome.epoch) == (Status.REPEATED, "corner", 65)
    assert scene.rows() == before
    assert scene.collector.counts == {Status.READY: 1, Status.REPEATED: 3}


@pytest.mark.parametrize("new_identity", [False, True])
def test_the_ready_of_the_current_chain_again_changes_nothing(scene: Scene, new_identity: bool) -> None:
    """Whoever brings it, for a registry that was restored it would be new. An identity that it replaced signed it."""
    first = prepare(scene, scene.node, new_identity=new_identity)
    scene.stored(first, 0)
    scene.stored(first.ratchet(3), 0)
    before = scene.rows()
    outcome = scene.take(first.ready)
    assert (outcome.status, outcome.letters) == (Status.REPEATED, ())
    assert scene.rows() == before
    second = prepare(scene, first.ratchet(3))
    assert scene.take(first.ready).status is Status.REPEATED
    scene.stored(second, 0)
    assert scene.refusal(first.ready) == "replayed", "that chain is over"
    assert scene.take(second.ready).status is Status.REPEATED


def test_a_ready_whose_number_is_not_above_all_known(scene: Scene) -> None:
    scene.stored(scene.node.ratchet(2), 0)  # the city knows 3 and expects up to 43
    for epoch in (1, 3, 4, 43):
        reason = scene.refusal(scene.node.rekey(epoch=epoch))
        assert reason == "ready begins with an epoch that is not above all known ones"
    prepare(scene, scene.node, epoch=44)
    for epoch in (44, 45, 84):
        scene.refusal(scene.node.rekey(epoch=epoch))
    prepare(scene, scene.node, epoch=85)


def test_readies_that_arrive_in_the_wrong_order(scene: Scene) -> None:
    first = scene.node.rekey()
    second = scene.node.rekey()
    renewed = scene.node.pending
    assert renewed is not None
    assert scene.take(second).status is Status.READY
    assert "not above" in scene.refusal(first)
    scene.stored(renewed, 0)
    assert "not above" in scene.refusal(first)


def test_a_later_ready_supersedes_the_pending_one(scene: Scene) -> None:
    dropped = prepare(scene, scene.node)
    renewed = prepare(scene, scene.node)
    assert (dropped.epoch, renewed.epoch) == (65, 129)
    assert scene.letter(dropped) is None
    assert scene.said(renewed) == {1: 0}
    scene.stored(renewed, 0)
    assert scene.epochs() == {1: "past", 65: "past", 129: "current"}
    assert dropped.root not in on_disk(scene.city)


def test_reports_under_a_pending_epoch_that_was_superseded_on_the_way_are_not_lost(scene: Scene) -> None:
    """The node took the first, lost its counter, and its next ready overtook the first report."""
    first = prepare(scene, scene.node)
    second = prepare(scene, first)
    scene.stored(first, 0)
    assert scene.epochs() == {1: "past", 65: "current", 129: "pending"}
    assert scene.said(second) == {1: 0}
    scene.stored(second, 0)
    scene.stored(first, 1)
    assert scene.epochs() == {1: "past", 65: "past", 129: "current"}


def test_readies_are_bounded_and_neither_the_oldest_nor_the_newest_goes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PENDING_MAX == 64
    monkeypatch.setattr("hadeda.registry.rekey.PENDING_MAX", 4)
    chains = [prepare(scene, scene.node) for _ in range(4)]
    assert all(chain.root in on_disk(scene.city) for chain in chains)
    chains += [prepare(scene, scene.node) for _ in range(3)]
    kept = [chain.root in on_disk(scene.city) for chain in chains]
    assert (kept[0], kept[-1], sum(kept)) == (True, True, 4)
    assert list(scene.epochs().values()).count("pending") == 4
    scene.stored(chains[0], 0)
    scene.stored(chains[-1], 0)
    assert list(scene.epochs().values()).count("current") == 1


def test_a_re_key_that_was_taken_unheard_is_found_whatever_came_after_it(scene: Scene) -> None:
    """The broker keeps reports back and lets readies pass, for weeks: the node is not lost by it."""
    node = rotate(scene, labels.ROLE_RECEIPT)
    later, ceiling = node.ratchet(30), node.ceiling
    for _ in range(6):
        scene.clock.forward(days=8)
        later.ceiling = ceiling
        prepare(scene, later)
        ceiling = later.ceiling
        later = later.ratchet(1)
    scene.stored(later, 0)
    assert scene.registered().authorities["2"] == cose_thumbprint(node.authorities[2]).hex()
    later.ceiling = ceiling
    prepare(scene, later)
    scene.stored(scene.taken(later), 0)


def test_the_newest_ready_waits_for_a_node_that_was_switched_off(scene: Scene) -> None:
    renewed = prepare(scene, scene.node)
    scene.clock.forward(days=400)
    scene.collector = Collector(scene.city, clock=scene.clock)
    scene.stored(renewed, 0)
    assert scene.epochs() == {1: "past", 65: "current"}


def test_pending_keys_are_not_promoted_by_what_does_not_open(scene: Scene) -> None:
    renewed = prepare(scene, scene.node)
    sealed = renewed.seal(example_report(), 0)
    stranger = ec.generate_private_key(ec.SECP256R1())
    scene.refusal(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    scene.refusal(renewed.seal(example_report(), 0, signer=stranger))
    scene.refusal(renewed.seal(example_report(), 0, recipient=bytes(32)))
    assert scene.epochs() == {1: "current", 65: "pending"}


def test_a_letter_fed_back_as_a_message(scene: Scene) -> None:
    renewed = prepare(scene, scene.node)
    scene.command(labels.OPERATION_REBOOT)
    scene.stored(scene.node, 0)
    for node in (renewed, scene.node):
        letter = scene.sealed_letter(node)
        assert letter is not None
        # Its partial IV is far beyond what a node counts to; with one that fits, the direction is what refuses it
        assert scene.refusal(letter) == "sequence number beyond an epoch's last"
    for node in (renewed, scene.node):
        assert scene.refusal(node.seal(example_report(), 9, direction=1)) == "not sealed by the key its kid names"


def test_a_ready_of_a_revoked_node(scene: Scene) -> None:
    message = scene.node.rekey()
    renewed = prepare(scene, scene.node)
    scene.stored(scene.node, 0)
    assert scene.topics
    revoke(scene.city.database, "corner")
    assert scene.refusal(message) == "node is revoked"
    assert scene.refusal(scene.node.rekey()) == "node is revoked"
    assert scene.refusal(renewed.seal(example_report(), 0)) == "node is revoked"
    assert scene.topics == {}, "no letter stands for a revoked node"


def test_a_stranger_cannot_re_key_a_node(scene: Scene) -> None:
    stranger = SealingNode()
    stranger.authorities, stranger.epoch = dict(scene.node.authorities), 1
    assert scene.refusal(stranger.rekey()) == "ready of a node that is not known"
    assert scene.refusal(stranger.rekey(f2=scene.node.node_id)) == "signature does not verify"
    other = enrolled(scene.city, "other")
    prepare(scene, other)
    assert scene.epochs()[1] == "current"


# --- identity ------------------------------------------------------------------------------------------------------


def test_a_new_identity_replaces_the_old_one_and_its_backlog_still_opens(scene: Scene) -> None:
    old = scene.node.node_id
    backlog = scene.node.seal(example_report(), 5)
    renewed = prepare(scene, scene.node, new_identity=True)
    assert scene.registered().node_id == old.hex()
    assert scene.said(renewed) == {1: 0}, "addressed to the new identity"
    scene.stored(renewed, 0)
    assert (scene.registered().node_id, scene.registered().identity) == (renewed.node_id.hex(), renewed.public)
    assert scene.take(backlog).node == "corner"
    assert scene.take(backlog).status is Status.REPEATED
    assert scene.refusal(scene.node.rekey()) == "ready of a node that is not known", "the old identity is no more"
    assert scene.refusal(renewed.seal(example_report(), 1, signer=scene.node.identity)) == "signature does not verify"
    again = prepare(scene, renewed, new_identity=True)
    scene.stored(again, 0)
    assert scene.registered().node_id == again.node_id.hex()


def test_a_node_that_dropped_its_new_identity_re_keys_with_the_old_one(scene: Scene) -> None:
    dropped = prepare(scene, scene.node, new_identity=True)
    renewed = prepare(scene, scene.node)
    assert renewed.node_id == scene.node.node_id
    scene.stored(renewed, 0)
    assert scene.registered().node_id == scene.node.node_id.hex()
    assert scene.refusal(dropped.rekey()) == "ready of a node that is not known"


def test_a_new_identity_that_took_its_keys_unheard_may_re_key_again(scene: Scene) -> None:
    taken = prepare(scene, scene.node, new_identity=True)
    renewed = prepare(scene, taken)
    scene.stored(taken, 0)
    assert scene.registered().node_id == taken.node_id.hex()
    scene.stored(renewed, 0)


def test_an_identity_that_another_node_has_is_refused(scene: Scene) -> None:
    other = enrolled(scene.city, "other")
    message = scene.node.rekey(new_identity=True)
    thief = scene.node
    proof = {"f7": other.public}
    assert scene.refusal(thief.rekey(new_identity=True, **proof)) == "signature does not verify"
    assert scene.take(message).status is Status.READY


def test_bad_proofs_change_nothing(scene: Scene) -> None:
    other = enrolled(scene.city, "other")
    for bent in (
        scene.node.rekey(new_identity=True, prover=other.identity),
        scene.node.rekey(new_identity=True, f8=bytes(64)),
        scene.node.rekey(new_identity=True, f8=None),
        scene.node.rekey(new_identity=True, f7=None),
        scene.node.rekey(signer=other.identity),
        scene.node.rekey(high_s=True),
        scene.node.rekey(f5=bytes(32)),
    ):
        scene.refusal(bent)


# --- the city's own keys --------------------------------------------------------------------------------------------


def rotate(scene: Scene, *roles: int) -> SealingNode:
    """New city keys, the rotate command that brings them, and the node's ready for it."""
    for role in roles:
        scene.city.keyring.rotate(role, None)
    keys = {role: scene.city.keyring.public(role) for role in roles}
    command = scene.command(labels.OPERATION_ROTATE, {labels.ROTATE_KEYS: keys})
    scene.stored(scene.node, 0)
    letter = scene.letter(scene.node)
    assert letter is not None
    fields = scene.node.check_command(letter[2])
    assert fields[4] == {1: keys}
    return prepare(scene, scene.node, keys=fields[4][1], command=command.number)


def test_the_collectors_key_is_rotated(scene: Scene) -> None:
    old = scene.city.collector_id
    renewed = rotate(scene, labels.ROLE_COLLECTOR)
    assert renewed.collector_id == scene.city.collector_id != old
    scene.stored(scene.node, 1)
    scene.stored(renewed, 0)
    scene.stored(scene.node, 2)  # sealed for the old key
    assert scene.refusal(renewed.seal(example_report(), 1, recipient=old)) == "signature does not verify"
    assert scene.registered().authorities["1"] == scene.city.collector_id.hex()


def test_receipt_and_command_keys_are_rotated(scene: Scene) -> None:
    renewed = rotate(scene, labels.ROLE_RECEIPT, labels.ROLE_COMMAND)
    assert scene.said(renewed) == {1: 0}, "signed by the new receipt key"
    with pytest.raises(InvalidSignature):
        scene.node.__class__.open_letter(
            _with(renewed, 2, scene.node.authorities[2]), scene.sealed_letter(renewed) or b""
        )
    scene.stored(renewed, 0)
    scene.command(labels.OPERATION_LOCATE)
    scene.stored(renewed, 1)
    letter = scene.letter(renewed)
    assert letter is not None
    assert renewed.check_command(letter[2])[2] == labels.OPERATION_LOCATE
    with pytest.raises(InvalidSignature):
        scene.node.check_command(letter[2])


def _with(node: SealingNode, role: int, public: bytes) -> SealingNode:
    changed = node.ratchet(0)
    changed.authorities = {**node.authorities, role: public}
    return changed


def test_city_keys_are_in_use_until_the_last_node_has_new_ones(scene: Scene) -> None:
    def in_use() -> set[str]:
        with scene.city.database.read() as session:
            return keys_in_use(session)

    old = scene.city.keyring.thumbprint(labels.ROLE_RECEIPT).hex()
    renewed = rotate(scene, labels.ROLE_RECEIPT)
    new = scene.city.keyring.thumbprint(labels.ROLE_RECEIPT).hex()
    assert {old, new} < in_use()
    scene.stored(renewed, 0)
    assert new in in_use()
    assert old not in in_use()


def test_a_node_that_dropped_a_rotation_still_has_the_old_keys(scene: Scene) -> None:
    dropped = rotate(scene, labels.ROLE_RECEIPT)
    assert cose_thumbprint(dropped.authorities[2]) != cose_thumbprint(scene.node.authorities[2])
    renewed = prepare(scene, scene.node)
    assert scene.said(renewed) == {1: 0}, "by the receipt key that the node knows"
    scene.stored(renewed, 0)
    assert scene.registered().authorities["2"] == cose_thumbprint(scene.node.authorities[2]).hex()


def test_a_rotation_that_was_taken_unheard_counts_for_the_next_ready(scene: Scene) -> None:
    taken = rotate(scene, labels.ROLE_RECEIPT)
    renewed = prepare(scene, taken)
    scene.stored(taken, 0)
    assert scene.said(renewed) == {1: 0}
    scene.stored(renewed, 0)
    assert scene.registered().authorities["2"] == cose_thumbprint(taken.authorities[2]).hex()


def test_a_key_that_is_not_the_citys_cannot_be_agreed_with(scene: Scene) -> None:
    stranger = point(ec.generate_private_key(ec.SECP256R1()))
    assert scene.refusal(scene.node.rekey({1: stranger})) == "re-key is not sealed to a key of this city"


# --- after a compromise ----------------------------------------------------------------------------------------------


def test_after_a_compromise_everything_older_is_closed_at_the_commit(scene: Scene) -> None:
    nodes = [scene.node.ratchet(times) for times in range(21)]
    for node in nodes:
        scene.stored(node, 0)
        scene.clock.forward(days=1)
    scene.stored(nodes[0], 1)  # three weeks old, and taken
    command = scene.command(labels.OPERATION_ROTATE, compromised=True)
    renewed = prepare(scene, nodes[-1], command=command.number)
    scene.stored(nodes[5], 1)
    scene.stored(renewed, 0)
    for node in nodes:
        assert scene.refusal(node.seal(example_report(), 2)) == "epoch is closed"
    assert set(scene.epochs().values()) == {"closed", "current"}
    disk = on_disk(scene.city)
    assert not any(node.keys["key"] in disk or node.root in disk for node in nodes)
    again = prepare(scene, renewed)
    scene.stored(again, 0)
    scene.stored(renewed, 1)  # the next re-key closes nothing


def test_a_ready_made_before_the_compromise_was_known_closes_nothing(scene: Scene) -> None:
    early = prepare(scene, scene.node)
    scene.clock.forward(hours=1)
    command = scene.command(labels.OPERATION_ROTATE, compromised=True)
    scene.stored(early, 0)
    assert scene.epochs() == {1: "past", 65: "current"}
    renewed = prepare(scene, early, command=command.number)
    scene.stored(renewed, 0)
    assert scene.epochs() == {1: "closed", 65: "closed", 129: "current"}


def test_a_ready_made_before_the_compromise_was_known_closes_nothing_however_late_it_comes(scene: Scene) -> None:
    """Who copied the flash has the pending keys, too; when the message arrives is up to whoever carries it."""
    early = scene.node.rekey()
    thief = copy(scene.node.pending)
    assert thief is not None
    scene.stored(scene.node, 0)
    command = scene.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1}, compromised=True)
    scene.clock.forward(hours=1)
    assert scene.take(early).status is Status.READY
    taken = scene.taken(scene.node)
    scene.stored(taken, 0)
    assert scene.registered().close_past == command.number
    letter = scene.letter(taken)
    assert letter is not None
    assert taken.check_command(letter[2])[1] == command.number, "the rotation still comes"
    scene.stored(thief, 1)
    scene.stored(prepare(scene, taken, new_identity=True, command=command.number), 0)
    assert scene.registered().close_past == 0
    assert scene.refusal(thief.seal(example_report(), 2)) == "epoch is closed"


def test_a_later_chain_closes_the_past_when_the_one_for_the_command_was_dropped(scene: Scene) -> None:
    command = scene.command(labels.OPERATION_ROTATE, compromised=True)
    prepare(scene, scene.node, command=command.number)
    later = scene.node.ratchet(labels.REKEY_GRACE)
    scene.stored(later, 0)
    scene.stored(prepare(scene, later), 0)
    assert scene.registered().close_past == 0
    assert set(scene.epochs().values()) <= {"closed", "current"}


def test_a_compromise_whose_rotation_expired_shows_as_unfinished(scene: Scene) -> None:
    def says() -> str:
        with scene.city.database.read() as session:
            return key_state(scene.city, session, scene.registered())

    scene.command(labels.OPERATION_ROTATE, compromised=True, lifetime=1)
    assert says() == "rotation waits"
    scene.stored(scene.node.ratchet(40), 0)
    scene.stored(scene.node.ratchet(70), 0)
    assert says() == "older keys still open: rotate --compromised again"


def test_a_backlog_without_a_compromise_is_taken_after_a_re_key(scene: Scene) -> None:
    nodes = [scene.node.ratchet(times) for times in range(21)]
    for node in nodes:
        scene.stored(node, 0)
        scene.clock.forward(days=1)
    renewed = prepare(scene, nodes[-1])
    scene.stored(renewed, 0)
    for node in nodes:
        scene.stored(node, 1)


def test_where_a_nodes_keys_stand(scene: Scene) -> None:
    def stands() -> tuple[int, int, int | None, int]:
        with scene.city.database.read() as session:
            found = standing(session, scene.registered())
            return found.epoch, found.ratchets, found.pending, found.past

    scene.stored(scene.node.ratchet(2), 0)
    assert stands() == (3, 2, None, 2)
    renewed = prepare(scene, scene.node.ratchet(2))
    assert stands() == (3, 2, 67, 2)
    scene.stored(renewed.ratchet(), 0)
    assert stands() == (68, 1, None, 4)


def test_purging_with_nothing_to_erase_says_so(scene: Scene) -> None:
    with scene.city.database.write() as session:
        assert purge(session, scene.clock()) == 0
