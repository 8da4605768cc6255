"""Energy is told coarsely or not at all: the city is the attacker, with its policy key, its cable and its commands."""

from firmware import board_fakes
from firmware.city_pen import Pen, floor_map
from firmware.fakes import Random, raises

from envelope import cbor, keys, labels
from envelope.drbg import Drbg
from envelope.labels import CHANNEL_ENERGY, ROLE_POLICY, SET_POLICY_FLOOR, SET_POLICY_POLICY, SET_POLICY_RELEASE
from node import accept, duty, kept, sample
from node.errors import PolicyRefused
from node.keystore import Secrets
from node.minimise import Minimiser
from node.policy import Policy, in_force

assert board_fakes  # puts machine and esp32 in place

PEN = Pen()
IDENTITY = Pen(b"x").keys[ROLE_POLICY][1]
NODE_ID = keys.thumbprint(IDENTITY)
HOUR_S = 3600
STEP_WH = 100
COARSE = {labels.ENERGY_WINDOW: HOUR_S, labels.ENERGY_STEP: STEP_WH}
METERED = {"channels": [1, CHANNEL_ENERGY], "window": HOUR_S}


def _node(energy=None, **policy):
    """The record of a node whose floor says this of energy, under a policy that has none unless said otherwise."""
    floor = floor_map(energy=energy) if energy else floor_map()
    secrets = Secrets(b"", IDENTITY, PEN.authorities, 1, b"", 1, 1)
    return secrets.changed(policy=cbor.encode(PEN.policy_map(**policy)), floor=cbor.encode(floor))


def _coarse(window_s, step_wh):
    return {labels.ENERGY_WINDOW: window_s, labels.ENERGY_STEP: step_wh}


def _refused(node, why, **arguments):
    text = str(raises(PolicyRefused, accept.by_command, node, {getattr(labels, n): arguments[n] for n in arguments}))
    assert why in text, text


# What a node takes


def test_energy_is_never_told_unless_the_floor_says_how_coarse():
    policy = PEN.policy(version=2, channels=[CHANNEL_ENERGY], window=86400)
    _refused(_node(), "below the floor: energy", SET_POLICY_POLICY=policy)
    raises(PolicyRefused, accept.by_cable, _node(), policy, _node().floor)
    accept.by_command(_node(COARSE), {SET_POLICY_POLICY: policy})


def test_a_policy_with_a_fine_window_is_refused_whoever_signed_it():
    node = _node(COARSE)
    for window_s in (60, 900, 1800, 2700):
        policy = PEN.policy(version=2, channels=[CHANNEL_ENERGY], window=window_s)
        _refused(node, "below the floor: energy", SET_POLICY_POLICY=policy)
        raises(PolicyRefused, accept.by_cable, node, policy, node.floor)
        # Without energy the same window is fine
        accept.by_command(node, {SET_POLICY_POLICY: PEN.policy(version=2, window=window_s)})
    accept.by_command(node, {SET_POLICY_POLICY: PEN.policy(version=2, **METERED)})


def test_no_floor_is_finer_than_an_hour_and_a_hundred_watt_hours_not_even_by_cable():
    for window_s, step_wh in ((3599, 100), (60, 100), (0, 100), (86401, 100), (3600, 99), (3600, 1), (3600, 0)):
        floor = floor_map(version=2, energy=_coarse(window_s, step_wh))
        signed, released = (PEN.sign(cbor.encode(floor), "floor"), PEN.release(NODE_ID))
        _refused(_node(), "energy's", SET_POLICY_FLOOR=signed, SET_POLICY_RELEASE=released)
        raises(PolicyRefused, accept.by_cable, _node(), PEN.policy(), cbor.encode(floor))


def test_a_floor_s_word_on_energy_is_read_strictly():
    for energy in (1, [], {}, {1: 3600}, {2: 100}, {1: 3600, 2: 100, 3: 1}, {1: True, 2: 100}, {1: "1", 2: 100}):
        floor = floor_map(version=2)
        floor[labels.FLOOR_ENERGY] = energy
        raises(PolicyRefused, accept.by_cable, _node(), PEN.policy(), cbor.encode(floor))


def test_a_floor_allows_energy_or_makes_it_finer_only_with_the_second_key():
    for held, wanted in (
        (None, COARSE),
        (_coarse(7200, 100), COARSE),
        (_coarse(3600, 1000), COARSE),
        (_coarse(7200, 100), _coarse(3600, 100000)),
        (_coarse(3600, 1000), _coarse(86400, 999)),
    ):
        signed = PEN.floor(version=2, energy=wanted)
        _refused(_node(held), "looser", SET_POLICY_FLOOR=signed)
        released = PEN.release(NODE_ID, version=2, energy=wanted)
        accept.by_command(_node(held), {SET_POLICY_FLOOR: signed, SET_POLICY_RELEASE: released})


def test_a_floor_is_made_coarser_or_energy_forbidden_by_one_signature():
    for wanted in (_coarse(7200, 100), _coarse(3600, 1000), _coarse(86400, 1000000), None):
        changes = {"version": 2}
        if wanted:
            changes["energy"] = wanted
        accept.by_command(_node(COARSE), {SET_POLICY_FLOOR: PEN.floor(**changes)})
        # But not under the feet of a policy that it forbids
        metered = _node(COARSE, **METERED)
        if not wanted or wanted[labels.ENERGY_WINDOW] > HOUR_S:
            _refused(metered, "below the floor: energy", SET_POLICY_FLOOR=PEN.floor(**changes))


