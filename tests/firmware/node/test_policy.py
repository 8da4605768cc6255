"""Which policies and floors a node takes: the city itself is the attacker here, with every key but the second."""

from firmware.city_pen import CELLS, Pen, floor_map
from firmware.fakes import raises

from envelope import cbor, keys, labels
from envelope.labels import (
    POLICY_EPSILON_DAY,
    POLICY_EPSILON_RELEASE,
    POLICY_K,
    POLICY_WINDOW,
    ROLE_POLICY,
    ROLE_RELEASE,
    ROLES,
    SET_POLICY_FLOOR,
    SET_POLICY_POLICY,
    SET_POLICY_RELEASE,
)
from node import accept
from node.errors import PolicyRefused
from node.keystore import Secrets
from node.policy import WINDOW_S, in_force, least_window_s

PEN = Pen()
STRANGER = Pen(b"x")
IDENTITY = STRANGER.keys[ROLE_POLICY][1]
NODE_ID = keys.thumbprint(IDENTITY)
FLOOR = cbor.encode(floor_map())
HUGE = 1 << 63

TIGHTER = (
    {"window": 300},
    {"k": 4},
    {"epsilon_release": 999999},
    {"epsilon_day": 95999999},
    {"channels": [6]},
    {"sources": [1, 2]},
    {"window": 900, "k": 5, "epsilon_release": 500000, "epsilon_day": 48000000, "channels": [4, 5], "sources": [1, 2]},
)
LOOSER = (
    {"k": 2},
    {"epsilon_release": 1000001},
    {"epsilon_day": 96000001},
    {"sources": []},
    {"sources": [2]},
    {"k": 2, "window": 86400, "epsilon_release": 1, "epsilon_day": 1, "channels": [1, 2, 3], "sources": [1, 2]},
)


def _node(floor=FLOOR, authorities=None, **policy):
    """The record of a node with this floor, under a policy of version 1 unless said otherwise."""
    secrets = Secrets(b"", IDENTITY, authorities or PEN.authorities, 1, b"", 1, 1)
    return secrets.changed(policy=cbor.encode(PEN.policy_map(**policy)), floor=floor)


def _refused(node, policy=None, floor=None, release=None, why=""):
    arguments = {SET_POLICY_POLICY: policy, SET_POLICY_FLOOR: floor, SET_POLICY_RELEASE: release}
    arguments = {label: value for label, value in arguments.items() if value is not None}
    text = str(raises(PolicyRefused, accept.by_command, node, arguments))
    assert why in text, text


def _policy_refused(why, **changes):
    version = changes.pop("version", 2)
    _refused(_node(), PEN.policy(version=version, **changes), why=why)


def _floor_refused(why, **changes):
    """Refused whoever signs it, and over the cable."""
    floor = floor_map(**changes)
    ways = (("floor",), ("release", ROLE_RELEASE, NODE_ID))
    signed, released = (PEN.sign(cbor.encode(floor), *way) for way in ways)
    _refused(_node(), None, signed, released, why)
    raises(PolicyRefused, accept.by_cable, _node(), PEN.policy(), cbor.encode(floor))


# Policies


def test_a_newer_policy_within_the_floor_is_taken():
    for changes in (
        {},
        {"window": 60, "k": 3, "epsilon_release": 1000000, "epsilon_day": 96000000},
        {"window": 86400, "k": 65535, "epsilon_release": 1, "epsilon_day": 1, "channels": []},
        {"sources": [labels.SOURCE_VISION]},
        {"version": 0x7FFFFFFF},
        {"cells": {1: ["a", "b", "c", "d"], 2: ["x"], 3: list(range(10, 160, 10))}},
    ):
        content = {"version": 2}
        content.update(changes)
        taken = accept.by_command(_node(), {SET_POLICY_POLICY: PEN.policy(**content)})
        assert taken == (cbor.encode(PEN.policy_map(**content)), FLOOR)


def test_the_policy_in_force_says_what_was_signed():
    policy = in_force(_node(version=7, sources=[2]))
    assert (policy.version, policy.window_s, policy.least_s) == (7, 900, 60)
    assert (policy.channels, policy.classes) == ((1, 2, 3, 4, 5, 6), ("vehicle",))
    assert (policy.directions, policy.edges) == (("approaching", "receding"), (30, 50, 70))
    assert (policy.k, policy.epsilon, policy.epsilon_day) == (5, 500000, 48000000)
    assert [policy.allows(source) for source in (0, 1, 2)] == [True, False, True]
    assert least_window_s(policy) == 900


