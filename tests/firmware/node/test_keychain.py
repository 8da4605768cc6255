"""The life of the node's keys: whatever happens to power and flash, no (key, number) pair twice and no old key left."""

from firmware.fakes import Flash, Random, Retained, raises
from firmware.key_sectors import KeySectors, until_cut

from envelope import keys, labels, p256
from envelope.errors import KeyInvalid
from node import counter, keychain, ledger
from node.counter import BLOCK
from node.errors import Unprovisioned
from node.keychain import Keychain
from node.keystore import Secrets, open_keystore
from node.ledger import Ledger

G = p256.encode(*p256.G)


def _multiple(count):
    """A public key: so many times the generator."""
    return p256.encode(*p256.affine(p256.double_and_add(p256.INFINITY, ((p256.G,) * count,))))


AUTHORITIES = {role: _multiple(1 + role) for role in labels.ROLES}
ROOT = b"\x77first root of this node....." * 2
ROOT = ROOT[:32]
WINDOW_S = 900
DAY = 86400 // WINDOW_S


class Node:
    """What survives a reset: flash (files and NVS), perhaps a key partition, RTC memory."""

    def __init__(self, with_sectors=True, **others):
        self.flash = Flash()
        self.sectors = KeySectors(self.flash) if with_sectors else None
        self.retained = Retained()
        secrets = Secrets(b"\x01" * 32, b"\x04" + b"\x02" * 64, AUTHORITIES, 1, ROOT, 1, 1, **others)
        counter.create(self.flash, keys.epoch(ROOT, 1).kid)
        self.store().save(secrets)

    def store(self):
        return open_keystore(self.flash, self.sectors)

    def boot(self, retained=True):
        if not retained:
            self.retained = Retained()
        return Keychain(self.store(), self.flash, self.retained)

    def image(self):
        """Every byte of its flash that a thief would read."""
        parts = self.sectors.state() if self.sectors else []
        for values in (self.flash.files, self.flash.values):
            parts += list(values.values())
        return b"".join(parts)

    def counters(self):
        return sorted(key for key in self.flash.values if key.startswith("seq"))


class Loaded:
    """Stands in for node.seldom: what is "imported" is there already."""

    def __init__(self, module):
        self._module = module

    def __enter__(self):
        return self._module

    def __exit__(self, *_error):
        pass


class Agreement:
    """Stands in for node.ready while it is entered: a new root at once; `roots` are all that were ever agreed on."""

    def __init__(self):
        self.roots = {}
        self.asked = []
        self.printed = []

    def __enter__(self):
        self._real = keychain.seldom
        keychain.seldom = lambda *_modules: Loaded(self)
        keychain.print = self.printed.append
        return self

    def __exit__(self, *_error):
        keychain.seldom = self._real
        del keychain.print

    def make(self, _secrets, epoch, authorities, _private, public, command, drbg):
        root = drbg.generate(32)
        self.roots[epoch, root] = None
        self.asked.append((epoch, authorities, public, command))
        return root, b"ready " + root[:4]


def test_without_an_identity_there_is_no_keychain():
    raises(Unprovisioned, Keychain, open_keystore(Flash(), KeySectors()), Flash(), Retained())


def test_it_says_who_the_node_is_and_for_whom_it_seals():
    chain = Node().boot()
    assert chain.node_id == keys.thumbprint(b"\x04" + b"\x02" * 64)
    assert chain.collector_id == keys.thumbprint(AUTHORITIES[labels.ROLE_COLLECTOR])
    assert (chain.epoch, chain.epoch_keys.kid, chain.spent) == (1, keys.epoch(ROOT, 1).kid, 0)
    assert (chain.command, chain.result, chain.window_s(900)) == (0, 0, 900)


