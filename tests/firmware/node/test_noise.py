"""Discrete Laplace noise: the same integers on both interpreters, bounded whatever the random source does.

That it follows the law exactly is shown in tests/privacy.
"""

from array import array

from envelope.drbg import Drbg
from envelope.errors import FaultDetected
from node import noise

EPSILONS = (1, 123_457, 300_000, 500_000, 999_999, 1_000_000, 2_000_000, 20_000_000)

# Epsilon in millionths, the draws for the seed of 32 times "s". No standard has such vectors: CPython computed these
# once, and holds MicroPython's integers to them.
KNOWN = (
    (1, [-471888, 4520286, 263274, -141561, -2029440, -150382, 264196, -601607]),
    (300_000, [3, 13, 4, -16, 8, 5, -5, -3]),
    (500_000, [-5, 6, 0, 4, 2, 0, 0, -10]),
    (999_999, [4, 0, -2, 0, 0, 0, 1, -5]),
    (1_000_000, [-2, 0, -1, 0, 2, 0, 0, 0]),
    (2_000_000, [-1, 0, 0, 1, 0, 0, 0, 1]),
    (20_000_000, [0, 0, 0, 0, 0, 0, 0, 0]),
)


class Source:
    """A generator that repeats a pattern, and counts what it is asked for."""

    def __init__(self, pattern):
        self.pattern = pattern
        self.requests = 0

    def generate(self, n):
        self.requests += 1
        return (self.pattern * (n // len(self.pattern) + 1))[:n]


class Counting(Drbg):
    """The node's generator; requests are counted."""

    requests = 0

    def generate(self, n):
        self.requests += 1
        return super().generate(n)


def _refused(error, call, *arguments):
    try:
        call(*arguments)
    except error:
        return True
    return False


def test_draws_for_a_seed_are_known():
    for epsilon, draws in KNOWN:
        assert list(noise.predraw(Drbg(b"s" * 32), epsilon, 8)) == draws, epsilon


def test_one_call_gives_one_draw_per_cell():
    for count in (0, 1, 8, 96):
        drawn = noise.predraw(Drbg(b"s" * 32), 500_000, count)
        assert isinstance(drawn, array)
        assert len(drawn) == count
    drbg = Drbg(b"s" * 32)
    assert noise.predraw(drbg, 500_000, 8) != noise.predraw(drbg, 500_000, 8)


def test_random_bytes_are_asked_for_in_blocks():
    for epsilon in (500_000, 1_000_000, 2_000_000):
        drbg = Counting(b"s" * 32)
        for _ in range(50):
            noise.predraw(drbg, epsilon, 8)
        assert drbg.requests <= 60
    drbg = Counting(b"s" * 32)
    noise.predraw(drbg, 1_000_000, 0)
    assert drbg.requests == 0


def test_epsilons_out_of_range_are_refused_before_anything_is_drawn():
    source = Source(b"\x55")
    for epsilon in (0, -1, -500_000, 20_000_001, 1 << 40, 0.5, 1000000.0, "1", b"1", None):
        assert _refused(ValueError, noise.predraw, source, epsilon, 8), epsilon
    assert source.requests == 0


def test_spread_follows_epsilon():
    # The magnitudes' median is near ln 2 / epsilon; the limits are four standard deviations of 400 draws' median
    for epsilon, low, high in ((1, 500_000, 900_000), (10_000, 50, 90), (500_000, 1, 2), (20_000_000, 0, 0)):
        magnitudes = sorted(abs(value) for value in noise.predraw(Drbg(b"m" * 32), epsilon, 400))
        assert low <= magnitudes[200] <= high, epsilon
    assert max(noise.predraw(Drbg(b"m" * 32), 20_000_000, 400)) == 0


def test_the_law_holds_for_four_thousand_draws():
    # Expected at epsilon 1: 4000 * tanh(1/2) * exp(-|x|); the outer bins are the tails from 4 on
    expected = (53.5, 92.0, 250.2, 680.0, 1848.5, 680.0, 250.2, 92.0, 53.5)
    found = [0] * 9
    for value in noise.predraw(Drbg(b"l" * 32), 1_000_000, 4000):
        found[max(-4, min(4, value)) + 4] += 1
    chi_squared = sum((found[i] - expected[i]) ** 2 / expected[i] for i in range(9))
    assert chi_squared < 20.1, found  # 8 degrees of freedom: p = 0.01


def test_every_number_below_n_and_none_beyond():
    for n in (1, 2, 3, 7, 8, 255, 256, 257, 65_536, 65_537, 1_000_000, 1 << 24, 256_000_000):
        uniform = noise.Uniform(Drbg(b"u" * 32))
        numbers = [uniform.below(n) for _ in range(300)]
        assert min(numbers) >= 0
        assert max(numbers) < n
        if n <= 8:
            assert len(set(numbers)) == n
        elif n > 255:
            assert max(numbers) > n - n // 20
            assert min(numbers) < n // 20


def test_random_bytes_are_used_once_and_numbers_out_of_range_thrown_away():
    source = Source(bytes(range(128)))
    uniform = noise.Uniform(source)
    assert [uniform.below(3) for _ in range(6)] == [0, 1, 2, 0, 1, 2]  # bytes 0 to 6; the 3 does not fit
    assert uniform.below(65_536) == 0x0708
    assert uniform.below(1) == 0
    assert uniform.below(256) == 9
    for at in range(10, 128):
        assert uniform.below(128) == at
    assert source.requests == 1
    assert uniform.below(128) == 0
    assert source.requests == 2


def test_a_stuck_random_source_ends_in_an_error_after_bounded_work():
    for pattern in (b"\x00", b"\xff"):
        for epsilon in EPSILONS:
            source = Source(pattern)
            _refused(FaultDetected, noise.predraw, source, epsilon, 8)  # or some draws, where the pattern allows them
            assert source.requests <= 8 * 256 * 256 // 32
    assert _refused(FaultDetected, noise.predraw, Source(b"\x00"), 500_000, 1)
    assert _refused(FaultDetected, noise.predraw, Source(b"\xff"), 300_000, 1)
