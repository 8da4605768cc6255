"""Boxes and the crossings in them: each road user once, whatever the detector does."""

from firmware.fakes import Clock, Random

from sensors.box_tracks import (
    BOXES_MAX,
    CLASSES,
    CROSSINGS_MAX,
    GAP_MS,
    TRACKS_MAX,
    BoxTracks,
    one_each,
)

PERSON, BICYCLE, MOTORCYCLE, CAR, BUS, TRUCK = range(6)
# Width, height and middle of each class in thousandths of the picture
SIZES = {
    PERSON: (60, 260, 500),
    BICYCLE: (180, 150, 600),
    MOTORCYCLE: (220, 180, 600),
    CAR: (380, 200, 520),
    BUS: (700, 400, 450),
    TRUCK: (600, 400, 450),
}


class View:
    """A picture ten times a second, with road users going through it."""

    def __init__(self, seed=1):
        self.clock = Clock()
        self.tracks = BoxTracks(self.clock)
        self.random = Random(seed)
        self.crossed = []

    def frame(self, boxes):
        """One frame; None is somebody out of the picture."""
        self.tracks.see([box for box in boxes if box is not None], self.clock.ticks_ms())
        self.clock.now_ms += 100
        self.crossed += self.tracks.crossings()

    def watch(self, walks, frames, miss_percent=0, jitter=0):
        """`walks` are (class, first frame, first x, x a frame[, y]); boxes are cut at the picture's edges."""
        for number in range(frames):
            boxes = []
            for walk in walks:
                at = walk[2] + walk[3] * (number - walk[1])
                if number < walk[1] or self.random.below(100) < miss_percent:
                    continue
                trembling = self.random.below(2 * jitter + 1) - jitter if jitter else 0
                boxes.append(cut(walk[0], at + trembling, walk[4] if len(walk) > 4 else None))
            self.frame(boxes)
        return sorted(self.crossed)


