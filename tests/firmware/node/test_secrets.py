"""The key store and the generator: nothing half-made after a power cut, nothing old left, nothing drawn twice."""

from firmware.fakes import Flash, PowerCut, raises
from firmware.key_sectors import KeySectors, torn, until_cut

from envelope import cbor, keys
from node import keystore
from node.errors import Unprovisioned
from node.keystore import KIND_FILE, KIND_SECTORS, Pending, Secrets, open_keystore
from node.randomness import Randomness

AUTHORITIES = {role: b"\x04" + bytes((role,)) * 64 for role in range(1, 6)}


def _secrets(mark, **others):
    """Secrets that can be told apart, and found in flash, by their mark."""
    return Secrets(
        bytes((mark,)) * 32, b"\x04" + bytes((mark,)) * 64, AUTHORITIES, mark, _root(mark), 1, mark, **others
    )


def _root(mark):
    return bytes((mark, 0x5A)) * 16


PENDING = Pending(70, b"p" * 32, b"ready" * 80, 9, AUTHORITIES, b"i" * 32, b"\x04" + b"j" * 64, 8)
WISH = [AUTHORITIES, True, 8]


def _same(one, two):
    for name in Secrets.NAMES:
        if name != "pending" and getattr(one, name) != getattr(two, name):
            return False
    if one.pending is None or two.pending is None:
        return one.pending is two.pending
    return all(getattr(one.pending, name) == getattr(two.pending, name) for name in Pending.NAMES)


def _stores():
    """A file's key store and a partition's."""
    yield open_keystore(Flash(), None)
    yield open_keystore(Flash(), KeySectors())


def test_everything_that_is_saved_comes_back():
    for store in _stores():
        raises(Unprovisioned, store.load)
        full = _secrets(7, command=9, result=3, window_s=900, rekey_due=True, retired=b"kidk", pending=PENDING)
        for secrets in (_secrets(1), full, full.changed(pending=None), full.changed(pending=None, wish=WISH)):
            store.save(secrets)
            assert _same(store.load(), secrets)


def test_the_kind_tells_where_the_secrets_are():
    assert [store.kind for store in _stores()] == [KIND_FILE, KIND_SECTORS]


def test_pending_secrets_are_not_the_nodes_until_committed():
    for store in _stores():
        store.save_pending_enrolment(_secrets(1))
        raises(Unprovisioned, store.load)
        assert _same(store.load_pending_enrolment(), _secrets(1))
        store.commit()
        assert _same(store.load(), _secrets(1))
        assert store.load_pending_enrolment() is None
        store.commit()
        assert _same(store.load(), _secrets(1))


def test_a_node_that_runs_on_keeps_the_enrolment_that_is_pending():
    for store in _stores():
        store.save(_secrets(1))
        store.save_pending_enrolment(_secrets(3))
        store.save(_secrets(2))
        assert _same(store.load(), _secrets(2))
        assert _same(store.load_pending_enrolment(), _secrets(3))


def test_a_power_cut_leaves_the_files_old_secrets_or_the_new():
    steps = (
        lambda store: store.save(_secrets(2)),
        lambda store: store.save_pending_enrolment(_secrets(2)),
        lambda store: store.commit(),
    )
    for step in steps:
        for cut in range(4):
            flash = Flash()
            store = open_keystore(flash, None)
            store.save(_secrets(1))
            store.save_pending_enrolment(_secrets(2))
            flash.cut_after(cut)
            until_cut(step, store)
            flash.power_on()
            store = open_keystore(flash, None)
            assert store.load().epoch in (1, 2)
            pending = store.load_pending_enrolment()
            assert pending.epoch == 2 if pending else store.load().epoch == 2


def _cut_everywhere(sectors, old, new):
    """Whatever operation of the journal is cut, and where: the old secrets or the new, whole, and nothing else."""
    seen = set()
    for before, sector, data in sectors.journal:
        for state in torn(before, sector, data):
            left = KeySectors(None, state)
            store = open_keystore(Flash(), left)
            epoch = store.load().epoch
            assert epoch in (old, new)
            seen.add(epoch)
            image = b"".join(left.state())
            assert (image.find(_root(old)) < 0) == (epoch == new)
            assert (image.find(_root(new)) < 0) == (epoch == old)
            assert left.erased(0) or left.erased(1)
    assert seen == {old, new}


def test_a_power_cut_within_any_operation_leaves_the_sectors_old_secrets_or_the_new():
    sectors = KeySectors()
    store = open_keystore(Flash(), sectors)
    store.save(_secrets(1))
    for epoch in (2, 3):
        sectors.journal = []
        store.save(_secrets(epoch))
        assert len(sectors.journal) == 3
        _cut_everywhere(sectors, epoch - 1, epoch)


