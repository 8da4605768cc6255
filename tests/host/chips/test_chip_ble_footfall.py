"""Who advertises near a lamp post: packets by seed, whatever was asked before, and addresses that rotate."""

from __future__ import annotations

import pytest
from standing_world import NOW, standing

from hadeda.emulator.chips.ble_footfall import CARRIED, PUBLIC, RANDOM, ROTATION_S, PassingDevices, Standing
from hadeda.scenario import Passage, World

QUIET = Standing(rotating=0, fixed=0)
WALKER_KMH = 5.0


def walkers(count: int, start: float = NOW, every_s: float = 5.0) -> list[Passage]:
    return [Passage(start + every_s * n, "pedestrian", "approaching", WALKER_KMH) for n in range(count)]


def test_an_empty_street_is_silent() -> None:
    assert not PassingDevices(standing(), standing=QUIET).advertising(NOW, NOW + 3600)


def test_the_same_seed_says_the_same_whatever_was_asked_before() -> None:
    world = World(seed=3)
    at = world.start_s + 8 * 3600
    whole = PassingDevices(world, 5).advertising(at, at + 60)
    pieces = PassingDevices(world, 5)
    pieces.advertising(at + 100, at + 101)
    found = [packet for n in range(600) for packet in pieces.advertising(at + n / 10, at + (n + 1) / 10)]
    assert len(whole) > 1000
    assert found == whole
    assert PassingDevices(world, 6).advertising(at, at + 60) != whole


def test_passers_by_carry_devices_as_often_as_chosen() -> None:
    street = PassingDevices(standing(*walkers(2000)), standing=QUIET)
    devices = street.devices(NOW - 60, NOW + 2000 * 5 + 60)
    expected = sum(count * share for count, share in enumerate(CARRIED["pedestrian"]))
    assert len(devices) / 2000 == pytest.approx(expected, rel=0.1)
    assert all(sum(shares) == pytest.approx(1) for shares in CARRIED.values())


def test_a_walker_is_heard_while_near() -> None:
    street = PassingDevices(standing(*walkers(20, every_s=0.1)), standing=QUIET)
    assert street.advertising(NOW - 15, NOW + 15)
    near_s = 30 / (WALKER_KMH / 3.6)
    assert not street.advertising(NOW - near_s - 20, NOW - near_s)
    assert not street.advertising(NOW + near_s + 2, NOW + near_s + 22)


def test_private_addresses_are_resolvable_and_rotate_every_15_minutes() -> None:
    street = PassingDevices(standing(), standing=Standing(rotating=5, fixed=0))
    packets = street.advertising(NOW, NOW + 2 * ROTATION_S)
    assert {packet.address_type for packet in packets} == {RANDOM}
    assert all(packet.address[0] >> 6 == 0b01 for packet in packets)
    for device in street.devices(NOW, NOW + 1):
        changes = [at for at in range(int(2 * ROTATION_S)) if device.address(NOW + at) != device.address(NOW + at + 1)]
        assert len(changes) == 2
        assert changes[1] - changes[0] == ROTATION_S
    moments = {device.address(NOW + 60 * n) for device in street.devices(NOW, NOW + 1) for n in range(31)}
    assert len(moments) == 15, "three addresses each within half an hour"


def test_what_stands_there_keeps_its_address() -> None:
    planted = bytes.fromhex("001122334455")
    street = PassingDevices(standing(), standing=Standing(rotating=0, fixed=2, addresses=[planted]))
    first, later = (street.advertising(NOW + day * 86400, NOW + day * 86400 + 5) for day in (0, 1))
    assert {packet.address for packet in first} == {packet.address for packet in later}
    assert planted in {packet.address for packet in first if packet.address_type == PUBLIC}
    assert all(p.address[0] >> 6 == 0b11 for p in first if p.address != planted)
