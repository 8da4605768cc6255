"""Keys, enrolment and randomness: nothing half-made after a power cut, nothing drawn twice after a reboot."""

from firmware.fakes import Flash, PowerCut, raises

from envelope import keys
from node import keystore
from node.errors import Unprovisioned
from node.keystore import Secrets
from node.randomness import Randomness

SECRETS = Secrets(bytes(range(32)), b"\x04" + bytes(64), b"\x04" + b"\x01" * 64, 1, b"\x07" * 32)


def _same(one, two):
    return all(getattr(one, name) == getattr(two, name) for name in ("private", "public", "collector", "epoch", "root"))


def test_pending_secrets_are_not_the_nodes_until_committed():
    flash = Flash()
    keystore.save_pending(flash, SECRETS)
    raises(Unprovisioned, keystore.load, flash)
    assert _same(keystore.load_pending(flash), SECRETS)
    keystore.commit(flash)
    assert _same(keystore.load(flash), SECRETS)
    assert keystore.load_pending(flash) is None


def test_a_power_cut_during_enrolment_leaves_the_old_secrets_or_the_new():
    new = Secrets(bytes(32), b"\x04" + b"\x02" * 64, SECRETS.collector, 1, b"\x08" * 32)
    for cut in range(4):
        flash = Flash()
        keystore.save_pending(flash, SECRETS)
        keystore.commit(flash)
        flash.cut_after(cut)
        try:
            keystore.save_pending(flash, new)
            keystore.commit(flash)
        except PowerCut:
            pass
        flash.power_on()
        now = keystore.load(flash)
        assert _same(now, SECRETS) or _same(now, new)


def test_damaged_secrets_are_no_secrets():
    flash = Flash()
    keystore.save_pending(flash, SECRETS)
    keystore.commit(flash)
    path = keystore.FOLDER + "/keys"
    good = flash.files[path]
    for i in range(len(good)):
        damaged = bytearray(good)
        damaged[i] ^= 1
        flash.files[path] = bytes(damaged)
        raises(Unprovisioned, keystore.load, flash)
    for cut in range(0, len(good), 5):
        flash.files[path] = good[:cut]
        raises(Unprovisioned, keystore.load, flash)


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