def test_after_any_power_cut_the_next_save_holds():
    sectors = KeySectors()
    store = open_keystore(Flash(), sectors)
    store.save(_secrets(1))
    sectors.journal = []
    store.save(_secrets(2))
    for before, sector, data in sectors.journal:
        for number, state in enumerate(torn(before, sector, data)):
            if number % 5:
                continue
            left = KeySectors(None, state)
            open_keystore(Flash(), left).save(_secrets(9))
            assert open_keystore(Flash(), left).load().epoch == 9
            image = b"".join(left.state())
            assert image.find(_root(1)) < 0
            assert image.find(_root(2)) < 0


def test_a_commit_in_sectors_may_be_cut_within_any_operation():
    sectors = KeySectors()
    store = open_keystore(Flash(), sectors)
    store.save(_secrets(1))
    store.save_pending_enrolment(_secrets(2))
    sectors.journal = []
    store.commit()
    for before, sector, data in sectors.journal:
        for state in torn(before, sector, data):
            left = open_keystore(Flash(), KeySectors(None, state))
            epoch = left.load().epoch
            pending = left.load_pending_enrolment()
            assert (epoch, pending and pending.epoch) in ((1, 2), (2, None))
    assert b"".join(sectors.state()).find(_root(1)) < 0


def test_the_first_enrolment_in_sectors_may_be_cut_within_any_operation():
    sectors = KeySectors()
    open_keystore(Flash(), sectors).save_pending_enrolment(_secrets(2))
    for before, sector, data in sectors.journal:
        for state in torn(before, sector, data):
            left = KeySectors(None, state)
            store = open_keystore(Flash(), left)
            raises(Unprovisioned, store.load)
            pending = store.load_pending_enrolment()
            assert pending is None or _same(pending, _secrets(2))
            store.save_pending_enrolment(_secrets(3))
            assert _same(store.load_pending_enrolment(), _secrets(3))
            assert b"".join(left.state()).find(_root(2)) < 0


def test_secrets_that_flash_does_not_take_leave_the_old_ones():
    class Worn(KeySectors):
        def replace(self, sector, data):
            super().replace(sector, data[:-1] + bytes((data[-1] ^ 1,)))

    sectors = KeySectors()
    open_keystore(Flash(), sectors).save(_secrets(1))
    worn = Worn(None, sectors.state())
    store = open_keystore(Flash(), worn)
    raises(OSError, store.save, _secrets(2))
    assert store.load().epoch == 1
    assert b"".join(worn.state()).find(_root(2)) < 0


class Refusing(KeySectors):
    """Flash that reports an error from a number of operations on; `does` tells whether it happened all the same."""

    def __init__(self, sectors, at, does):
        super().__init__(None, sectors)
        self.at = at
        self.does = does

    def _operate(self, sector, data):
        self.at -= 1
        if self.at >= 0 or self.does:
            super()._operate(sector, data)
        if self.at < 0:
            raise OSError(5)


def _refused(at, does):
    """(whether save() raised, flash) when all operations from that one on report an error."""
    sectors = KeySectors()
    open_keystore(Flash(), sectors).save(_secrets(1))
    flash = Refusing(sectors.state(), at, does)
    printed = []
    keystore.print = lambda *words: printed.append(words)
    try:
        open_keystore(Flash(), flash).save(_secrets(2))
        return False, flash
    except OSError:
        return True, flash
    finally:
        del keystore.print


def test_flash_errors_leave_what_save_says():
    """An error means the old secrets, none means the new ones, in this run and after the next boot."""
    outcomes = []
    for at in range(4):
        for does in (False, True):
            raised, flash = _refused(at, does)
            flash.at = 100
            store = open_keystore(Flash(), flash)
            assert store.load().epoch == (1 if raised else 2)
            image = b"".join(flash.state())
            assert image.find(_root(2 if raised else 1)) < 0
            assert flash.erased(0) or flash.erased(1)
            outcomes.append(raised)
    # The operations are: erase and program the other sector, erase the old one
    assert outcomes == [True, True, True, False, False, False, False, False]


def test_a_record_that_cannot_be_read_back_is_taken_away_again():
    class Blind(KeySectors):
        blind = False

        def replace(self, sector, data):
            super().replace(sector, data)
            self.blind = True

        def read(self, sector, count):
            if self.blind:
                self.blind = False
                raise OSError(5)
            return super().read(sector, count)

    sectors = KeySectors()
    open_keystore(Flash(), sectors).save(_secrets(1))
    blind = Blind(None, sectors.state())
    raises(OSError, open_keystore(Flash(), blind).save, _secrets(2))
    assert b"".join(blind.state()).find(_root(2)) < 0
    assert open_keystore(Flash(), blind).load().epoch == 1


