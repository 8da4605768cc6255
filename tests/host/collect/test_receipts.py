"""Receipts and gaps: what the city tells a node it need not keep, against an outbox that really loses things."""

import random
from pathlib import Path

import pytest
from key_life import Scene
from sealing import example_report
from sqlalchemy import delete
from test_restored_registry import back_up, challenge, held, restore

from hadeda.city import City
from hadeda.collect import Status
from hadeda.collect import collector as collector_module
from hadeda.envelope import labels
from hadeda.registry import PolicyRow, reports
from hadeda.registry.nodes import Node, whole_index
from hadeda.registry.outbox import gaps


@pytest.fixture
def scene(city: City) -> Scene:
    return Scene(city)


def through(scene: Scene) -> int:
    return scene.registered().through


def gap_ranges(scene: Scene) -> list[tuple[int, int]]:
    return [(gap.first, gap.last) for gap in gaps(scene.city.database, scene.registered())]


def stored(scene: Scene, index: int, kept_before: int = 0, *missing: int) -> None:
    """A report with this index arrives; its sequence number is one less."""
    scene.stored(scene.node, index - 1, r12=[index & 0xFFFF, kept_before, *missing])


def test_reports_in_order_are_receipted_one_after_the_other(scene: Scene) -> None:
    for index in range(1, 6):
        stored(scene, index)
        assert through(scene) == index
    assert [report.index for report in reports(scene.city.database)] == [1, 2, 3, 4, 5]
    assert gap_ranges(scene) == []


def test_a_report_that_is_still_kept_holds_the_receipt_back_until_it_comes(scene: Scene) -> None:
    """A broker acknowledged reports 2 and 3 and lost its disk."""
    stored(scene, 1)
    stored(scene, 4, 3)
    stored(scene, 5, 4)
    assert through(scene) == 1
    stored(scene, 3, 2)
    assert through(scene) == 1
    stored(scene, 2, 1)
    assert (through(scene), gap_ranges(scene)) == (5, [])


def test_what_the_node_does_not_keep_any_more_is_a_gap(scene: Scene) -> None:
    stored(scene, 1)
    stored(scene, 2)
    stored(scene, 10, 3)
    assert (through(scene), gap_ranges(scene)) == (6, [(3, 6)])
    for index in (7, 8, 9):
        stored(scene, index, index - 7)
    assert (through(scene), gap_ranges(scene)) == (10, [(3, 6)])


def test_what_the_node_has_no_record_of_is_a_gap(scene: Scene) -> None:
    stored(scene, 1)
    stored(scene, 9, 8, 6, 2, 1, 1)  # 2 to 3 and 8 are missing
    assert (through(scene), gap_ranges(scene)) == (3, [(2, 3), (8, 8)])
    for index in (4, 5, 6, 7):
        stored(scene, index, index - 1)
    assert (through(scene), gap_ranges(scene)) == (9, [(2, 3), (8, 8)])
    stored(scene, 10, 9, 7, 2, 2, 1)
    assert (through(scene), gap_ranges(scene)) == (10, [(2, 3), (8, 8)]), "said twice, noted once"


def test_a_report_that_comes_in_spite_of_its_gap_is_stored_and_the_gap_shrinks(scene: Scene) -> None:
    stored(scene, 10)
    assert gap_ranges(scene) == [(1, 9)]
    stored(scene, 5)
    assert gap_ranges(scene) == [(1, 4), (6, 9)]
    stored(scene, 1)
    stored(scene, 9)
    assert (gap_ranges(scene), through(scene)) == ([(2, 4), (6, 8)], 10)


def test_a_report_whose_gap_reached_beyond_the_stored_ones(scene: Scene) -> None:
    stored(scene, 3, 2)
    stored(scene, 5, 4)
    assert (through(scene), gap_ranges(scene)) == (0, [])
    stored(scene, 20, 4)
    assert (through(scene), gap_ranges(scene)) == (15, [(1, 2), (4, 4), (6, 15)])


def test_sixteen_bits_of_an_index_are_enough(scene: Scene) -> None:
    node = Node(newest=0)
    for low in (1, 2, 40_000, 65_535):
        assert whole_index(node, low) == low
    for newest in (65_536, 100_000, 2**30):
        node.newest = newest
        for index in (newest - 3_000, newest, newest + 1, newest + 3_000):
            assert whole_index(node, index & 0xFFFF) == index
    for index in (65_534, 65_535, 65_536, 65_537, 98_000):
        scene.stored(scene.node, index % 1000, r12=[index & 0xFFFF, 0])
    assert [report.index for report in reports(scene.city.database)] == [65_534, 65_535, 65_536, 65_537, 98_000]
    assert through(scene) == 98_000


