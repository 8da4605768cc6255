"""ECDSA: signatures that verify, that are low, that differ every time, and everything verification refuses."""

from binascii import unhexlify

from firmware import comb_tables

from envelope import ecdsa, p256
from envelope.drbg import Drbg
from envelope.errors import KeyInvalid


class _Silence:
    """A generator that gives zero bytes only: hedging then has to rest on RFC 6979 alone."""

    def generate(self, n):
        return bytes(n)


def _key():
    generator = Drbg(b"a generator for the ecdsa tests..")
    private, public = ecdsa.make_key(generator)
    return generator, private, public


def test_signatures_verify_and_are_low():
    generator, private, public = _key()
    verifier = ecdsa.Verifier(public)
    for size in (0, 1, 55, 56, 64, 200):
        message = bytes(range(size))
        signature = ecdsa.sign(private, message, generator)
        assert len(signature) == 64
        assert ecdsa.is_low(signature)
        assert verifier.verify(message, signature)
        assert not verifier.verify(message + b"\x00", signature)
    assert ecdsa.verify(public, message, signature)


def test_the_high_form_of_a_signature_verifies_but_is_not_low():
    generator, private, public = _key()
    signature = ecdsa.sign(private, b"m", generator)
    high = signature[:32] + (p256.N - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    assert ecdsa.verify(public, b"m", high)
    assert not ecdsa.is_low(high)


def test_two_signatures_of_one_message_differ():
    generator, private, _ = _key()
    assert ecdsa.sign(private, b"m", generator)[:32] != ecdsa.sign(private, b"m", generator)[:32]


def test_a_dead_generator_repeats_no_nonce_over_two_messages():
    _, private, public = _key()
    first = ecdsa.sign(private, b"one", _Silence())
    second = ecdsa.sign(private, b"two", _Silence())
    assert first[:32] != second[:32]
    assert ecdsa.verify(public, b"one", first)
    assert ecdsa.verify(public, b"two", second)


def test_rfc6979_signature_vectors():
    # RFC 6979 appendix A.2.5, P-256 with SHA-256; s of "sample" is high there, ours is n - s.
    private = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    public = unhexlify(
        "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    )
    for message, nonce, r, s in (
        (
            b"sample",
            0xA6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60,
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            b"test",
            0xD16B6AE827F17175E040871A1C7EC3500192C4C92677336EC2537ACAEE0008E0,
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ),
    ):
        z = int.from_bytes(ecdsa.sha256(message).digest(), "big")
        signature = ecdsa._sign_with(nonce, private, z, b"some blinds, 68 bytes of them" * 3)
        low = min(int.from_bytes(unhexlify(s), "big"), p256.N - int.from_bytes(unhexlify(s), "big"))
        assert signature == unhexlify(r) + low.to_bytes(32, "big")
        assert ecdsa.verify(public, message, unhexlify(r + s))
    assert ecdsa.public_key(private.to_bytes(32, "big"), _Silence()) == public


def test_malformed_signatures_and_keys_do_not_verify():
    generator, private, public = _key()
    signature = ecdsa.sign(private, b"m", generator)
    n = p256.N.to_bytes(32, "big")
    for wrong in (
        b"",
        signature[:63],
        signature + b"\x00",
        bytes(64),
        bytes(32) + signature[32:],
        signature[:32] + bytes(32),
        n + signature[32:],
        signature[:32] + n,
        b"\xff" * 64,
        signature[32:] + signature[:32],
    ):
        assert not ecdsa.verify(public, b"m", wrong)
    assert not ecdsa.verify(public[:64], b"m", signature)
    assert not ecdsa.verify(public[:64] + bytes((public[64] ^ 1,)), b"m", signature)


def test_every_flipped_bit_of_a_signature_is_noticed():
    generator, private, public = _key()
    verifier = ecdsa.Verifier(public)
    signature = ecdsa.sign(private, b"m", generator)
    for at in range(0, 512, 3):
        flipped = bytearray(signature)
        flipped[at >> 3] ^= 1 << (at & 7)
        assert not verifier.verify(b"m", bytes(flipped))


def test_private_keys_out_of_range_sign_nothing():
    for private in (bytes(32), p256.N.to_bytes(32, "big"), b"short"):
        try:
            ecdsa.sign(private, b"m", _Silence())
        except KeyInvalid:
            continue
        raise AssertionError(private)


def test_made_keys_differ_and_match_their_public_key():
    generator, private, public = _key()
    other_private, other_public = ecdsa.make_key(generator)
    assert private != other_private
    assert public != other_public
    assert ecdsa.public_key(private, generator) == public


def test_a_check_with_the_keys_comb_says_the_same():
    generator, private, public = _key()
    verifier = ecdsa.Verifier(public, comb_tables.comb(*p256.decode(public), 2))
    for size in (0, 1, 200):
        message = bytes(range(size))
        signature = ecdsa.sign(private, message, generator)
        assert verifier.verify(message, signature)
        assert not verifier.verify(message + b"!", signature)
        for bit in range(0, 512, 41):
            changed = bytearray(signature)
            changed[bit >> 3] ^= 1 << (bit & 7)
            assert not verifier.verify(message, bytes(changed))
    other = ecdsa.make_key(generator)[0]
    assert not verifier.verify(message, ecdsa.sign(other, message, generator))


def test_a_wrong_comb_does_no_harm():
    generator, private, public = _key()
    signature = ecdsa.sign(private, b"m", generator)
    first, second = comb_tables.tables(*p256.decode(public), 2)
    wrong = first[64:] + first[:64]
    for comb in ((wrong, second), (bytes(4096), b"\xff" * 4096), (second, first), comb_tables.tables(*p256.G, 2)):
        verifier = ecdsa.Verifier(public, comb_tables.of(comb))
        assert verifier.verify(b"m", signature)
        assert not verifier.verify(b"n", signature)