def test_an_old_record_that_will_not_go_hides_nothing():
    raised, flash = _refused(2, False)
    assert not raised
    printed = []
    keystore.print = lambda *words: printed.append(words)
    try:
        assert open_keystore(Flash(), flash).load().epoch == 2
    finally:
        del keystore.print
    assert len(printed) > 0
    assert b"".join(flash.state()).find(_root(1)) >= 0  # it is tried again with every read
    flash.at = 100
    assert open_keystore(Flash(), flash).load().epoch == 2
    assert b"".join(flash.state()).find(_root(1)) < 0


def test_a_record_of_before_there_were_wishes_is_read():
    flash = Flash()
    old = [getattr(_secrets(7), name) for name in Secrets.NAMES[: Secrets.NAMES.index("wish")]]
    old[-1] = [getattr(PENDING, name) for name in Pending.NAMES[:-1]]
    flash.files[keystore.FOLDER + "/keys"] = keystore._pack(0, cbor.encode([old, None]))
    loaded = open_keystore(flash, None).load()
    assert (loaded.epoch, loaded.wish, loaded.pending.ready, loaded.pending.command) == (7, None, PENDING.ready, 0)


def test_a_record_in_a_file_moves_to_the_partition_whatever_is_cut():
    for cut in range(12):
        for tear in (0, 1, 4, 7, 8):
            flash = Flash()
            open_keystore(flash, None).save(_secrets(5))
            open_keystore(flash, None).save_pending_enrolment(_secrets(6))
            flash.files["/state/keys~"] = b"of a power cut"
            sectors = KeySectors(flash)
            open_keystore(Flash(), sectors).save(_secrets(4))
            sectors.tear = tear
            flash.cut_after(cut)
            until_cut(open_keystore, flash, sectors)
            flash.power_on()
            store = open_keystore(flash, sectors)
            assert store.load().epoch == 5
            assert store.load_pending_enrolment() is None
            assert flash.files == {}
            assert b"".join(sectors.state()).find(_root(4)) < 0


def test_an_enrolment_that_was_only_begun_in_a_file_does_not_replace_the_partitions_identity():
    flash, sectors = Flash(), KeySectors()
    open_keystore(Flash(), sectors).save(_secrets(1))
    open_keystore(flash, None).save_pending_enrolment(_secrets(2))
    assert open_keystore(flash, sectors).load().epoch == 1
    assert flash.files == {}


def test_damaged_secrets_are_no_secrets():
    flash = Flash()
    store = open_keystore(flash, None)
    store.save(_secrets(1))
    path = keystore.FOLDER + "/keys"
    good = flash.files[path]
    for i in range(len(good)):
        damaged = bytearray(good)
        damaged[i] ^= 1
        flash.files[path] = bytes(damaged)
        raises(Unprovisioned, store.load)
    for cut in range(0, len(good), 5):
        flash.files[path] = good[:cut]
        raises(Unprovisioned, store.load)


def test_a_whole_record_of_another_firmware_is_no_secrets():
    for rows in ({}, 7, "rows", [], [None], [None, 7], ["x" * 20, None], [[0] * 40, None], [[1, 2], None], [{}, {}]):
        flash = Flash()
        flash.files[keystore.FOLDER + "/keys"] = keystore._pack(0, cbor.encode(rows))
        store = open_keystore(flash, None)
        raises(Unprovisioned, store.load)
        assert store.load_pending_enrolment() is None


def _stuck_noise():
    return bytes(36)


def test_a_reboot_never_draws_the_same_bytes_even_with_a_dead_hardware_generator():
    flash = Flash()
    seen = set()
    for _ in range(20):
        randomness = Randomness(flash, _stuck_noise, b"node")
        for _ in range(3):
            drawn = randomness.drbg.generate(16)
            assert drawn not in seen
            seen.add(drawn)


def test_a_power_cut_before_the_successor_is_stored_lets_nothing_be_drawn():
    flash = Flash()
    Randomness(flash, _stuck_noise, b"node")
    flash.cut_after(0)
    raises(PowerCut, Randomness, flash, _stuck_noise, b"node")


def test_the_hosts_entropy_counts():
    one = Randomness(Flash(), _stuck_noise, b"node", b"a" * 32)
    two = Randomness(Flash(), _stuck_noise, b"node", b"b" * 32)
    assert one.drbg.generate(16) != two.drbg.generate(16)


def test_below_stays_below():
    randomness = Randomness(Flash(), _stuck_noise, b"node")
    drawn = [randomness.below(7) for _ in range(200)]
    assert set(drawn) == set(range(7))


def test_kids_differ_between_enrolments():
    assert keys.epoch(b"\x01" * 32, 1).kid != keys.epoch(b"\x02" * 32, 1).kid