def test_without_a_whole_policy_and_floor_none_is_in_force():
    good = _node()
    for damaged in (b"", b"\xff", b"\xa0", b"\x80", b"\x01", b"\xf6", cbor.encode([1]), good.policy[:-1]):
        assert in_force(good.changed(policy=damaged)) is None
        assert in_force(good.changed(floor=damaged)) is None
    assert least_window_s(None) == WINDOW_S


def test_a_policy_below_the_floor_is_refused_whoever_signed_it():
    floor = cbor.encode(floor_map(window=900, k=5, epsilon_release=500000, epsilon_day=48000000, channels=[6]))
    node = _node(floor, channels=[1])
    for why, changes in (
        ("window", {"window": 450}),
        ("k", {"k": 4}),
        ("epsilon of a release", {"epsilon_release": 500001}),
        ("epsilon of a day", {"epsilon_day": 48000001}),
        ("channels", {"channels": [1, 6]}),
        ("sources", {"sources": [1], "footfall": {1: 5, 2: 1}, "epsilon_release": 499999}),
    ):
        content = {"version": 2, "channels": [1]}
        content.update(changes)
        _refused(node, PEN.policy(**content), why="below the floor: " + why)
        raises(PolicyRefused, accept.by_cable, node, PEN.policy(**content), floor)
        # Nor with the release key: that one is for floors
        _refused(node, PEN.policy(ROLE_RELEASE, **content), why="signature")
        _refused(node, PEN.policy(**content), None, PEN.release(NODE_ID, version=2))
    open_floor = cbor.encode(floor_map(sources=[]))
    listening = {"version": 2, "sources": [1], "epsilon_release": 400000, "footfall": {1: 3, 2: 600000}}
    accept.by_command(_node(open_floor), {SET_POLICY_POLICY: PEN.policy(**listening)})
    listening["footfall"] = {1: 2, 2: 600000}
    _refused(_node(open_floor), PEN.policy(**listening), why="footfall's k")
    # One release is paid for once: what the floor allows is for passages and footfall together
    listening["footfall"] = {1: 3, 2: 600001}
    _refused(_node(open_floor), PEN.policy(**listening), why="epsilon of a release")


def test_only_the_policy_key_signs_policies():
    for role in ROLES:
        if role != ROLE_POLICY:
            _refused(_node(), PEN.policy(role, version=2), why="signature")
    _refused(_node(), STRANGER.policy(version=2), why="signature")
    content = cbor.encode(PEN.policy_map(version=2))
    for context in ("floor", "release", "command", "enrol"):
        _refused(_node(), PEN.sign(content, context), why="signature")
    good = PEN.policy(version=2)
    for at in (0, 3, 12, 60, -1, -40):
        changed = bytearray(good)
        changed[at] ^= 1
        _refused(_node(), bytes(changed), why="signature")
    for junk in (b"", b"\xd2", good[:-1], good + b"\x00", bytes(2000), "text", 5, [], {}, True):
        _refused(_node(), junk, why="signature")


def test_a_policy_for_another_city_is_refused():
    for city in (b"", bytes(32), bytes(31), STRANGER.policy_map()[1], "city", 5, None):
        _refused(_node(), PEN.policy(version=2, city=city), why="" if city is None else "another city")


def test_two_policies_of_one_version_and_an_older_one_after_a_newer_are_refused():
    node = _node(version=5)
    for version in (1, 4, 5):
        _refused(node, PEN.policy(version=version, k=6), why="does not rise")
    assert accept.by_command(node, {SET_POLICY_POLICY: PEN.policy(version=5)}) == (node.policy, FLOOR)
    assert accept.by_cable(node, PEN.policy(version=5), FLOOR) == (node.policy, FLOOR)
    raises(PolicyRefused, accept.by_cable, node, PEN.policy(version=4), FLOOR)


