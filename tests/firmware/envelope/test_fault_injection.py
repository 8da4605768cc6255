"""A flipped bit in any field operation never lets a signature, a public key or a shared secret out.

Every reduction modulo p or n goes through `p256.P`, `p256.N` or `p256.inverse`. The tests put stand-ins there that
flip one bit of one result: a first run counts the operations, then each of them is hit in a run of its own.
"""

from envelope import ecdh, ecdsa, p256
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
