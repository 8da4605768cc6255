"""The sketch of a window: how well it counts, how little it keeps, and that no two windows have anything in common."""

import gc
import math
import sys

from firmware.fakes import raises

from envelope.drbg import Drbg
from envelope.errors import FaultDetected
from envelope.labels import WITHHELD_BELOW_K, WITHHELD_BLIND, WITHHELD_BUDGET
from node import noise
from node.footfall import BITS, Footfall

K = 10
EPSILON = 500_000
NO_NOISE = 20_000_000  # the likeliest draw that is not 0 comes up once in 2^28
RANDOM = 1
PLANTED = bytes((0xDE, 0xC0, 0xDE, 0x12, 0x34, 0x56))


class Stuck:
    """A generator that repeats one byte."""

    def generate(self, n):
        return b"\xff" * n


def drbg(seed=b"f"):
    return Drbg(seed * 32)


def opened(epsilon=NO_NOISE, k=1, seed=b"f"):
    footfall = Footfall(k, epsilon)
    footfall.open(drbg(seed))
    return footfall


def address(number):
    return (number * 2654435761 + 77).to_bytes(8, "big")[2:]


def fill(footfall, count, first=0):
    for number in range(first, first + count):
        footfall.add(RANDOM, address(number))


def estimate(bits):
    """What the city does with the number of set bits."""
    return BITS * math.log(BITS / (BITS - bits))


def state(footfall):
    """Every byte that can be reached from the sketch, itself included."""
    found = b""
    for value in footfall.__dict__.values():
        if isinstance(value, (bytes, bytearray)):
            found += bytes(value)
        elif isinstance(value, (bool, int)):  # on MicroPython a bool is no int
            value = int(value)
            found += value.to_bytes(8, "big")
        elif value is not None:
            found += b"".join([(number & 0xFFFFFFFF).to_bytes(8, "big") for number in value])
    return found


def test_nobody_is_nobody():
    assert opened(k=0).release(True) == 0
    assert opened().release(True) == WITHHELD_BELOW_K


def test_an_address_counts_once_however_often_it_is_heard():
    footfall = opened()
    for _ in range(50):
        footfall.add(RANDOM, PLANTED)
    assert footfall.release(True) == 1


def test_type_and_address_are_both_who_it_is():
    # The same six bytes as a public and as a random address are two devices; with this salt they have two bits
    footfall = opened()
    footfall.add(0, PLANTED)
    footfall.add(1, PLANTED)
    footfall.add(1, memoryview(bytearray(PLANTED)))
    assert footfall.release(True) == 2


def test_the_estimate_is_near_the_truth():
    # Limits: four standard errors of linear counting, sqrt(m (e^t - t - 1)), t = n / m
    for count in (20, 100, 500, 1000, 2500):
        load = count / BITS
        limit = 4 * math.sqrt(BITS * (math.exp(load) - load - 1)) + 1
        for seed in (b"1", b"2", b"3"):
            footfall = opened(seed=seed)
            fill(footfall, count)
            assert abs(estimate(footfall.release(True)) - count) < limit, (count, seed)


def test_one_address_changes_at_most_one_bit():
    for number in range(40):
        without, with_one = opened(), opened()
        fill(without, 300)
        fill(with_one, 300)
        with_one.add(RANDOM, address(10_000 + number))
        assert with_one.release(True) - without.release(True) in (0, 1)


def test_a_flood_of_a_hundred_thousand_addresses_fills_the_sketch_and_nothing_else():
    footfall = opened()
    fill(footfall, 1000)
    size = len(state(footfall))
    if sys.implementation.name == "micropython":
        gc.collect()
        before = gc.mem_alloc()
    fill(footfall, 100_000)
    if sys.implementation.name == "micropython":
        gc.collect()
        assert gc.mem_alloc() - before < 200
    assert len(state(footfall)) == size
    assert footfall.release(True) == BITS


def test_it_takes_less_than_a_kilobyte():
    if sys.implementation.name != "micropython":
        return
    generator = drbg()
    gc.collect()
    before = gc.mem_alloc()
    footfall = Footfall(K, EPSILON)
    footfall.open(generator)
    gc.collect()
    assert gc.mem_alloc() - before < 1000, gc.mem_alloc() - before


def test_what_is_no_address_is_dropped():
    footfall = opened(k=0)
    for wrong in (b"", b"\x00", PLANTED[:5], PLANTED + b"\x00", bytes(1000)):
        footfall.add(RANDOM, wrong)
    assert len(state(footfall)) == len(state(opened()))
    assert footfall.release(True) == 0


def test_nothing_is_heard_while_no_window_is_open():
    footfall = Footfall(0, NO_NOISE)
    footfall.add(RANDOM, PLANTED)
    footfall.open(drbg())
    assert footfall.release(True) == 0
    footfall.add(RANDOM, PLANTED)
    footfall.open(drbg())
    assert footfall.release(True) == 0


