"""Enrolment with a partition for the keys: no file holds a secret, a power cut leaves one identity or the other."""

from binascii import hexlify, unhexlify

from firmware import board_fakes
from firmware.fakes import Flash, Retained, raises
from firmware.key_sectors import KeySectors, until_cut
from firmware.node_config import good

from envelope import cbor, ecdsa, keys, labels
from envelope.drbg import Drbg
from envelope.errors import KeyInvalid
from node import counter, enrol
from node.keychain import Keychain
from node.keystore import KIND_SECTORS, open_keystore

assert board_fakes  # puts machine, network and esp32 in place
DRBG = Drbg(b"a generator for the enrolment tests..")


class Bench:
    """A board on the provisioning bench, as node.enrol sees it; what it prints is in `lines`."""

    def __init__(self, authorities, sectors=True):
        self.flash = Flash()
        self.sectors = KeySectors(self.flash) if sectors else None
        self.lines = []
        self.configure(authorities)
        bench = self

        class Board:
            noise = staticmethod(lambda: DRBG.generate(36))
            serial = staticmethod(lambda: b"serial")
            find = staticmethod(lambda: bench.sectors)

        enrol.entropy = enrol.power = enrol.KeyPartition = Board
        enrol.Files = enrol.Nvs = lambda: bench.flash
        enrol.print = lambda *words: bench.lines.append(" ".join(words))

    def configure(self, authorities):
        config = good()
        config["authorities"] = authorities
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


def _authorities():
    return {role: ecdsa.make_key(DRBG)[1] for role in labels.ROLES}


def test_with_a_partition_no_file_holds_a_secret():
    bench = Bench(_authorities())
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
    authorities = _authorities()
    for with_sectors in (False, True):
        bench = Bench(authorities, with_sectors)
        bench.begin()
        bench.says(enrol.commit)
        secrets = bench.store().load()
        assert secrets.authorities == authorities
        assert (secrets.epoch, secrets.chain_start, secrets.ceiling, secrets.command) == (1, 1, 1, 0)


def test_a_key_of_the_city_that_is_no_point_stops_the_enrolment():
    for role in labels.ROLES:
        authorities = _authorities()
        authorities[role] = b"\x04" + bytes(64)
        bench = Bench(authorities)
        raises(KeyInvalid, bench.begin)
        assert bench.says(enrol.status) == "STATUS unprovisioned"


def test_a_new_identity_in_a_partition_erases_the_old_one():
    bench = Bench(_authorities())
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
    bench = Bench(_authorities())
    old_id = bench.begin()
    bench.says(enrol.commit)
    Keychain(bench.store(), bench.flash, Retained()).spend()
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
            seen.add(chain.node_id)
            assert bench.says(enrol.commit) == "ENROLLED " + hexlify(new_id).decode()
    assert seen == {old_id, new_id}


def test_the_outbox_goes_only_when_no_key_of_the_city_is_the_same():
    authorities = _authorities()
    for changed, kept in ((labels.ROLES[:1], True), (labels.ROLES[:4], True), (labels.ROLES, False)):
        bench = Bench(authorities)
        bench.begin()
        bench.says(enrol.commit)
        bench.flash.files["/outbox/00000001.seg"] = b"sealed"
        rotated = dict(authorities)
        for role in changed:
            rotated[role] = ecdsa.make_key(DRBG)[1]
        bench.configure(rotated)
        bench.begin()
        bench.says(enrol.commit)
        assert ("/outbox/00000001.seg" in bench.flash.files) == kept