def test_a_ratchet_leaves_no_earlier_key_in_flash():
    node = Node()
    chain = node.boot()
    root = ROOT
    for number in range(1, 6):
        old, old_keys = root, chain.epoch_keys
        assert node.image().find(root) >= 0
        chain.spend()
        chain.ratchet()
        root = keys.next_root(root)
        assert chain.epoch == number + 1
        assert chain.epoch_keys.kid == keys.epoch(root, number + 1).kid
        assert chain.spend() == 0
        for secret in (old, old_keys.k_up, old_keys.k_down, chain.epoch_keys.k_up, chain.epoch_keys.k_down):
            assert node.image().find(secret) < 0
        assert node.counters() == [counter._key(chain.epoch_keys.kid)]
        chain = node.boot()
        assert (chain.epoch, chain.spent) == (number + 1, 1)


def test_an_epoch_ends_when_a_days_worth_of_numbers_is_spent():
    chain = Node().boot()
    for _ in range(DAY):
        assert not chain.ratchet_if_due(WINDOW_S)
        chain.spend()
    assert chain.ratchet_if_due(WINDOW_S)
    assert (chain.epoch, chain.spent) == (2, 0)
    assert not chain.ratchet_if_due(86400)
    chain.spend()
    assert chain.ratchet_if_due(86400)


def test_a_key_that_served_for_its_limit_is_left():
    node = Node()
    kid = keys.epoch(ROOT, 1).kid
    node.flash.set(counter._key(kid), counter._pack(kid, labels.EPOCH_MESSAGES_MAX - 1))
    chain = node.boot()
    assert chain.spend() == labels.EPOCH_MESSAGES_MAX - 1
    assert chain.epoch == 1
    assert chain.spend() == 0
    assert chain.epoch == 2


def test_a_lost_or_damaged_counter_costs_the_epoch_and_asks_for_a_rekey():
    for damage in (None, b"", b"garbage", counter._pack(b"kidd", 5)):
        node = Node()
        chain = node.boot()
        for _ in range(5):
            chain.spend()
        (key,) = node.counters()
        if damage is None:
            del node.flash.values[key]
        else:
            node.flash.values[key] = damage
        with Agreement() as agreement:
            chain = node.boot()
        assert agreement.printed == ["hadeda: epoch 1 ends: its sequence counter is missing or damaged"]
        assert (chain.epoch, chain.spent, chain.rekey_wanted) == (2, 0, True)
        assert node.image().find(ROOT) < 0
        chain = node.boot()
        assert (chain.epoch, chain.rekey_wanted) == (2, True)


def test_a_chain_that_is_a_week_old_asks_for_a_rekey():
    """A city restored from a backup does not know the chain; it hears of the next one within a week."""
    chain = Node().boot()
    for _ in range(7):
        assert not chain.rekey_wanted
        for _ in range(DAY):
            chain.spend()
        assert chain.ratchet_if_due(WINDOW_S)
    assert chain.rekey_wanted


def test_a_rekey_is_pending_until_confirmed_and_nothing_else_changes():
    node = Node()
    chain = node.boot()
    with Agreement() as agreement:
        chain.begin_rekey(Random())
    ((epoch, root),) = agreement.roots
    assert epoch == 1 + labels.REKEY_JUMP
    assert agreement.asked == [(epoch, AUTHORITIES, None, 0)]
    for now in (chain, node.boot()):
        assert (now.epoch, now.epoch_keys.kid) == (1, keys.epoch(ROOT, 1).kid)
        assert now.pending_ready() == b"ready " + root[:4]
        assert now.pending_keys()[0] == epoch
        assert now.pending_keys()[1].kid == keys.epoch(root, epoch).kid
        assert now.pending_node_id == now.node_id
        assert now.pending_authorities == AUTHORITIES
        assert not now.rekey_wanted
    chain.spend()
    chain.confirm()
    for now in (chain, node.boot()):
        assert (now.epoch, now.spent, now.pending_ready(), now.pending_keys()) == (epoch, 0, None, None)
        assert now.epoch_keys.kid == keys.epoch(root, epoch).kid
        assert not now.rekey_wanted
    assert node.image().find(ROOT) < 0
    assert node.counters() == [counter._key(chain.epoch_keys.kid)]
    chain.confirm()
    assert chain.epoch == epoch


