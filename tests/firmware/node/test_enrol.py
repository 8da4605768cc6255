"""Enrolment with a partition for the keys: no file holds a secret, a power cut leaves one identity or the other."""

from binascii import hexlify, unhexlify

from firmware import board_fakes
from firmware.city_pen import Pen, floor_map
from firmware.fakes import Flash, PowerCut, Retained, raises
from firmware.key_sectors import KeySectors, until_cut
from firmware.node_config import good

from envelope import cbor, keys, labels
from envelope.drbg import Drbg
from envelope.errors import KeyInvalid
from node import counter, enrol
from node.errors import PolicyRefused, Unprovisioned
from node.keychain import Keychain
from node.keystore import KIND_SECTORS, open_keystore
from node.ledger import LOST, Ledger
from node.policy import in_force
from node.store import Store

assert board_fakes  # puts machine, network and esp32 in place
DRBG = Drbg(b"a generator for the enrolment tests..")


class Bench:
    """A board on the provisioning bench, as node.enrol sees it; what it prints is in `lines`."""

    def __init__(self, pen, sectors=True):
        self.flash = Flash()
        self.sectors = KeySectors(self.flash) if sectors else None
        self.lines = []
        self.configure(pen)
        bench = self

        class Board:
            noise = staticmethod(lambda: DRBG.generate(36))
            serial = staticmethod(lambda: b"serial")
            find = staticmethod(lambda: bench.sectors)

        enrol.entropy = enrol.power = enrol.KeyPartition = Board
        enrol.Files = enrol.Nvs = lambda: bench.flash
        enrol.print = lambda *words: bench.lines.append(" ".join(words))

    def configure(self, pen, authorities=None, policy=None, **floor):
        """A configuration for this pen's city."""
        config = good()
        config["authorities"] = authorities or pen.authorities
        config["policy"] = policy or pen.policy()
        config["floor"] = cbor.encode(floor_map(**floor))
        self.flash.files["/config.cbor"] = cbor.encode(config)

    def begin(self):
        """The id of the identity that this makes."""
        enrol.begin("5a" * 32, "00" * 16)
        message = unhexlify(self.lines.pop().split()[1])
        return keys.thumbprint(cbor.decode(cbor.decode(message, (18,)).value[2])[labels.ENROL_IDENTITY])

    def says(self, call):
        call()
        return self.lines.pop()

    def store(self):
        return open_keystore(self.flash, self.sectors)

    def state(self):
        return dict(self.flash.files), dict(self.flash.values), self.sectors.state()

    def restore(self, state):
        self.flash.files, self.flash.values = dict(state[0]), dict(state[1])
        self.sectors.sectors = [bytearray(sector) for sector in state[2]]


def _pen():
    return Pen(DRBG.generate(1))


def _enrolled(pen, **floor):
    bench = Bench(pen)
    bench.configure(pen, **floor)
    bench.begin()
    bench.says(enrol.commit)
    return bench


def test_with_a_partition_no_file_holds_a_secret():
    bench = Bench(_pen())
    bench.begin()
    pending = bench.store().load_pending_enrolment()
    for values in (bench.flash.files, bench.flash.values):
        for value in values.values():
            for secret in (pending.private, pending.root):
                assert value.find(secret) < 0
    assert bench.says(enrol.commit) == "ENROLLED " + hexlify(keys.thumbprint(pending.public)).decode()
    assert [path for path in bench.flash.files if path.startswith("/state")] == []
    assert bench.store().kind == KIND_SECTORS


def test_all_of_the_citys_keys_come_from_the_configuration():
    pen = _pen()
    for with_sectors in (False, True):
        bench = Bench(pen, with_sectors)
        bench.begin()
        bench.says(enrol.commit)
        secrets = bench.store().load()
        assert secrets.authorities == pen.authorities
        assert (secrets.epoch, secrets.chain_start, secrets.ceiling, secrets.command) == (1, 1, 1, 0)


def test_a_key_of_the_city_that_is_no_point_stops_the_enrolment():
    for role in labels.ROLES:
        pen = _pen()
        authorities = pen.authorities
        authorities[role] = b"\x04" + bytes(64)
        bench = Bench(pen)
        bench.configure(pen, authorities)
        raises(KeyInvalid, bench.begin)
        assert bench.says(enrol.status) == "STATUS unprovisioned"


def test_a_new_identity_in_a_partition_erases_the_old_one():
    bench = Bench(_pen())
    bench.begin()
    bench.says(enrol.commit)
    old = bench.store().load()
    bench.begin()
    assert bench.says(enrol.status).startswith("STATUS pending ")
    bench.says(enrol.commit)
    image = b"".join(bench.sectors.state())
    assert image.find(old.private) < 0
    assert image.find(old.root) < 0
    assert len([key for key in bench.flash.values if key.startswith("seq")]) == 1