def test_a_record_that_was_damaged_into_energy_without_a_floor_tells_none():
    assert in_force(_node(COARSE, **METERED)).channels == (1, CHANNEL_ENERGY)
    assert in_force(_node(None, **METERED)).channels == (1,)


# What it tells


def _minimiser(energy=COARSE, **changes):
    content = dict(METERED)
    content.update(changes)
    return Minimiser(Policy(PEN.policy_map(**content), floor_map(energy=energy)), 1, {})


def _window(minimiser, steps_wh, length_s=HOUR_S):
    """What a window of these meter readings tells of energy: its row, or None."""
    minimiser.open(Drbg(b"s" * 32))
    event = sample.empty_event()
    for wh in steps_wh:
        event[0], event[1], event[2], event[3] = sample.READING, 0, CHANNEL_ENERGY, wh
        minimiser.add(event)
    return minimiser.release(minimiser.cost(length_s) > 0).air.get(CHANNEL_ENERGY)


def test_a_window_is_one_number_in_whole_steps():
    assert _window(_minimiser(), [10] * 60) == [1, 600, 0, 0]
    assert _window(_minimiser(), [3] * 60) == [1, 100, 0, 0]
    assert _window(_minimiser(), [1]) == [1, 0, 0, 0]
    assert _window(_minimiser(energy=_coarse(3600, 1000)), [10] * 60) == [1, 0, 0, 0]


def test_when_in_the_window_it_was_used_shows_nowhere():
    flat = _window(_minimiser(), [10] * 60)
    for shape in ([600] + [0] * 59, [0] * 59 + [600], [0, 600] + [0] * 58, [20, 0] * 30, [600], [300, 300]):
        assert _window(_minimiser(), shape) == flat


def test_sums_stay_right_to_a_step_over_any_number_of_windows():
    random = Random(3)
    minimiser = _minimiser()
    used = told = 0
    for _ in range(200):
        steps = [random.below(40) for _ in range(random.below(60) + 1)]
        used += sum(steps)
        row = _window(minimiser, steps)
        told += row[1]
        assert row[1] % STEP_WH == 0
        assert 0 <= used - told < STEP_WH


def test_a_window_cut_short_tells_nothing_and_is_forgotten():
    for length_s in (1, 60, 900, 3000, 3597):
        minimiser = _minimiser()
        assert _window(minimiser, [250]) == [1, 200, 0, 0]
        assert _window(minimiser, [1000], length_s) is None
        assert _window(minimiser, [130]) == [1, 100, 0, 0]
    # A clock that is set by up to two seconds is no jump
    assert _window(_minimiser(), [100], 3598) == [1, 100, 0, 0]
    # The policy may be coarser than the floor; what counts is that no window is finer than the floor
    assert _window(_minimiser(energy=_coarse(7200, 100), window=21600), [100], 7000) is None


def test_a_window_without_a_meter_tells_nothing_and_keeps_what_was_left():
    minimiser = _minimiser()
    assert _window(minimiser, [150]) == [1, 100, 0, 0]
    assert _window(minimiser, []) is None
    assert _window(minimiser, [150]) == [1, 200, 0, 0]


def test_a_report_between_windows_says_nothing_and_changes_nothing():
    minimiser = _minimiser()
    minimiser.open(Drbg(b"s" * 32))
    assert minimiser.withheld().air == {}
    assert _window(minimiser, [100]) == [1, 100, 0, 0]


def test_a_release_that_nobody_measured_tells_nothing():
    minimiser = _minimiser()
    assert _window(minimiser, [70]) == [1, 0, 0, 0]
    minimiser.open(Drbg(b"s" * 32))
    assert CHANNEL_ENERGY not in minimiser.release(True).air


class _Window:
    start_s = 0
    quality = 1

    def until_s(self):
        return HOUR_S


class _Pipeline:
    """As much of one as begins a window on a node that sleeps deeply."""

    policy = in_force(_node(COARSE, **METERED))
    sender = type("Sender", (), {"slot_ms": 0})

    def open(self):
        return _Window()


def test_a_node_that_sleeps_deeply_keeps_no_energy_and_tells_none():
    window = duty._open(_Pipeline(), 1)
    assert set(window.channels) == {1}
    event = sample.empty_event()
    event[0], event[1], event[2], event[3] = sample.READING, 0, CHANNEL_ENERGY, 500
    window.add(event)
    assert set(kept.decode(window.encode()).channels) == {1}


def test_what_no_policy_asks_for_is_dropped():
    for content in ({"channels": [1]}, {"channels": []}):
        minimiser = _minimiser(**content)
        assert _window(minimiser, [1000]) is None
    assert _window(Minimiser(None, 1, {}), [1000]) is None
    minimiser = _minimiser()
    _window(minimiser, [199])
    minimiser.use(Policy(PEN.policy_map(**METERED), floor_map(energy=COARSE)))
    assert _window(minimiser, [1]) == [1, 0, 0, 0]