def test_a_pending_rekey_outlives_a_ratchet_and_is_dropped_after_its_grace():
    node = Node()
    chain = node.boot()
    with Agreement() as agreement:
        chain.begin_rekey(Random())
        ((_, root),) = agreement.roots
        for _ in range(labels.REKEY_GRACE - 1):
            chain.ratchet()
            assert chain.pending_ready() == b"ready " + root[:4]
        chain.ratchet()
        assert chain.pending_ready() is None
        assert node.image().find(root) < 0
        assert chain.rekey_wanted
        assert node.boot().rekey_wanted
        chain.begin_rekey(Random(5))
    assert [asked[0] for asked in agreement.asked] == [65, 129]


def test_what_a_dropped_rekey_was_to_bring_comes_with_the_next():
    node = Node()
    chain = node.boot()
    with Agreement() as agreement:
        chain.begin_rekey(Random(3), {labels.ROLE_COLLECTOR: G}, True, 12)
        chain.accept_command(14)
        given_up = []
        for seed in (4, 5):  # again, for as long as it takes
            pending = chain.secrets.pending
            given_up += [pending.root, pending.private, pending.ready]
            for _ in range(labels.REKEY_GRACE):
                chain.ratchet()
            assert chain.pending_keys() is None
            assert chain.authorities == AUTHORITIES
            chain = node.boot()
            assert chain.rekey_wanted
            chain.renew(Random(seed))
            assert (chain.command, chain.result) == (14, labels.RESULT_INTERRUPTED)
    for _, authorities, public, command in agreement.asked:
        assert authorities[labels.ROLE_COLLECTOR] == G
        assert command == 12
        assert public is not None
    assert len({public for _, _, public, _ in agreement.asked}) == 3
    for secret in given_up:
        assert node.image().find(secret) < 0
    node_id = chain.pending_node_id
    chain.confirm()
    assert (chain.node_id, chain.collector_id) == (node_id, keys.thumbprint(G))
    with Agreement() as agreement:
        node.boot().renew(Random(6))
    assert agreement.asked[0][2:] == (None, 0)


def test_a_new_command_replaces_what_was_wished_for():
    chain = Node().boot()
    with Agreement() as agreement:
        chain.begin_rekey(Random(3), {labels.ROLE_COLLECTOR: G}, True, 12)
        for _ in range(labels.REKEY_GRACE):
            chain.ratchet()
        chain.begin_rekey(Random(4), None, False, 13)
        for _ in range(labels.REKEY_GRACE):
            chain.ratchet()
        chain.renew(Random(5))
    assert [asked[1:] for asked in agreement.asked[1:]] == [(AUTHORITIES, None, 13)] * 2


def test_a_lost_counter_keeps_the_wish_too():
    node = Node()
    chain = node.boot()
    with Agreement() as agreement:
        chain.begin_rekey(Random(3), None, True, 12)
        chain.ratchet()
        for key in node.counters():
            del node.flash.values[key]
        chain = node.boot()
        assert chain.pending_keys() is None
        chain.renew(Random(4))
    assert agreement.asked[1][3] == 12
    assert agreement.asked[1][2] is not None


def test_announced_numbers_only_rise():
    chain = Node().boot()
    with Agreement() as agreement:
        for seed in range(1, 5):
            chain.begin_rekey(Random(seed))
        chain.confirm()
        chain.ratchet()
        chain.begin_rekey(Random(9))
    assert [asked[0] for asked in agreement.asked] == [65, 129, 193, 257, 258 + 64]