def test_numbers_that_cannot_be_are_refused():
    for name, label in (
        ("window", POLICY_WINDOW),
        ("k", POLICY_K),
        ("epsilon_release", POLICY_EPSILON_RELEASE),
        ("epsilon_day", POLICY_EPSILON_DAY),
    ):
        assert PEN.policy_map(**{name: 7})[label] == 7
        for value in (0, -1, HUGE, -HUGE, True, False, "5", b"5", [5], {}, "NaN", "inf"):
            _policy_refused("not between", **{name: value})
    for value in (0, -1, 1 << 31, HUGE, True, "2"):
        _policy_refused("version", version=value)
    _policy_refused("k", k=65536)
    _policy_refused("epsilon of a release", epsilon_release=10000001)
    _policy_refused("epsilon of a day", epsilon_day=2000000001)


def test_no_float_gets_in():
    encoded = cbor.encode(PEN.policy_map(version=2, epsilon_release=500000))
    half = encoded.replace(b"\x07\x1a\x00\x07\xa1\x20", b"\x07\xf9\x38\x00")
    nan = encoded.replace(b"\x07\x1a\x00\x07\xa1\x20", b"\x07\xf9\x7e\x00")
    assert half != encoded
    for content in (half, nan):
        _refused(_node(), PEN.sign(content, "policy"), why="policy lacks")


def test_windows_that_do_not_divide_the_day_are_refused():
    for window_s in (61, 899, 901, 7000, 50000, 86399):
        _policy_refused("divide", window=window_s)
    for window_s in (1, 30, 59, 86401, 172800):
        _policy_refused("window is not between", window=window_s)


def test_unknown_and_missing_keys_are_refused():
    for key in (0, 12, 255, -1, "k", "epsilon"):
        content = PEN.policy_map(version=2)
        content[key] = 1
        _refused(_node(), PEN.sign(cbor.encode(content), "policy"), why="unknown key")
    for label in range(1, 10):
        content = PEN.policy_map(version=2)
        del content[label]
        _refused(_node(), PEN.sign(cbor.encode(content), "policy"), why="lacks key")
    for content in (b"", b"\xa0", b"\x80", b"\xf6", b"policy", cbor.encode([1])):
        _refused(_node(), PEN.sign(content, "policy"), why="policy lacks")
    trailing = cbor.encode(PEN.policy_map(version=2)) + b"\x00"
    _refused(_node(), PEN.sign(trailing, "policy"), why="policy lacks")


def test_channels_and_sources_are_known_each_once_in_order():
    assert set(accept._CHANNELS) == set(labels.CHANNELS)
    for channels in ([0], [12], [1, 1], [2, 1], [-1], [True], ["1"], None, 1, {}, {1: 1}):
        _policy_refused("channels" if channels is not None else "lacks", channels=channels)
    for sources in ([], [0], [4], [2, 2], [2, 1], [True], 2, {}):
        _policy_refused("sources", sources=sources)
    _policy_refused("belong together", sources=[1])
    _policy_refused("belong together", footfall={1: 5, 2: 1})
    for footfall in ({}, {1: 5}, {1: 0, 2: 1}, {1: 5, 2: 0}, {1: 5, 2: -1}, {1: 5, 2: 1, 3: 1}, [5, 1], 5):
        _policy_refused("footfall", sources=[1], footfall=footfall)


def _cells_refused(why, **changes):
    cells = dict(CELLS)
    for name in changes:
        cells[int(name[1:])] = changes[name]
    _policy_refused(why, cells=cells)


def test_cells_that_cannot_be_are_refused():
    for names in ([], "vehicle", None, {}, ["a", "a"], [""], [5], [b"a"], ["a" * 65], ["a", True]):
        _cells_refused("", _1=names)
        _cells_refused("", _2=names)
    for edges in ([50, 30], [30, 30], [0], [-5], [301], ["30"], [True], None, 30, [HUGE]):
        _cells_refused("speed bands", _3=edges)
    _cells_refused("more than 64", _1=["a", "b", "c", "d"], _2=["x", "y"], _3=list(range(10, 90, 10)))
    _cells_refused("unknown key", _4=[])
    for cells in ({}, [], 8, {1: ["a"]}):
        _policy_refused("cells", cells=cells)
    for name in ("", "n" * 65, 5, b"street"):
        _policy_refused("name", name=name)


def test_a_policy_that_is_too_long_is_refused():
    words = ["w" * 60 + str(i) for i in range(8)]
    _policy_refused("400 bytes", cells={1: words, 2: ["a"], 3: []})


# Floors


def test_a_stricter_floor_takes_the_policy_key_alone():
    node = _node(channels=[1], epsilon_day=1, epsilon_release=1)
    for changes in TIGHTER:
        floor = floor_map(version=2, **changes)
        taken = accept.by_command(node, {SET_POLICY_FLOOR: PEN.floor(version=2, **changes)})
        assert taken == (node.policy, cbor.encode(floor))