def test_index_receipt_and_gap_are_stored_with_the_report_or_not_at_all(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(scene, 1)
    sealed = scene.node.seal(example_report(r12=[5, 1]), 4)
    before = scene.rows()

    def power_cut(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(collector_module, "due_letters", power_cut)
    with pytest.raises(KeyboardInterrupt):
        scene.collector.receive(sealed)
    monkeypatch.undo()
    assert (scene.rows(), gap_ranges(scene)) == (before, [])
    assert scene.take(sealed).status is Status.STORED
    assert (through(scene), gap_ranges(scene)) == (3, [(2, 3)])


def test_a_report_that_can_never_be_stored_does_not_hold_the_others_back(scene: Scene) -> None:
    stored(scene, 1)
    bad = scene.node.seal(example_report(r5=[1, 2], r12=[2, 1]), 1)
    assert scene.take(bad).status is Status.REJECTED
    stored(scene, 3, 2)
    assert (through(scene), gap_ranges(scene)) == (3, [(2, 2)])
    assert scene.take(bad).status is Status.REJECTED
    assert gap_ranges(scene) == [(2, 2)]


def test_a_report_under_a_policy_that_the_city_does_not_know_yet_is_waited_for(scene: Scene) -> None:
    sealed = scene.node.seal(example_report(r12=[1, 0]), 0)
    with scene.city.database.write() as session:
        row = session.get_one(PolicyRow, 2)
        kept = {column.name: getattr(row, column.name) for column in PolicyRow.__table__.columns}
        session.execute(delete(PolicyRow))
    assert scene.take(sealed).reason == "policy 2 is not known"
    assert (through(scene), gap_ranges(scene)) == (0, [])
    with scene.city.database.write() as session:
        session.add(PolicyRow(**kept))
    assert scene.take(sealed).status is Status.STORED
    assert through(scene) == 1


def test_after_a_restore_what_the_node_has_let_go_of_is_a_gap_and_nothing_waits_for_ever(
    scene: Scene, tmp_path: Path
) -> None:
    for index in range(1, 6):
        stored(scene, index)
    back_up(scene, tmp_path / "backup")
    for index in range(6, 30):
        stored(scene, index)
    restore(scene, tmp_path / "backup")
    held(scene, scene.node.seal(example_report(r12=[30, 1]), 29))
    word = challenge(scene, scene.node)
    scene.stored(scene.node, 30, r9=word, r12=[31, 2])
    assert (through(scene), gap_ranges(scene)) == (31, [(6, 30)])
    letter = scene.letter(scene.node)
    assert letter is not None
    assert letter[labels.LETTER_THROUGH] == 31
    stored(scene, 32)
    assert through(scene) == 32


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_lost_every_index_is_stored_or_a_gap_in_the_end(scene: Scene, seed: int) -> None:
    """An outbox that evicts and rots, a broker that loses, repeats and reorders; receipts are what lets reports go."""
    chance = random.Random(seed)
    kept: dict[int, bytes] = {}
    newest = receipt = 0
    rotten: set[int] = set()

    def seal(index: int) -> bytes:
        held = sorted([*kept, index])
        missing = [other for other in range(held[0], index) if other not in kept][:4]
        row = [index, index - held[0], *(number for other in missing for number in (index - other, 1))]
        return scene.node.seal(example_report(r12=row), index)

    for step in range(60):
        newest += 1
        kept[newest] = seal(newest)
        if chance.random() < 0.1:
            damaged = chance.choice(sorted(kept))
            rotten.add(damaged)
            del kept[damaged]
        while len(kept) > 12:  # the outbox is full
            rotten.add(min(kept))
            del kept[min(kept)]
        session = sorted(kept) if step == 59 or chance.random() < 0.2 else sorted(kept)[-1:]
        for index in chance.sample(session, len(session)):
            if step == 59 or chance.random() < 0.7:
                assert scene.take(kept[index]).status in (Status.STORED, Status.REPEATED)
        if chance.random() < 0.5:
            receipt = max(receipt, through(scene))
            kept = {index: sealed for index, sealed in kept.items() if index > receipt}
    newest += 1
    scene.stored(scene.node, newest, r12=[newest, 0])
    there = [report.index for report in reports(scene.city.database)]
    lost = [index for first, last in gap_ranges(scene) for index in range(first, last + 1)]
    assert sorted(there + lost) == list(range(1, newest + 1)), "each once"
    assert set(lost) <= rotten
    assert through(scene) == newest