def test_a_rekey_brings_identity_authorities_and_command_in_one_write():
    node = Node()
    chain = node.boot()
    old_id, old_private = chain.node_id, chain.secrets.private
    with Agreement() as agreement:
        before = len(node.sectors.journal)
        chain.begin_rekey(Random(3), {labels.ROLE_COLLECTOR: G, labels.ROLE_RECEIPT: G}, True, 12)
        assert len(node.sectors.journal) == before + 3
    assert (chain.command, chain.result) == (12, labels.RESULT_DONE)
    _, authorities, public, command = agreement.asked[0]
    assert command == 12
    assert authorities[labels.ROLE_COLLECTOR] == authorities[labels.ROLE_RECEIPT] == G
    assert authorities[labels.ROLE_COMMAND] == AUTHORITIES[labels.ROLE_COMMAND]
    assert (chain.node_id, chain.authorities) == (old_id, AUTHORITIES)
    chain = node.boot()
    new_private = chain.secrets.pending.private
    assert chain.pending_node_id == keys.thumbprint(public) != old_id
    assert chain.pending_authorities == authorities
    assert chain.collector_id == keys.thumbprint(AUTHORITIES[labels.ROLE_COLLECTOR])
    chain.confirm()
    for now in (chain, node.boot()):
        assert (now.node_id, now.collector_id) == (keys.thumbprint(public), keys.thumbprint(G))
        assert now.authorities == authorities
        assert now.secrets.private == new_private
    assert node.image().find(old_private) < 0


def test_keys_that_are_none_and_unknown_roles_change_nothing():
    node = Node()
    chain = node.boot()
    before = node.image()
    with Agreement():
        for bad in ({1: b"\x04" + bytes(64)}, {2: G[:-1]}, {3: b""}, {1: G, 5: b"\x00" * 65}, {0: G}, {6: G}):
            raises(KeyInvalid, chain.begin_rekey, Random(), bad)
    assert node.image() == before
    assert chain.pending_ready() is None


def test_a_commands_number_is_persisted_before_and_its_result_after():
    node = Node()
    chain = node.boot()
    chain.accept_command(5)
    assert (node.boot().command, node.boot().result) == (5, labels.RESULT_INTERRUPTED)
    chain.finish_command(labels.RESULT_DONE)
    assert (node.boot().command, node.boot().result) == (5, labels.RESULT_DONE)


def test_a_commanded_window_is_kept():
    node = Node()
    node.boot().set_window_s(3600, 8)
    chain = node.boot()
    assert (chain.window_s(900), chain.command, chain.result) == (3600, 8, labels.RESULT_DONE)
    chain.ratchet()
    assert node.boot().window_s(900) == 3600


def test_flash_that_takes_nothing_leaves_memory_as_it_was():
    node = Node()
    chain = node.boot()
    with Agreement():
        chain.begin_rekey(Random())
    secrets = chain.secrets

    def broken(_sector, _data):
        raise OSError(5)

    node.sectors.replace = broken
    used = {(chain.epoch_keys.k_up, chain.spend())}
    for change in (chain.ratchet, chain.confirm, lambda: chain.accept_command(3), lambda: chain.set_window_s(60, 3)):
        raises(OSError, change)
        assert chain.secrets is secrets
        pair = (chain.epoch_keys.k_up, chain.spend())
        assert pair not in used
        used.add(pair)


SCRIPT = (
    ["spend"] * 3
    + ["ratchet", "spend", "rekey", "spend", "confirm", "spend", "ratchet", "spend", "rekey", "ratchet", "spend"]
    + [
        "command",
        "ratchet",
        "spend",
        "identity",
        "confirm",
        "spend",
        "lose",
        "boot",
        "spend",
        "rekey",
        "spend",
        "confirm",
    ]
    + ["spend"] * (BLOCK + 2)
)


