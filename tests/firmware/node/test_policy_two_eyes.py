"""Radar and camera see the same vehicle: whatever policy the city signs, it is in one cell, once."""

from firmware.city_pen import Pen, floor_map
from firmware.fakes import Clock, Uart
from firmware.sensors.test_grove_vision import event
from firmware.sensors.test_ld2451 import frame

from envelope.drbg import Drbg
from envelope.labels import SOURCE_VISION
from node import sample
from node.minimise import Minimiser
from node.policy import Policy
from sensors import grove_vision, ld2451

PEN = Pen()
TARGETS = sorted(grove_vision.TARGETS)
EVERYTHING = ["vehicle", "person", "bicycle", "motorcycle", "car", "bus", "truck"]
# What a board with both may be configured to: host_tools/hadeda/board refuses any other
WALKERS = ["person"]


def _counted(classes, target, camera_counts=WALKERS, wheels=True, sources=(SOURCE_VISION,)):
    """How many passages a window has of one road user who goes by; `wheels`: the radar sees it too."""
    cells = {1: classes, 2: ["approaching", "receding"], 3: [30]}
    policy = Policy(PEN.policy_map(cells=cells, sources=list(sources)), floor_map())
    minimiser = Minimiser(policy, 2, {0: (0, ()), 1: (SOURCE_VISION, tuple(camera_counts))})
    minimiser.open(Drbg(b"s" * 32))
    clock = Clock()
    sampler = sample.Sampler([None, None], [0, SOURCE_VISION], clock)
    sampler.use(policy)
    radar_out, camera_out = sampler._outputs
    radar = ld2451.open({}, Uart(), clock)
    camera = grove_vision.open({"classes": camera_counts}, Uart(), clock)
    for number in range(60):
        camera._answered = False
        camera.take(event((4 * number, 120, 30, 60, 80, target)), camera_out)
        if wheels:
            radar.take(frame((3, 90 - number, 1, 36)), radar_out)
        clock.now_ms += 100
        radar._pass_on(radar_out)
    clock.now_ms += 5000
    radar._pass_on(radar_out)
    taken = sample.empty_event()
    while sampler.take(taken):
        minimiser.add(taken)
    return sum(minimiser._counts)


def test_a_vehicle_that_radar_and_camera_see_is_in_one_cell_of_any_policy():
    for classes in (["vehicle"], ["vehicle", "person"], EVERYTHING):
        for target in TARGETS[1:]:
            assert _counted(classes, target) == 1, (classes, target)
    for classes in (["car"], ["car", "truck", "bus", "bicycle", "motorcycle"]):
        for target in TARGETS:
            assert _counted(classes, target) == 0, (classes, target)  # the camera of this board does not tell them


def test_a_walker_is_in_one_cell_too():
    for classes in (["person"], ["vehicle", "person"], EVERYTHING):
        assert _counted(classes, TARGETS[0], wheels=False) == 1
        assert _counted(classes, TARGETS[0], wheels=False, sources=()) == 0  # nobody allowed the camera


def test_a_configuration_that_lets_both_count_a_car_would_be_seen_here():
    assert _counted(EVERYTHING, 2, ["person", "car"]) == 2


def test_a_rider_whom_the_camera_takes_for_a_walker_is_two_passages():
    """The limit that node/minimise.py states: no sensor knows what the other saw."""
    assert _counted(["vehicle", "person"], TARGETS[0]) == 2
