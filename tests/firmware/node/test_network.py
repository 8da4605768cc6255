"""Another network has to lead to the city before it holds; whatever happens on the way, one that works is left."""

from firmware.city_pen import Node, Pen
from firmware.fakes import PowerCut
from firmware.key_sectors import KeySectors

from envelope import cose, labels
from node import network as rules
from node.commands import Commands
from node.keystore import open_keystore
from node.report import Owed
from node.route import Route

PEN = Pen()
NUMBER = 0x1234567890
LOW = NUMBER & 0xFFFF
WIFI = {"ssid": "street", "password": "lamp post 12"}
BROKER = {"host": "broker", "port": 8883, "user": "nodes", "password": "old", "topic": "hadeda/up", "ca": b"0"}
NEW = {labels.SET_NETWORK_SSID: "square", labels.SET_NETWORK_WIFI_PASSWORD: "lamp post 13"}
OLD_USED = "street", "lamp post 12", "broker", 8883, "nodes", "old"
NEW_USED = "square", "lamp post 13", "broker", 8883, "nodes", "old"


class Uptime:
    """node.time_sync, as far as a route asks it."""

    def uptime_s(self):
        return 0


class Stage:
    """A node that may be started again: `boot`. `use` is what a session would use."""

    def __init__(self):
        self.node = Node(PEN)
        self.boot()

    def boot(self):
        self.keychain = self.node.boot()
        self.owed = Owed()
        self.route = Route(self.keychain, self.owed, Uptime(), WIFI, BROKER)
        self.commands = Commands(self.keychain, self.owed, self.node.drbg, None, None, lambda _public: b"")

    def used(self):
        wifi, broker = self.route.wifi, self.route.broker
        assert (broker["topic"], broker["ca"]) == ("hadeda/up", b"0")
        return wifi["ssid"], wifi["password"], broker["host"], broker["port"], broker["user"], broker["password"]

    def session(self):
        self.route.next_session()
        return self.used()

    def prove(self):
        """A report goes out in this session, and a letter has heard it."""
        sealed = cose.seal(
            b"report",
            self.keychain.epoch_keys,
            self.keychain.epoch,
            labels.DIRECTION_UP,
            self.keychain.spend(),
            self.keychain.node_id,
            self.keychain.collector_id,
            self.keychain.secrets.private,
            self.node.drbg,
        )
        self.route.note(sealed)
        _, epoch, number = cose.header(sealed)
        self.route.heard(epoch, number, 0)

    def order(self, arguments=NEW, number=NUMBER):
        command = PEN.command(self.keychain.node_id, number, labels.OPERATION_SET_NETWORK, arguments)
        return self.commands.take(command, 0)

    def answer(self):
        return self.owed.take()[0]


def test_without_a_command_it_is_the_configured_one():
    stage = Stage()
    before = stage.node.memory()
    assert [stage.used(), stage.session(), stage.session()] == [OLD_USED] * 3
    assert stage.node.memory() == before


def test_a_network_that_leads_to_the_city_holds_from_then_on():
    stage = Stage()
    assert stage.order() is None, "nobody knows yet"
    assert stage.answer() is None
    assert stage.session() == NEW_USED
    assert stage.route.on_trial
    stage.prove()
    assert stage.answer() == (LOW, labels.RESULT_DONE)
    assert not stage.route.on_trial
    for _ in range(10):
        assert stage.session() == NEW_USED
    stage.boot()
    assert [stage.used(), stage.session()] == [NEW_USED] * 2
    assert stage.order() == (LOW, labels.RESULT_DONE), "the answer was lost, and is given again"


def test_one_that_does_not_is_left_after_four_sessions_and_the_answer_says_so():
    stage = Stage()
    stage.order()
    assert [stage.session() for _ in range(labels.NETWORK_TRIES)] == [NEW_USED] * 4
    assert stage.answer() is None
    assert stage.session() == OLD_USED
    assert stage.answer() == (LOW, labels.RESULT_FELL_BACK)
    stage.prove()  # whatever comes now
    assert [stage.session() for _ in range(5)] == [OLD_USED] * 5
    stage.boot()
    assert stage.session() == OLD_USED
    assert stage.order() == (LOW, labels.RESULT_FELL_BACK)


def test_resets_do_not_give_more_tries():
    stage = Stage()
    stage.order()
    used = []
    for _ in range(6):
        stage.boot()
        assert stage.used() == OLD_USED, "before the first session nothing is tried"
        used.append(stage.session())
    assert used == [NEW_USED] * 4 + [OLD_USED] * 2


