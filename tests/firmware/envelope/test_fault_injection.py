"""A flipped bit in any field operation, scalar, digit or table never lets a signature, public key or secret out.

Every reduction modulo p or n goes through `p256.P`, `p256.N` or `p256.inverse`. The tests put stand-ins there that
flip one bit of one result: a first run counts the operations, then each of them is hit in a run of its own.
What a multiplication is made of (blinded scalar, its digits, tables) is flipped where it is made.
"""

from firmware import comb_tables

from envelope import ecdh, ecdsa, p256, p256_comb, p256_point, p256_portable
from envelope.drbg import Drbg
from envelope.errors import FaultDetected, KeyInvalid

_PRIVATE = b"\x5a" * 32


class _Faulty:
    """Stands in for a modulus; flips a bit of the `strike`th result it has a part in."""

    def __init__(self, value):
        self.value = value
        self.taken = 0
        self.strike = 0

    def result(self, good):
        self.taken += 1
        return good ^ 1 << self.strike * 37 % 256 if self.taken == self.strike else good

    def __rmod__(self, number):
        return self.result(number % self.value)

    def __sub__(self, number):
        return self.value - number

    def __add__(self, number):
        return self.value + number

    def __radd__(self, number):
        return number + self.value

    def __rmul__(self, number):
        return number * self.value

    def __rshift__(self, bits):
        return self.value >> bits

    def __gt__(self, number):
        return self.value > number

    def __le__(self, number):
        return self.value <= number


class _Seam:
    """Puts stand-ins for P, N and inverse in place, and the originals back."""

    def __init__(self, name):
        self.originals = p256.P, p256.N, p256.inverse
        self.moduli = {"P": _Faulty(p256.P), "N": _Faulty(p256.N)}
        self.hit = self.moduli[name]

    def inverse(self, a, modulus):
        return modulus.result(self.originals[2](a, modulus.value))

    def __enter__(self):
        p256.P, p256.N, p256.inverse = self.moduli["P"], self.moduli["N"], self.inverse
        return self.hit

    def __exit__(self, *_):
        p256.P, p256.N, p256.inverse = self.originals


def _survey(run, name, step=1):
    """Hit every `step`th operation modulo `name`; return (operations hit, results that came out all the same)."""
    good = run()
    with _Seam(name) as modulus:
        assert run() == good
        operations = modulus.taken
    let_out = []
    for strike in range(1, operations + 1, step):
        with _Seam(name) as modulus:
            modulus.strike = strike
            try:
                let_out.append(run())
            except (FaultDetected, KeyInvalid):
                continue
    return operations, [result for result in let_out if result != good], len(let_out)


def _wrong(run, module, name, stand_ins):
    """How often `run` let something wrong out, and how often it noticed, with each stand-in for module.name."""
    good, real = run(), getattr(module, name)
    wrong = noticed = 0
    for stand_in in stand_ins:
        setattr(module, name, stand_in)
        try:
            wrong += run() != good
        except FaultDetected:
            noticed += 1
        finally:
            setattr(module, name, real)
    return wrong, noticed


def _flipped(data, bit):
    data = bytearray(data)
    data[bit >> 3] ^= 1 << (bit & 7)
    return bytes(data)


def _flipped_table(comb, bit):
    """The comb with one bit of its 64-byte entries changed: bit // 512 is the entry, over all tables."""
    comb = list(comb)
    table, bit = divmod(bit, 8 * len(comb[0]))
    comb[table] = _flipped(comb[table], bit)
    return comb_tables.of(comb)


def _drbg():
    return Drbg(b"the same randomness in every run.")


def _sign():
    return ecdsa.sign(_PRIVATE, b"message", _drbg())


def _public_key():
    return ecdsa.public_key(_PRIVATE, _drbg())


def _agree():
    return ecdh.agree(_PRIVATE, p256.encode(*p256.G), _drbg())


def test_faults_modulo_p_let_no_wrong_signature_out():
    operations, wrong, let_out = _survey(_sign, "P")
    assert operations > 350
    assert not wrong
    # Only the random stretch may be hit without harm: another random number is as good.
    assert let_out <= 1


