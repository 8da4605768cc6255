"""Which report a letter has heard, and when that was first sent: in this boot, in this epoch, and nothing else."""

from firmware.city_pen import Node, Pen
from firmware.fakes import Random

from envelope import labels
from node.report import Owed
from node.route import Route
from node.seal import Sealer

PEN = Pen()
CITY_S = 1654041600


class TimeSync:
    """Notes what the clock would be set from."""

    def __init__(self):
        self.up_s = 0
        self.corrections = []

    def uptime_s(self):
        return self.up_s

    def correct(self, city_s, age_s):
        self.corrections.append((city_s, age_s))


class Stage:
    def __init__(self, node=None):
        self.keychain = (node or Node(PEN)).boot()
        randomness = Random()
        self.sealer = Sealer(self.keychain, randomness)
        self.time_sync = TimeSync()
        self.route = Route(
            self.keychain, Owed(), self.time_sync, {"ssid": "street", "password": ""}, {"host": "broker"}
        )

    def seal(self, count=1):
        return [self.sealer.seal_once(b"report") for _ in range(count)]

    def send(self, *sealed):
        for message in sealed:
            self.route.note(message)


def test_a_letter_dates_the_message_it_has_heard_from_when_it_was_first_sent():
    stage = Stage()
    messages = stage.seal(3)
    for at, message in zip((100, 200, 300), messages):  # noqa: B905 (MicroPython)
        stage.time_sync.up_s = at
        stage.send(message)
    stage.time_sync.up_s = 320
    stage.send(*messages)  # again: nobody had acknowledged them
    stage.route.heard(1, 1, CITY_S)
    stage.route.heard(1, 2, CITY_S)
    assert stage.time_sync.corrections == [(CITY_S, 120), (CITY_S, 20)]


def test_what_was_not_sent_in_this_boot_or_in_this_epoch_dates_nothing():
    stage = Stage()
    stage.send(*stage.seal(3))
    for epoch, number in ((1, 3), (1, -1), (2, 2), (0, 0)):
        stage.route.heard(epoch, number, CITY_S)
    assert stage.time_sync.corrections == []
    stage.keychain.ratchet()
    stage.send(*stage.seal())
    stage.route.heard(2, 0, CITY_S)
    assert stage.time_sync.corrections == [(CITY_S, 0)]


def test_what_was_sealed_before_this_boot_dates_nothing_and_proves_no_network():
    """Seed 2 of the storm: a letter from before a power cut set the clock back by how long the node had been off."""
    node = Node(PEN)
    (before,) = Stage(node).seal()
    stage = Stage(node)
    stage.keychain.keep(candidate=[4, 7, {labels.SET_NETWORK_SSID: "square"}])
    stage.route.next_session()
    stage.send(before, *stage.seal())
    stage.route.heard(1, 0, CITY_S)
    assert stage.time_sync.corrections == []
    assert stage.keychain.secrets.candidate is not None
    stage.route.heard(1, 1, CITY_S)
    assert stage.time_sync.corrections == [(CITY_S, 0)]
    assert stage.keychain.secrets.candidate is None


def test_a_letter_without_a_time_dates_nothing():
    stage = Stage()
    stage.send(*stage.seal())
    stage.route.heard(1, 0, 0)
    assert stage.time_sync.corrections == []


def test_only_a_letter_that_heard_what_was_sent_on_trial_proves_the_network():
    stage = Stage()
    before, during, after = stage.seal(3)
    stage.send(before)
    stage.keychain.keep(candidate=[4, 7, {labels.SET_NETWORK_SSID: "square"}])
    stage.route.next_session()
    assert stage.route.wifi["ssid"] == "square"
    stage.route.heard(1, 0, CITY_S)
    stage.send(before, during)
    stage.route.heard(1, 0, CITY_S)
    assert stage.keychain.secrets.candidate is not None
    stage.route.heard(1, 1, CITY_S)
    assert stage.keychain.secrets.candidate is None
    assert stage.keychain.secrets.network == {labels.SET_NETWORK_SSID: "square"}
    stage.route.next_session()
    assert not stage.route.on_trial
    stage.send(after)
    assert stage.route.wifi["ssid"] == "square"


def test_it_remembers_a_few_and_no_more():
    stage = Stage()
    stage.send(*stage.seal(20))
    assert len(stage.route.sent) == 4
    stage.route.heard(1, 15, CITY_S)
    stage.route.heard(1, 16, CITY_S)
    assert len(stage.time_sync.corrections) == 1