def test_a_second_command_changes_what_it_names_and_nothing_else():
    stage = Stage()
    stage.order()
    stage.session()
    stage.prove()
    stage.order({labels.SET_NETWORK_HOST: "new.example", labels.SET_NETWORK_PORT: 1}, NUMBER + 1)
    assert stage.session() == ("square", "lamp post 13", "new.example", 1, "nodes", "old")
    for _ in range(4):
        used = stage.session()
    assert used == NEW_USED
    assert stage.answer() == (LOW + 1, labels.RESULT_FELL_BACK)


def test_a_later_command_ends_the_trial_of_an_earlier_one():
    stage = Stage()
    stage.order()
    stage.session()
    stage.order({labels.SET_NETWORK_SSID: "third"}, NUMBER + 1)
    assert stage.order(NEW, NUMBER) is None
    assert stage.session()[0] == "third"
    stage.prove()
    assert stage.answer() == (LOW + 1, labels.RESULT_DONE)


def test_another_command_in_between_keeps_its_own_answer():
    stage = Stage()
    stage.order()
    stage.session()
    later = PEN.command(stage.keychain.node_id, NUMBER + 1, labels.OPERATION_SET_PERIOD, {1: 1800})
    assert stage.commands.take(later, 0) == (LOW + 1, labels.RESULT_DONE)
    stage.owed.take()
    stage.prove()
    assert stage.answer() is None
    assert (stage.keychain.command, stage.keychain.result) == (NUMBER + 1, labels.RESULT_DONE)
    assert stage.session() == NEW_USED


def test_what_cannot_be_right_is_refused_and_changes_nothing():
    wrong = (
        {},
        {0: "x"},
        {7: "x"},
        {"1": "x"},
        {1: ""},
        {1: "x" * 33},
        {1: b"square"},
        {1: 7},
        {2: "seven b"},
        {2: "x" * 64},
        {3: ""},
        {3: "x" * 65},
        {4: 0},
        {4: 65536},
        {4: True},
        {4: "1883"},
        {5: ""},
        {6: "x" * 65},
        {6: None},
        {1: "square", 9: 1},
    )
    for arguments in wrong:
        stage = Stage()
        assert stage.order(arguments) == (LOW, labels.RESULT_REFUSED), arguments
        assert stage.session() == OLD_USED
    for arguments in ({1: "x" * 32}, {2: ""}, {2: "x" * 8}, {2: "x" * 63}, {3: "x" * 64}, {4: 65535}, {5: "x", 6: "y"}):
        assert rules.is_right(arguments), arguments


def test_flash_that_takes_no_try_costs_no_session():
    stage = Stage()
    stage.order()

    def failing(*_):
        raise OSError(28)

    stage.node.flash.write = failing
    assert [stage.session() for _ in range(8)] == [OLD_USED] * 8
    assert not stage.route.on_trial


def _life(stage, leads_to_the_city):
    """Command, sessions, and what comes of them."""
    stage.order()
    for _ in range(labels.NETWORK_TRIES + 2):
        stage.session()
        if leads_to_the_city:
            stage.prove()
    return stage.session()


def test_a_power_cut_at_any_flash_operation_leaves_one_working_set():
    cuts = 0
    for leads in (True, False):
        cut = 0
        over = False
        while not over:
            stage = Stage()
            stage.node.flash.cut_after(cut)
            try:
                _life(stage, leads)
                over = True
            except PowerCut:
                cut += 1
            stage.node.flash.power_on()
            stage.boot()
            assert stage.used() in (OLD_USED, NEW_USED)
            assert (stage.used() == NEW_USED) <= leads, "a network holds that never led to the city"
            # The letter is still there: the same command comes again, and ends as it would have
            assert _life(stage, leads) == (NEW_USED if leads else OLD_USED)
            result = labels.RESULT_DONE if leads else labels.RESULT_FELL_BACK
            assert stage.order() == (LOW, result)
        assert cut >= 4
        cuts += cut
    print("power cuts:", cuts)


def test_two_networks_fit_a_key_sector_beside_all_else_that_may_be_in_it():
    stage = Stage()
    texts = {1: "s" * 32, 2: "p" * 63, 3: "h" * 64, 4: 65535, 5: "u" * 64, 6: "q" * 64}
    stage.order(texts)
    stage.session()
    stage.prove()
    stage.order({label: texts[label] for label in texts}, NUMBER + 1)
    stage.keychain.begin_rekey(stage.node.drbg, Pen(b"2").authorities, True)
    secrets = stage.keychain.secrets.changed(policy=bytes(labels.POLICY_MAX), floor=bytes(60))
    store = open_keystore(stage.node.flash, KeySectors(stage.node.flash))
    store.save(secrets)
    store.save_pending_enrolment(secrets.changed(pending=None, network=None, candidate=None))
    assert store.load().candidate[2] == texts
