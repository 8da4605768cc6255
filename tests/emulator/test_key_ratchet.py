"""The ratchet: a day's worth of numbers and the old root key is gone, from flash and from what anybody can compute."""

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from lamp_post import LampPost, repeated_numbers

from hadeda.board.partitions import find
from hadeda.collect.collector import Collector, Status
from hadeda.emulator.flash import PowerCut
from hadeda.emulator.nvs import Nvs
from hadeda.envelope import epoch_keys, labels, parse_sealed
from hadeda.registry.epochs import BACKLOG

RaisePost = Callable[..., LampPost]
# 60 windows are a day, and a power cut gives up the rest of a block of 64 numbers: every power cut ends an epoch
WINDOW_S = 1440
BEFORE_END_S = 60
SECOND_CHAIN = 1 + labels.REKEY_JUMP


def power_cycle(post: LampPost) -> None:
    """Off, and on again a minute before a window ends."""
    post.power_off()
    post.wait_without_power((-post.clock_s - BEFORE_END_S) % WINDOW_S)
    post.power_on()


def report(post: LampPost) -> None:
    """Until the city has one report more."""
    post.run_until_stored(post.count(Status.STORED) + 1)


def seal_unheard(post: LampPost) -> None:
    """Until the open window is closed, and its report in flash."""
    post.run_until((post.clock_s // WINDOW_S + 1) * WINDOW_S + 5)


def started(raise_post: RaisePost) -> LampPost:
    """A node that has reported once."""
    post = raise_post(window_s=WINDOW_S)
    post.open_city()
    report_first(post)
    return post


def report_first(post: LampPost) -> None:
    """Power on, until the node has reported once."""
    post.power_on()
    report(post)


def test_after_a_ratchet_no_earlier_root_key_and_no_traffic_key_is_in_flash(raise_post: RaisePost) -> None:
    post = started(raise_post)
    roots = {1: post.secrets["root"]}
    assert post.emulated.flash.image().count(roots[1]) == 1, "the root key is not in flash: this test sees nothing"
    for epoch in range(2, 6):
        power_cycle(post)
        report(post)
        roots[epoch] = post.secrets["root"]
        image = post.emulated.flash.image()
        assert image.count(roots[epoch]) == 1, f"the root key of epoch {epoch} is not in flash: this test sees nothing"
        assert not [older for older in range(1, epoch) if roots[older] in image], "an earlier root key is in flash"
        traffic = {key for number, root in roots.items() for key in vars(epoch_keys(root, number)).values()}
        traffic -= {epoch_keys(root, number).kid for number, root in roots.items()}
        assert len(traffic) == 4 * epoch
        assert not [key.hex() for key in traffic if key in image], "a traffic key is in flash"
        assert post.standing.epoch == post.secrets["epoch"] == epoch
        assert post.root_keys() == {roots[epoch]}
    assert [parse_sealed(sealed).epoch for sealed in post.collector.reports] == [1, 2, 3, 4, 5]
    assert post.count(Status.REJECTED) == 0


def test_the_city_follows_when_every_message_of_some_epochs_was_lost(raise_post: RaisePost) -> None:
    post = started(raise_post)
    post.collector.lose = lambda topic, _payload: topic == "hadeda/up"
    for _ in range(3):
        power_cycle(post)
        heard = len(post.collector.messages)
        post.run_until(lambda heard=heard: len(post.collector.messages) > heard)
        post.run_until(lambda: not post.emulated.radio.online)
    assert post.standing.epoch == 1
    lost = post.collector.reports[1:]
    post.collector.lose = lambda _topic, payload: payload in lost
    power_cycle(post)
    report(post)
    assert post.standing.epoch == post.secrets["epoch"] == 5
    assert post.root_keys() == {post.secrets["root"]}
    # What was under way for weeks is taken after all, until the keys are erased
    assert Collector.receive(post.collector, lost[0]).status == Status.STORED
    post.power_off()
    post.wait_without_power((BACKLOG - timedelta(days=1)).total_seconds())
    assert Collector.receive(post.collector, lost[1]).status == Status.STORED
    power_cycle(post)
    report(post)
    post.wait_without_power(timedelta(days=2).total_seconds())
    refused = Collector.receive(post.collector, lost[2])
    assert (refused.status, refused.reason) == (Status.REJECTED, "keys of this epoch are erased")
    assert post.standing.epoch == 6


def test_a_backlog_of_several_epochs_is_taken_as_it_was_sealed(raise_post: RaisePost) -> None:
    post = raise_post(window_s=WINDOW_S)
    broker = post.open_city()
    report_first(post)
    broker.stop()
    for _ in range(3):
        power_cycle(post)
        seal_unheard(post)
    assert post.count(Status.STORED) == 1
    assert post.secrets["epoch"] == 4
    broker.start()
    power_cycle(post)
    post.run_until_stored(5)
    epochs = [stored.epoch for stored in post.stored]
    assert epochs[:5] == [1, 2, 3, 4, 5]
    assert set(epochs[5:]) <= {5}  # a window more, where the collector was slow to find the broker again
    assert post.count(Status.REJECTED) == post.count(Status.REPLAYED) == 0
    assert post.root_keys() == {post.secrets["root"]}


def lose_partition(post: LampPost) -> None:
    """The NVS partition is erased."""
    part = find(post.emulated.partitions, "nvs")
    post.emulated.flash.erase(part.address, part.size)


def counters(post: LampPost) -> list[tuple[bytes, bytes, int]]:
    """The NVS keys of the sequence counters, as the flash has them."""
    nvs = Nvs(post.emulated.flash, find(post.emulated.partitions, "nvs"))
    found = [key for key in nvs._values if key[1].startswith(b"seq")]
    assert found, "there is no counter: this test sees nothing"
    return found


def change_record(post: LampPost, change: Callable[[bytes], bytes]) -> None:
    """Change the counter's record so that NVS is content with it."""
    (key,) = counters(post)
    nvs = post.emulated.nvs
    before = nvs.get(key)
    nvs.set(key, change(before))
    nvs.commit()
    assert nvs.get(key) != before


def flip(post: LampPost) -> None:
    """A bit of its number falls over."""
    change_record(post, lambda record: record[:8] + bytes([record[8] ^ 0x40]) + record[9:])


def set_to_zero(post: LampPost) -> None:
    """The number is where it began."""
    change_record(post, lambda record: record[:4] + bytes(6) + record[10:])


@pytest.mark.parametrize("damage", [lose_partition, flip, set_to_zero], ids=lambda damage: damage.__name__)
def test_a_lost_or_damaged_counter_costs_the_epoch_and_never_repeats_a_number(
    raise_post: RaisePost, damage: Callable[[LampPost], None]
) -> None:
    post = raise_post()
    post.open_city()
    post.power_on()
    post.run_windows(2)
    post.wait_stored(2)
    (old_root,) = post.root_keys()
    post.power_off()
    damage(post)
    post.power_on()
    begun = post.clock_s
    report(post)
    assert post.clock_s - begun < 2 * post.window_s
    assert "its sequence counter is missing or damaged" in post.console
    first = post.stored[-1]
    assert (first.epoch, first.sequence) == (2, 0), post.explain("the node did not begin a new epoch")
    assert post.run_until_known(lambda: post.standing.epoch >= SECOND_CHAIN, 4), post.explain("no re-key followed")
    assert not post.secrets["rekey_due"]
    assert old_root not in post.emulated.flash.image()
    assert not repeated_numbers(post.collector.reports)
    assert post.count(Status.REJECTED) == 0


# (whether the node has reported since it started, and reads the letter next; flash operation that is torn)
TORN = [(False, 2), (True, 3), (False, 12), (True, 9)], [(False, 7), (True, 6), (False, 17), (True, 12)]


@pytest.mark.parametrize("torn", TORN, ids=["2-3-12-9", "7-6-17-12"])
def test_power_cuts_through_ratchets_and_rotations_repeat_no_number_in_either_direction(
    raise_post: RaisePost, torn: list[tuple[bool, int]]
) -> None:
    """Each power cut ends an epoch, too; rotations are under way while the power fails at any flash operation."""
    rng = random.Random(f"ratchet and rotate {torn}")
    post = started(raise_post)
    for letter_waits, change in torn:
        post.command(labels.OPERATION_ROTATE)
        power_cycle(post)
        if letter_waits:
            report(post)
        left = change

        def cut(_address: int, data: bytes | None) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise PowerCut(rng.randrange(len(data) + 1) if data else 0, garbage=rng.getrandbits(32))

        post.emulated.flash.before_change = cut
        post.run_until_known(lambda: False, 2)
        post.emulated.flash.before_change = None
        assert not post.emulated.powered, "the power was not cut: this test sees nothing"
        power_cycle(post)
        report(post)
    assert post.run_until_known(lambda: post.standing.epoch > SECOND_CHAIN, 4), post.explain("the node has not rotated")
    up, down = post.collector.reports, post.collector.letters_written
    assert len({parse_sealed(sealed).kid for sealed in up}) >= 5
    assert len({parse_sealed(sealed).kid for sealed in down}) >= 5
    repeated = repeated_numbers(up) | repeated_numbers(down)
    assert not repeated, post.explain(f"numbers used twice: {repeated}")
    assert post.count(Status.REJECTED) == 0, post.explain("the city refused what the node sent")
    assert post.root_keys() >= {post.secrets["root"]}
    assert post.standing.epoch == post.secrets["epoch"]