def test_neither_address_nor_hash_can_be_reached():
    from hashlib import sha256

    footfall = opened()
    footfall.add(RANDOM, PLANTED)
    kept = state(footfall)
    device = bytes((RANDOM,)) + PLANTED
    salt = bytes(byte ^ 0x36 for byte in footfall._inner[:32])
    inner = sha256(bytes(footfall._inner) + device).digest()
    digests = [sha256(device).digest(), sha256(PLANTED).digest(), sha256(salt + device).digest(), inner]
    digests.append(sha256(bytes(footfall._outer) + inner).digest())
    for secret in [PLANTED, bytes(reversed(PLANTED))] + [digest[:4] for digest in digests]:
        assert secret not in kept
    # The last one is the HMAC: two of its bytes, and of these ten bits, said which bit to set
    assert footfall._sketch[digests[-1][0] >> 1] == 1 << (digests[-1][1] & 7)


def test_nothing_is_left_after_release():
    for granted in (True, False):
        footfall = opened(EPSILON, K)
        fill(footfall, 200)
        footfall.release(granted)
        # but k and epsilon
        assert not any(state(footfall).replace(K.to_bytes(8, "big"), b"").replace(EPSILON.to_bytes(8, "big"), b""))


def test_two_windows_have_nothing_in_common():
    generator = drbg()
    sketches, salts = [], []
    for _ in range(2):
        footfall = Footfall(1, NO_NOISE)
        footfall.open(generator)
        fill(footfall, 300)
        sketches.append(bytes(footfall._sketch))
        salts.append(bytes(footfall._inner))
    assert salts[0] != salts[1]
    # The same 300 devices: two sketches with about 260 bits each share what chance shares, 260^2 / 1024
    shared = sum(bin(a & b).count("1") for a, b in zip(sketches[0], sketches[1]))  # noqa: B905 (MicroPython)
    expected = sum(bin(a).count("1") for a in sketches[0]) * sum(bin(b).count("1") for b in sketches[1]) / BITS
    assert abs(shared - expected) < 40, (shared, expected)
    # and an address is at another place in each, but for one in 1024
    moved = 0
    for number in range(50):
        places = []
        for _ in range(2):
            footfall = Footfall(1, NO_NOISE)
            footfall.open(generator)
            footfall.add(RANDOM, address(number))
            places.append(bytes(footfall._sketch))
        moved += places[0] != places[1]
    assert moved >= 48


def test_opening_anew_drops_what_was_there():
    footfall = opened(k=0)
    fill(footfall, 100)
    footfall.withheld = WITHHELD_BLIND
    footfall.open(drbg())
    assert footfall.cost() == NO_NOISE
    assert footfall.release(True) == 0


def test_the_noise_is_the_one_of_noise_py_drawn_at_opening():
    draws = noise.predraw(drbg(), EPSILON, 1)
    footfall = opened(EPSILON)
    fill(footfall, 300)
    plain = opened()
    plain._inner[:], plain._outer[:] = footfall._inner, footfall._outer
    fill(plain, 300)
    assert footfall.release(True) == plain.release(True) + draws[0]


def test_noised_numbers_follow_the_law():
    # Expected of 1500 draws at epsilon 0.5: tanh(1/4) e^(-|x|/2); the outer bins are the tails from 5 on
    generator = drbg(b"l")
    found = [0] * 11
    windows = 1500
    for _ in range(windows):
        footfall = Footfall(-1000, EPSILON)
        footfall.open(generator)
        footfall.add(RANDOM, PLANTED)
        found[max(-5, min(5, footfall.release(True) - 1)) + 5] += 1
    one = math.tanh(0.25)
    expected = [windows * one * math.exp(-abs(x) / 2) for x in range(-5, 6)]
    expected[0] = expected[10] = windows * one * math.exp(-2.5) / (1 - math.exp(-0.5))
    chi_squared = sum((found[i] - expected[i]) ** 2 / expected[i] for i in range(11))
    assert chi_squared < 23.3, found  # 10 degrees of freedom: p = 0.01


def test_k_holds_for_the_noised_number():
    generator = drbg(b"k")
    seen = set()
    for _ in range(300):
        footfall = Footfall(K, 1_000_000)
        footfall.open(generator)
        fill(footfall, K)
        seen.add(footfall.release(True))
    assert WITHHELD_BELOW_K in seen
    assert max(seen) > K
    assert all(count >= K or count == WITHHELD_BELOW_K for count in seen)


def test_what_costs_nothing_says_nothing():
    assert Footfall(K, EPSILON).cost() == 0
    assert Footfall(K, EPSILON).release(True) == WITHHELD_BUDGET
    footfall = opened(EPSILON, K)
    assert footfall.cost() == EPSILON
    footfall.withheld = WITHHELD_BLIND
    assert footfall.cost() == 0
    fill(footfall, 100)
    assert footfall.release(True) == WITHHELD_BLIND
    refused = opened(EPSILON, K)
    fill(refused, 100)
    assert refused.release(False) == WITHHELD_BUDGET


def test_released_once():
    footfall = opened()
    fill(footfall, 100)
    assert footfall.release(True) > 0
    assert footfall.release(True) == WITHHELD_BUDGET


def test_a_stuck_random_source_leaves_it_closed():
    footfall = Footfall(K, 300_000)
    raises(FaultDetected, footfall.open, Stuck())
    fill(footfall, 100)
    assert footfall.cost() == 0
    assert footfall.release(True) == WITHHELD_BUDGET
