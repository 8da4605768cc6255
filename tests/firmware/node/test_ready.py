"""The ready message, opened by code that shares nothing with what sealed it; and what an attacker would change."""

from firmware.fakes import Flash, Retained, raises
from firmware.opened_ready import OpenedReady

from envelope import cbor, ecdsa, keys, labels
from envelope.drbg import Drbg
from envelope.errors import KeyInvalid, Rejected
from node import counter
from node.keychain import Keychain
from node.keystore import Secrets, open_keystore

DRBG = Drbg(b"a generator for the ready tests......")
COLLECTOR = ecdsa.make_key(DRBG)
NEXT_COLLECTOR = ecdsa.make_key(DRBG)
IDENTITY = ecdsa.make_key(DRBG)
AUTHORITIES = dict.fromkeys(labels.ROLES, COLLECTOR[1])
ROOT = b"r" * 32


def _keychain():
    flash = Flash()
    store = open_keystore(flash, None)
    store.save(Secrets(IDENTITY[0], IDENTITY[1], AUTHORITIES, 4, ROOT, 1, 4))
    counter.create(flash, keys.epoch(ROOT, 4).kid)
    return flash, Keychain(store, flash, Retained())


def test_the_city_comes_to_the_same_keys():
    flash, chain = _keychain()
    chain.begin_rekey(DRBG)
    opened = OpenedReady(chain.pending_ready(), COLLECTOR, IDENTITY[1])
    epoch, epoch_keys = chain.pending_keys()
    assert (opened.epoch, opened.fields[labels.READY_COMMAND]) == (epoch, 0) == (4 + labels.REKEY_JUMP, 0)
    assert sorted(opened.fields) == [1, 2, 3, 4, 5, 6]
    assert keys.epoch(opened.root, epoch).kid == epoch_keys.kid
    assert len(chain.pending_ready()) <= 512
    assert Keychain(open_keystore(flash, None), flash, Retained()).pending_ready() == chain.pending_ready()
    chain.confirm()
    assert chain.epoch_keys.k_up == keys.epoch(opened.root, epoch).k_up


def test_a_new_identity_is_signed_by_the_old_one_and_proves_itself():
    _, chain = _keychain()
    chain.begin_rekey(DRBG, {labels.ROLE_COLLECTOR: NEXT_COLLECTOR[1]}, True, 99)
    message = chain.pending_ready()
    opened = OpenedReady(message, NEXT_COLLECTOR, IDENTITY[1])
    assert opened.fields[labels.READY_COMMAND] == 99
    assert opened.node_id == chain.pending_node_id != chain.node_id
    assert keys.epoch(opened.root, opened.epoch).kid == chain.pending_keys()[1].kid
    assert len(message) <= labels.SEALED_MAX
    chain.confirm()
    assert ecdsa.public_key(chain.secrets.private, DRBG) == opened.identity
    assert chain.node_id == opened.node_id


def test_nobody_but_the_collector_opens_it():
    _, chain = _keychain()
    chain.begin_rekey(DRBG)
    raises(Rejected, OpenedReady, chain.pending_ready(), NEXT_COLLECTOR, IDENTITY[1])


def test_nothing_in_it_names_the_node():
    _, chain = _keychain()
    chain.begin_rekey(DRBG)
    message = chain.pending_ready()
    for name in (chain.node_id, chain.collector_id, IDENTITY[1][1:33], COLLECTOR[1][1:33], chain.epoch_keys.kid):
        assert message.find(name[:4]) < 0


def test_ephemeral_key_iv_and_nonce_are_fresh_each_time():
    seen = set()
    for _ in range(2):
        _, chain = _keychain()
        chain.begin_rekey(DRBG)
        opened = OpenedReady(chain.pending_ready(), COLLECTOR, IDENTITY[1])
        seen.update((opened.fields[3], opened.fields[4], opened.iv, opened.content_key, opened.root))
    assert len(seen) == 10


def test_every_changed_byte_is_noticed():
    _, chain = _keychain()
    chain.begin_rekey(DRBG)
    message = chain.pending_ready()
    ciphertext = cbor.decode(message, (96,)).value[2]
    start = message.find(ciphertext)
    for at in (start, start + 100, start + len(ciphertext) - 1, 12):
        changed = bytearray(message)
        changed[at] ^= 1
        raises(Rejected, OpenedReady, bytes(changed), COLLECTOR, IDENTITY[1])
    off_curve = bytearray(message)
    off_curve[-4] ^= 1
    raises(KeyInvalid, OpenedReady, bytes(off_curve), COLLECTOR, IDENTITY[1])


def test_a_collectors_key_off_the_curve_changes_nothing():
    flash, chain = _keychain()
    before = dict(flash.files)
    bad = COLLECTOR[1][:-1] + bytes((COLLECTOR[1][-1] ^ 1,))
    raises(KeyInvalid, chain.begin_rekey, DRBG, {labels.ROLE_COLLECTOR: bad})
    assert flash.files == before