def cut(cls, x, y=None):
    width, height, middle = SIZES[cls]
    left, right = max(0, x - width // 2), min(1000, x + width // 2)
    if right - left < width // 4:
        return None
    return (cls, (left + right) // 2, middle if y is None else y, right - left, height)


def test_each_class_crosses_once_in_both_directions_at_any_speed():
    for cls, speeds in ((PERSON, (4, 12, 25)), (BICYCLE, (25, 45, 80)), (CAR, (15, 60, 115, 200)), (BUS, (40, 115))):
        for speed in speeds:
            for step in (speed, -speed):
                start = -400 if step > 0 else 1400
                crossed = View().watch([(cls, 0, start, step)], 1900 // speed)
                assert crossed == [(CLASSES[cls], step > 0)], (cls, step, crossed)


def test_nobody_crosses_who_does_not_reach_the_other_side():
    view = View()
    for number in range(200):
        # To the line and back
        view.frame([cut(PERSON, min(10 * number, 980 - 10 * number))] if 5 < number < 95 else [])
    assert view.crossed == []


def test_who_stands_on_the_line_and_trembles_does_not_cross():
    for cls in (PERSON, CAR):
        view = View(5)
        assert view.watch([(cls, 0, 500, 0)], 600, miss_percent=20, jitter=25) == []


def test_a_track_crosses_once_wherever_it_goes():
    view = View()
    for number in range(400):
        # Up and down across the line, eight times
        phase = number % 100
        view.frame([cut(PERSON, 250 + 10 * (phase if phase < 50 else 100 - phase))])
    assert view.crossed == [("person", True)]


def test_two_who_meet_on_the_line_both_cross():
    view = View()
    assert view.watch([(PERSON, 0, 0, 12), (PERSON, 0, 1000, -12)], 90) == [("person", False), ("person", True)]
    view = View()
    assert view.watch([(CAR, 0, -200, 100, 600), (CAR, 0, 1200, -100, 420)], 30) == [("car", False), ("car", True)]


def test_a_column_of_cars():
    view = View()
    assert view.watch([(CAR, 15 * i, -200, 110) for i in range(10)], 200) == [("car", True)] * 10


def test_who_leaves_is_not_taken_for_who_comes_in_at_the_same_edge():
    for pause in (0, 2, 3, 5, 8, 12):
        view = View()
        crossed = view.watch([(CAR, 0, 1300, -60), (CAR, 22 + pause, -150, 60)], 80)
        assert crossed == [("car", False), ("car", True)], pause


def test_flicker_neither_doubles_nor_loses():
    for seed in range(1, 25):
        crossed = View(seed).watch([(PERSON, 0, -20, 12)], 100, miss_percent=40, jitter=6)
        assert crossed == [("person", True)], (seed, crossed)


def test_somebody_lost_for_a_second_is_the_same_one():
    view = View()
    for number in range(90):
        view.frame([] if 35 <= number < 45 else [cut(PERSON, 12 * number)])
    assert view.crossed == [("person", True)]


def test_who_is_first_seen_beyond_the_line_has_not_crossed_it():
    view = View()
    for number in range(90):
        # Lost before the line for longer than a gap: counting him would count some people twice
        view.frame([] if 300 < 12 * number < 700 else [cut(PERSON, 12 * number)])
    assert view.crossed == []


def test_a_ghost_seen_once_or_twice_is_nobody():
    view = View()
    for number in range(300):
        at = {0: 440, 1: 560}.get(number % 30)
        view.frame([cut(CAR, at)] if at else [])
    assert view.crossed == []


def test_a_vehicle_is_what_it_was_seen_as_most_often():
    view = View()
    for number in range(11):
        box = cut(CAR, 100 * number)
        view.frame([(TRUCK if number % 4 == 2 else CAR, box[1], box[2], box[3], box[4])])
    assert view.crossed == [("car", True)]


def test_the_same_vehicle_in_two_boxes_is_one():
    view = View()
    for number in range(11):
        box = cut(CAR, 100 * number)
        view.frame([box, box, (TRUCK, box[1] + 10, box[2] - 10, box[3] + 20, box[4] + 30)])
    assert view.crossed == [("car", True)]


def test_a_rider_is_no_walker_even_if_the_bicycle_is_missed_now_and_then():
    for seed in range(1, 20):
        view = View(seed)
        for number in range(45):
            x = 25 * number
            boxes = [(PERSON, x, 440, 70, 260)]
            if view.random.below(100) < 60:
                boxes.append((BICYCLE, x, 560, 190, 150))
            view.frame(boxes)
        assert view.crossed == [("bicycle", True)], (seed, view.crossed)


def test_a_walker_who_passes_a_parked_bicycle_is_a_walker():
    view = View()
    for number in range(90):
        view.frame([(PERSON, 12 * number, 500, 60, 260), (BICYCLE, 480, 600, 180, 150)])
    assert view.crossed == [("person", True)]


def test_a_parked_car_and_a_walker_in_front_of_it():
    view = View()
    for number in range(90):
        view.frame([(CAR, 500, 520, 380, 200), (PERSON, 12 * number, 500, 60, 260)])
    assert view.crossed == [("person", True)]


def test_one_each_keeps_the_surest_of_what_lies_on_each_other():
    car, same, truck = (CAR, 500, 500, 200, 100), (CAR, 510, 500, 200, 100), (TRUCK, 500, 495, 210, 120)
    assert one_each([car, same, truck]) == [car]
    assert one_each([truck, car]) == [truck]
    far = (CAR, 700, 500, 200, 100)
    walker = (PERSON, 500, 500, 60, 200)
    assert one_each([car, far, walker]) == [car, far, walker]


def test_tracks_end_and_are_forgotten():
    view = View()
    view.frame([cut(PERSON, 100)])
    assert len(view.tracks._open) == 1
    view.clock.now_ms += GAP_MS + 100
    view.frame([])
    assert view.tracks._open == []


def test_memory_is_bounded_in_a_crowd_and_the_oldest_goes():
    random = Random(6)
    view = View()
    for _ in range(300):
        boxes = [
            (random.below(6), random.below(1001), random.below(1001), random.below(1001), random.below(1001))
            for _ in range(2 * BOXES_MAX)
        ]
        view.tracks.see(boxes, view.clock.ticks_ms())
        view.clock.now_ms += 100
        assert len(view.tracks._open) <= TRACKS_MAX
        assert len(view.tracks._crossings) <= CROSSINGS_MAX
    first = View()
    for number in range(TRACKS_MAX + 1):
        first.frame([(PERSON, 75 * number, 100 if number % 2 else 900, 10, 10)])
    assert len(first.tracks._open) == TRACKS_MAX
    assert min(track.box[1] for track in first.tracks._open) == 75


def test_the_clock_may_wrap():
    view = View()
    view.clock.now_ms = 0x3FFFFFFF - 4000
    assert view.watch([(PERSON, 0, -20, 12)], 100) == [("person", True)]