def test_a_looser_floor_is_refused_with_every_key_but_the_second():
    node = _node(cbor.encode(floor_map(window=300)))
    for changes in LOOSER + ({"window": 299}, {"window": 60}):  # noqa: RUF005 (MicroPython)
        content = {"version": 2, "window": 300}
        content.update(changes)
        signed = PEN.floor(**content)
        _refused(node, None, signed, why="looser")
        for role in ROLES:
            if role != ROLE_RELEASE:
                _refused(node, None, signed, PEN.release(NODE_ID, role, **content), why="release")
        # The right key, but over something else or for something else
        for context in ("floor", "policy", "command"):
            other = PEN.sign(cbor.encode(floor_map(**content)), context, ROLE_RELEASE, NODE_ID)
            _refused(node, None, signed, other, why="release")
        content["k"] = 100
        _refused(node, None, signed, PEN.release(NODE_ID, **content), why="release")
        # The right key alone
        content["k"] = 3
        _refused(node, None, PEN.floor(ROLE_RELEASE, **content), PEN.release(NODE_ID, **content))
        for junk in (b"", True, 5, "x", signed):
            _refused(node, None, signed, junk, why="release")


def test_a_looser_floor_takes_both_keys():
    for changes in LOOSER:
        signed = PEN.floor(version=2, **changes)
        released = PEN.release(NODE_ID, version=2, **changes)
        node = _node(channels=[1, 2], epsilon_day=1, epsilon_release=1, window=86400)
        if 1 in changes.get("channels", ()):
            node = _node(channels=[], epsilon_day=1, epsilon_release=1, window=86400)
        taken = accept.by_command(node, {SET_POLICY_FLOOR: signed, SET_POLICY_RELEASE: released})
        assert taken == (node.policy, cbor.encode(floor_map(version=2, **changes)))


def test_what_was_loosened_for_one_node_loosens_no_other():
    signed = PEN.floor(version=2, k=1)
    neighbour = keys.thumbprint(PEN.keys[ROLE_POLICY][1])
    released = PEN.release(neighbour, version=2, k=1)
    _refused(_node(), None, signed, released, why="release")
    _refused(_node(), None, signed, PEN.floor(ROLE_RELEASE, "release", version=2, k=1), why="release")
    there = _node().changed(public=PEN.keys[ROLE_POLICY][1])
    accept.by_command(there, {SET_POLICY_FLOOR: signed, SET_POLICY_RELEASE: released})


def test_one_key_in_both_roles_is_not_two_keys():
    authorities = dict(PEN.authorities)
    authorities[ROLE_RELEASE] = authorities[ROLE_POLICY]
    signed, released = PEN.floor(version=2, k=1), PEN.release(NODE_ID, ROLE_POLICY, version=2, k=1)
    _refused(_node(authorities=authorities), None, signed, released, why="release")


def test_a_floors_version_rises_too():
    node = _node(cbor.encode(floor_map(version=5)))
    for version in (1, 4, 5):
        content = {"version": version, "k": 4}
        released = PEN.release(NODE_ID, **content)
        _refused(node, None, PEN.floor(**content), why="does not rise")
        _refused(node, None, PEN.floor(**content), released, why="does not rise")
        raises(PolicyRefused, accept.by_cable, node, PEN.policy(), cbor.encode(floor_map(**content)))
    same = PEN.floor(version=5)
    assert accept.by_command(node, {SET_POLICY_FLOOR: same}) == (node.policy, node.floor)


def test_the_policy_in_force_keeps_the_new_floor_or_a_new_one_comes_along():
    floor = PEN.floor(version=2, k=10)
    _refused(_node(), None, floor, why="below the floor: k")
    _refused(_node(), PEN.policy(version=2, k=9), floor, why="below the floor: k")
    arguments = {SET_POLICY_POLICY: PEN.policy(version=2, k=10), SET_POLICY_FLOOR: floor}
    policy, floor = accept.by_command(_node(), arguments)
    assert (policy, floor) == (cbor.encode(PEN.policy_map(version=2, k=10)), cbor.encode(floor_map(version=2, k=10)))