class Life:
    """A node that lives through SCRIPT; a power cut interrupts a step, which is not done again."""

    def __init__(self, with_sectors, agreement, seed):
        self.node = Node(with_sectors)
        self.agreement = agreement
        self.random = Random(seed)
        self.used = set()
        self.highest = 0
        self.at = 0
        self.retained = True

    def run(self):
        """Boot, and go on with the script from where it stopped."""
        self.chain = self.node.boot(self.retained)
        self.look()
        while self.at < len(SCRIPT):
            self.at += 1
            self.step(SCRIPT[self.at - 1])
            self.look()

    def step(self, step):
        chain = self.chain
        if step == "spend":
            number = chain.spend()
            pair = (chain.epoch_keys.k_up, number)
            assert pair not in self.used
            self.used.add(pair)
        elif step == "rekey":
            chain.begin_rekey(self.random)
        elif step == "identity":
            chain.begin_rekey(self.random, {1: G})
        elif step == "command":
            chain.accept_command(7)
        elif step == "lose":
            self.node.flash.values.pop(counter._key(chain.epoch_keys.kid), None)
        elif step == "boot":
            self.chain = self.node.boot()
        else:
            getattr(chain, step)()

    def look(self):
        """The epoch never falls, and its root is one that the city can work out."""
        secrets = self.chain.secrets
        assert secrets.epoch >= self.highest
        self.highest = secrets.epoch
        reachable = {(1, ROOT): None}
        reachable.update(self.agreement.roots)
        for epoch, root in reachable:
            if epoch <= secrets.epoch < epoch + 20:
                for _ in range(secrets.epoch - epoch):
                    root = keys.next_root(root)
                if root == secrets.root:
                    return
        raise AssertionError("a root out of nowhere")


def _live(with_sectors, cuts, tear, retained, seed):
    """One life with power cuts after so many flash operations each; returns how many operations it had in all."""
    with Agreement() as agreement:
        life = Life(with_sectors, agreement, seed)
        life.retained = retained
        operations = 0
        for cut in cuts:
            life.node.flash.cut_after(cut)
            if life.node.sectors:
                life.node.sectors.tear = tear
            until_cut(life.run)
            operations += life.node.flash.operations
            life.node.flash.power_on()
        life.run()
        life.at = len(SCRIPT) - 3
        life.run()
        assert len(life.node.counters()) <= 1 + len(cuts)  # a step that was cut and not done again may leave one
        return operations


def test_no_key_and_number_twice_whatever_operation_the_power_is_cut_at():
    for with_sectors in (False, True):
        total = _live(with_sectors, (100000,), 0, True, 5)
        assert total > 30
        for cut in range(total + 1):
            for tear in (0, 3, 8) if with_sectors else (0,):
                for retained in (False, True):
                    _live(with_sectors, (cut,), tear, retained, 5)


def test_a_power_cut_never_costs_an_epoch_and_never_leaves_both_roots():
    for change in ("ratchet", "confirm"):
        seen = set()
        for cut in range(8):
            with Agreement() as agreement:
                node = Node()
                chain = node.boot()
                chain.begin_rekey(Random())
                ((new, root),) = agreement.roots
                if change == "ratchet":
                    new, root = 2, keys.next_root(ROOT)
                node.flash.cut_after(cut)
                until_cut(getattr(chain, change))
                node.flash.power_on()
                seen.add(node.boot().epoch)
                assert agreement.printed == []
            left = [node.image().find(one) >= 0 for one in (ROOT, root)]
            if change == "ratchet":
                assert left == [node.boot().epoch == 1, node.boot().epoch == 2]
            else:
                assert left == [node.boot().epoch == 1, True]
        assert seen == {1, new}


def test_no_key_and_number_twice_after_several_power_cuts():
    random = Random(17)
    for seed in range(120):
        cuts = [random.below(40) for _ in range(4)]
        _live(seed % 4 != 0, cuts, random.below(9), random.below(2) == 0, seed + 1)


def test_a_new_identity_keeps_the_ledger_whatever_operation_the_power_is_cut_at():
    cut = 0
    identities = set()
    interrupted = True
    while interrupted:
        node = Node(with_sectors=False)
        ledger.create(node.flash, node.boot().node_id)
        chain = node.boot()
        assert Ledger(node.flash, chain).spend(500000, 1000000, 900)
        with Agreement():
            chain.begin_rekey(Random(), new_identity=True)
        node.flash.cut_after(cut)
        interrupted = until_cut(chain.confirm)
        node.flash.power_on()
        chain = node.boot(retained=False)
        assert Ledger(node.flash, chain).spent == 500000
        identities.add(chain.node_id)
        cut += 1
    assert cut >= 4
    assert len(identities) >= 2