def test_faults_modulo_n_let_no_wrong_signature_out():
    operations, wrong, let_out = _survey(_sign, "N")
    assert operations >= 8
    # Two values may be hit without harm: the hash that seeds the nonce (another nonce, a good signature) and the
    # factor that blinds the inversion.
    public = _public_key()
    assert len(wrong) <= 1
    assert all(ecdsa.verify(public, b"message", signature) for signature in wrong)
    assert let_out <= 2


def test_faults_let_no_wrong_public_key_out():
    operations, wrong, let_out = _survey(_public_key, "P")
    assert operations > 350
    assert not wrong
    assert let_out <= 1


def test_faults_let_no_wrong_shared_secret_out():
    operations, wrong, _ = _survey(_agree, "P", 5)
    assert operations > 2500
    assert not wrong


def _digits_flipped(module, bits):
    """Stand-ins for module._digits that flip a bit each."""
    real = module._digits
    for bit in bits:
        yield lambda scalar, bit=bit: _flipped(real(scalar), bit)


def test_faults_in_digits_let_nothing_out():
    bits = [bit for bit in range(320) if bit & 7 != 7]  # there are seven teeth
    assert _wrong(_sign, p256_comb, "_digits", _digits_flipped(p256_comb, bits)) == (0, 280)
    assert _wrong(_public_key, p256_comb, "_digits", _digits_flipped(p256_comb, bits[::5])) == (0, 56)
    bits = range(0, 280, 3)
    assert _wrong(_agree, p256_point, "_digits", _digits_flipped(p256_point, bits)) == (0, len(bits))
    assert _wrong(_agree, p256_point, "_digits", _digits_flipped(p256_point, range(272, 280))) == (0, 8)


def test_faults_in_the_digits_of_a_check_are_noticed():
    signature, public = _sign(), _public_key()
    comb = comb_tables.comb(*p256.decode(public), 2)
    for verifier, module in (
        (ecdsa.Verifier(public, comb), p256_comb),
        (ecdsa.Verifier(public), p256_comb),
        (ecdsa.Verifier(public), p256_point),
    ):
        flipped = _digits_flipped(module, range(1, 280, 40))
        assert _wrong(lambda verifier=verifier: verifier.verify(b"message", signature), module, "_digits", flipped) == (
            0,
            7,
        )


def test_a_bit_that_no_tooth_reads_does_no_harm():
    real = p256_comb._digits
    stand_ins = [lambda scalar, bit=bit: _flipped(real(scalar), bit) for bit in range(7, 320, 32)]
    assert _wrong(_sign, p256_comb, "_digits", stand_ins) == (0, 0)


def test_faults_in_a_blinded_scalar_let_nothing_out():
    real = p256_comb.blinded

    def flipped(step):
        for bit in range(1, 280, step):  # the lowest one makes it even, which no digits are
            yield lambda scalar, blind, bit=bit: real(scalar, blind) ^ 1 << bit

    assert _wrong(_sign, p256_comb, "blinded", flipped(3)) == (0, 93)
    assert _wrong(_public_key, p256_comb, "blinded", flipped(11)) == (0, 26)
    assert _wrong(_agree, p256_comb, "blinded", flipped(61)) == (0, 5)
    even = [lambda scalar, blind: real(scalar, blind) ^ 1]
    assert _wrong(_sign, p256_comb, "blinded", even) == (0, 1)


def test_faults_in_the_generators_tables_let_nothing_out():
    """A changed entry is a point of another curve, and so is every sum with it: no look at the table is needed."""
    real = comb_tables.content(p256_portable.GENERATOR)
    stand_ins = [_flipped_table(real, entry * 512 + entry * 37 % 512) for entry in range(256)]
    wrong, noticed = _wrong(_sign, p256_portable, "GENERATOR", stand_ins)
    assert wrong == 0
    assert noticed >= 20  # of every table ten entries are read, some of them twice


def test_faults_in_a_peers_table_let_nothing_out():
    """Of the eight multiples, each is used: 70 columns meet all of them."""
    real = p256.all_affine

    def flipped(entry, bit):
        def all_affine(points):
            table = real(points)
            x, y = table[entry]
            table[entry] = (x ^ 1 << bit, y) if bit < 256 else (x, y ^ 1 << bit - 256)
            return table

        return all_affine

    stand_ins = [flipped(entry, bit) for entry in range(8) for bit in range(entry, 512, 61)]
    assert _wrong(_agree, p256, "all_affine", stand_ins) == (0, len(stand_ins))
