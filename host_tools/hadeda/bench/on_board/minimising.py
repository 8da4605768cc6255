# mypy: ignore-errors
"""MicroPython that runs under QEMU: measures what minimisation adds to a window of eight cells."""

from array import array

from on_board.counting import cost, drbg

from envelope import cbor, labels, padding
from node import noise, report
from node.footfall import Footfall
from node.ledger import Ledger, create
from node.minimise import Aggregates, Minimiser
from node.policy import Policy
from node.sample import PASSAGE

CELLS = 8
WINDOW_S = 900
WINDOWS = 96
PASSAGES = 92  # a quarter of an hour of the scenario's street, on average over the hours it knows
EPSILON = 500000
RADAR = {2: (0, ())}
POLICY = {
    labels.POLICY_VERSION: 1,
    labels.POLICY_WINDOW: WINDOW_S,
    labels.POLICY_CHANNELS: [1, 2, 3, 5, 6],
    labels.POLICY_CELLS: {
        labels.CELLS_CLASSES: ["vehicle"],
        labels.CELLS_DIRECTIONS: ["approaching", "receding"],
        labels.CELLS_SPEED_BANDS: [30, 50, 70],
    },
    labels.POLICY_K: 5,
    labels.POLICY_EPSILON_RELEASE: EPSILON,
    labels.POLICY_EPSILON_DAY: WINDOWS * EPSILON,
}
FLOOR = {labels.FLOOR_WINDOW: 300}
AIR = {
    1: [90, 1834, 52, 61],
    2: [90, 6120, 210, 180],
    3: [90, 101325, 12, 9],
    5: [88, 81, 20, 33],
    6: [88, 123, 41, 77],
}
COUNTS = [12, 30, 7, 3, 11, 28, 9, 2]
HEALTH = [1, 60, 1, 17]
OUTBOX = [300, 3]


class Nvs:
    """Where the ledger is, in memory: what writing to flash takes is not counted."""

    def __init__(self):
        self.rows = {}

    def get(self, key):
        return self.rows.get(key)

    def set(self, key, value):
        self.rows[key] = value


class Identity:
    """What the ledger asks of a keychain: whose it is."""

    node_id = bytes(32)


def opened_ledger():
    """A new node's ledger."""
    nvs = Nvs()
    create(nvs, Identity.node_id)
    return Ledger(nvs, Identity)


def passages(number, count):
    """So many events, spread over cells."""
    dice = drbg(number).generate(count)
    return [array("i", (PASSAGE, 0, byte & 1, 20 + byte // 4)) for byte in dice]


def measure_noise(number):
    """The noise of a window, at the three epsilons."""
    randomness = drbg(number)
    cost("noise_05", lambda: noise.predraw(randomness, 500000, CELLS))
    cost("noise_1", lambda: noise.predraw(randomness, 1000000, CELLS))
    cost("noise_2", lambda: noise.predraw(randomness, 2000000, CELLS))


def measure_window(number):
    """A window step by step, then a whole one."""
    minimiser, book = Minimiser(Policy(POLICY, FLOOR), 3, RADAR), opened_ledger()
    randomness = drbg(number)
    events = passages(number, PASSAGES)
    released = []

    def whole():
        minimiser.open(randomness)
        for event in events:
            minimiser.add(event)
        granted = book.spend(minimiser.cost(WINDOW_S), WINDOWS * EPSILON, WINDOW_S)
        released.append(minimiser.release(granted).traffic)

    minimiser.open(randomness)
    cost("passage", lambda: minimiser.add(events[0]))
    cost("ledger", lambda: book.spend(minimiser.cost(WINDOW_S), WINDOWS * EPSILON, WINDOW_S))
    cost("release", lambda: released.append(minimiser.release(True)))
    cost("window", whole)
    if book.spent != 2 * EPSILON or len(released[1]) != CELLS:
        raise ValueError("the window was not released")


def measure_footfall(number):
    """The same for devices heard by radio, where a policy listens for them."""
    heard, randomness = Footfall(5, EPSILON), drbg(number)
    address = randomness.generate(6)
    cost("footfall_open", lambda: heard.open(randomness))
    cost("footfall_device", lambda: heard.add(1, address))
    cost("footfall_release", lambda: heard.release(True))


def measure_bytes():
    """A report with what minimisation says of itself, and one that tells true counts and says nothing of it."""
    privacy = [1, EPSILON, WINDOWS * EPSILON, labels.UNIT_PASSAGE_WINDOW]
    told = [count if count >= 5 else labels.WITHHELD_BELOW_K for count in COUNTS]
    minimised = report.encode(1654041600, WINDOW_S, 2, Aggregates(AIR, told, {}), privacy, HEALTH, OUTBOX)
    plain = cbor.decode(minimised)
    plain.pop(labels.REPORT_PRIVACY)
    print("privacy_row_bytes", len(minimised) - len(cbor.encode(plain)))
    plain[labels.REPORT_TRAFFIC] = report.cells(COUNTS)
    print("report_bytes", len(minimised))
    print("padded_bytes", len(padding.pad(minimised, labels.PAYLOAD_MIN)))
    print("padded_without_bytes", len(padding.pad(cbor.encode(plain), labels.PAYLOAD_MIN)))