def test_a_commit_cut_anywhere_leaves_one_identity_that_works():
    bench = Bench(_pen())
    old_id = bench.begin()
    bench.says(enrol.commit)
    old = Keychain(bench.store(), bench.flash, Retained())
    old.spend()
    assert Ledger(bench.flash, old).spend(500000, 1000000, 900)
    new_id = bench.begin()
    before = bench.state()
    bench.flash.cut_after(1000)
    bench.says(enrol.commit)
    operations = bench.flash.operations
    assert operations >= 5
    seen = set()
    for cut in range(operations):
        for tear in (0, 1, 4, 7, 8):
            bench.restore(before)
            bench.sectors.tear = tear
            bench.flash.cut_after(cut)
            assert until_cut(enrol.commit)
            bench.flash.power_on()
            chain = Keychain(bench.store(), bench.flash, Retained())
            assert chain.node_id in (old_id, new_id)
            assert (chain.epoch, chain.rekey_wanted) == (1, False)
            # The old identity goes on where it was, the new one begins
            assert chain.spend() == (counter.BLOCK if chain.node_id == old_id else 0)
            # and what was spent of the ledger day is spent for both
            assert Ledger(bench.flash, chain).spent == 500000
            seen.add(chain.node_id)
            assert bench.says(enrol.commit) == "ENROLLED " + hexlify(new_id).decode()
    assert seen == {old_id, new_id}


def test_the_outbox_goes_with_the_identity_that_filled_it_and_indexes_begin_anew():
    """Whoever sealed it is revoked by then, or another city's: nobody takes it. Under one identity none comes twice."""
    for cut in range(12):
        pen = _pen()
        bench = _enrolled(pen)
        old_id = _node_id(bench)
        outbox = Store(bench.flash, bench.flash)
        for _ in range(3):
            outbox.append(b"sealed")
        bench.begin()
        bench.flash.cut_after(cut)
        whole = False
        try:
            bench.says(enrol.commit)
            whole = True
        except PowerCut:
            assert not whole
        bench.flash.power_on()
        same = _node_id(bench) == old_id
        assert Store(bench.flash, bench.flash).next in ((4,) if same else (1, 4))
        bench.says(enrol.commit)
        assert _node_id(bench) != old_id
        outbox = Store(bench.flash, bench.flash)
        assert (outbox.waiting, outbox.after(0)) == (0, None)
    assert outbox.next == 1


def _node_id(bench):
    return Keychain(bench.store(), bench.flash, Retained()).node_id


def test_policy_and_floor_come_from_the_configuration_and_the_ledger_is_opened():
    bench = _enrolled(_pen(), k=5)
    secrets = bench.store().load()
    assert secrets.floor == cbor.encode(floor_map(k=5))
    assert in_force(secrets).version == 1
    assert Ledger(bench.flash, Keychain(bench.store(), bench.flash, Retained())).spent == 0


def test_a_policy_that_the_node_does_not_take_stops_the_enrolment():
    pen = _pen()
    for policy, floor in (
        (pen.policy(), {"k": 6}),
        (pen.policy(k=0), {}),
        (pen.policy(labels.ROLE_RELEASE), {}),
        (Pen(b"x").policy(), {}),
        (b"policy", {}),
        (pen.policy(), {"k": 0}),
        (pen.policy(), {"version": None}),
    ):
        bench = Bench(pen)
        bench.configure(pen, policy=policy, **floor)
        raises(PolicyRefused, bench.begin)
        assert bench.says(enrol.status) == "STATUS unprovisioned"


def test_a_new_enrolment_of_a_node_whose_ledger_is_lost_does_not_refill_it():
    bench = _enrolled(_pen())
    del bench.flash.values["ledger"]
    bench.begin()
    bench.says(enrol.commit)
    assert Ledger(bench.flash, Keychain(bench.store(), bench.flash, Retained())).spent == LOST


def test_renew_takes_what_the_cable_brings():
    pen = _pen()
    bench = _enrolled(pen, k=5)
    before = bench.state()
    assert bench.says(enrol.renew) == "RENEWED 1"
    assert bench.state() == before
    # A looser floor, and a policy that needs it
    bench.configure(pen, policy=pen.policy(version=3, k=1), version=2, k=1)
    identity = bench.store().load().public
    assert bench.says(enrol.renew) == "RENEWED 3"
    secrets = bench.store().load()
    assert (in_force(secrets).k, secrets.floor) == (1, cbor.encode(floor_map(version=2, k=1)))
    assert secrets.public == identity


def test_renew_refuses_what_does_not_hold_together():
    pen = _pen()
    bench = _enrolled(pen, k=5)
    for policy, floor in (
        (pen.policy(version=2), {"version": 2, "k": 6}),
        (pen.policy(version=1, k=6), {"k": 5}),
        (pen.policy(version=2), {"version": 1, "k": 4}),
        (Pen(b"x").policy(version=2), {"k": 5}),
        (pen.policy(labels.ROLE_COMMAND, version=2), {"k": 5}),
    ):
        bench.configure(pen, policy=policy, **floor)
        before = bench.state()
        raises(PolicyRefused, enrol.renew)
        assert bench.state() == before
    raises(Unprovisioned, _unprovisioned(pen))


def _unprovisioned(pen):
    Bench(pen)
    return enrol.renew