def test_a_policy_cannot_bring_the_looser_floor_it_needs():
    _refused(_node(), PEN.policy(version=2, k=1), PEN.floor(version=2, k=1), why="looser")
    _refused(_node(), PEN.policy(version=2, k=1), why="below")


def test_a_replaced_policy_key_does_not_stop_the_floor_from_getting_stricter():
    new = Pen(b"2")
    authorities = dict(PEN.authorities)
    authorities[ROLE_POLICY] = new.authorities[ROLE_POLICY]
    node = _node(authorities=authorities)
    assert accept.by_command(node, {SET_POLICY_FLOOR: new.floor(version=2, k=4)})[0] == node.policy
    _refused(node, PEN.policy(version=2), why="signature")
    accept.by_command(node, {SET_POLICY_POLICY: new.policy(version=2)})
    _refused(node, new.policy(version=1), why="does not rise")


def test_a_damaged_floor_is_refused_whoever_signed_it():
    _floor_refused("lacks", version=None)
    for name in ("window", "k", "epsilon_release", "epsilon_day", "channels", "sources"):
        changes = {"version": 2}
        changes[name] = None
        _floor_refused("lacks", **changes)
        for value in (-1, HUGE, True, "1", b"", {}, ["1"], [0], [2, 1], [12]):
            changes[name] = value
            _floor_refused("", **changes)
    for name in ("window", "k", "epsilon_release", "epsilon_day"):
        _floor_refused("not between", **{"version": 2, name: 0})
    good = PEN.floor(version=2)
    for at in (0, 5, 20, -1):
        changed = bytearray(good)
        changed[at] ^= 1
        _refused(_node(), None, bytes(changed), why="signature")
    encoded = cbor.encode(floor_map(version=2))
    for content in (encoded[:-1], encoded + b"\x00", b"", b"\x80", cbor.encode({"k": 1})):
        _refused(_node(), None, PEN.sign(content, "floor"), why="floor lacks" if b"k" not in content else "unknown")
        raises(PolicyRefused, accept.by_cable, _node(), PEN.policy(), content)


def test_a_node_whose_floor_was_lost_takes_none_from_the_policy_key_alone():
    node = _node(floor=b"")
    _refused(node, None, PEN.floor(version=2))
    _refused(node, PEN.policy(version=2), why="floor lacks")
    signed, released = PEN.floor(version=2), PEN.release(NODE_ID, version=2)
    accept.by_command(node, {SET_POLICY_FLOOR: signed, SET_POLICY_RELEASE: released})


def test_arguments_of_set_policy_are_a_closed_list():
    for arguments in (
        {},
        {3: PEN.release(NODE_ID, version=2)},
        {1: PEN.policy(version=2), 4: 1},
        {1: PEN.policy(version=2), "policy": 1},
        {1: None},
        {2: None},
    ):
        raises(PolicyRefused, accept.by_command, _node(), arguments)


# The cable


def test_the_cable_may_loosen_the_floor_and_the_policy_still_keeps_it():
    floor = cbor.encode(floor_map(version=2, k=1))
    policy, taken = accept.by_cable(_node(), PEN.policy(version=2, k=1), floor)
    assert (policy, taken) == (cbor.encode(PEN.policy_map(version=2, k=1)), floor)
    raises(PolicyRefused, accept.by_cable, _node(), PEN.policy(version=2, k=1), FLOOR)
    for role in ROLES:
        if role != ROLE_POLICY:
            raises(PolicyRefused, accept.by_cable, _node(), PEN.policy(role, version=2, k=1), floor)
    raises(PolicyRefused, accept.by_cable, _node(), STRANGER.policy(version=2), floor)


def test_the_longest_command_fits_a_letter():
    words = ["class" + str(i) * 8 for i in range(8)]
    cells = {1: words, 2: ["approaching", "receding"], 3: [30, 50, 70]}
    policy = PEN.policy(version=2, cells=cells, sources=[2], name="n" * 20)
    assert len(policy) > 280
    floor = {"version": 2, "channels": [1, 2, 3, 4, 5, 6], "sources": [1]}
    from firmware.city_pen import Node

    node = Node(PEN).boot()
    arguments = {1: policy, 2: PEN.floor(**floor), 3: PEN.release(node.node_id, **floor)}
    letter = PEN.letter(node, 1 << 38, PEN.command(node.node_id, 1 << 38, 2, arguments), 1 << 15, b"8 bytes!")
    assert len(letter) <= labels.SEALED_MAX, len(letter)
