"""P-256: the group law with its exceptional cases, point validation, and the comb against plain double-and-add."""

from firmware import comb_tables

from envelope import p256, p256_comb, p256_point
from envelope.drbg import Drbg
from envelope.errors import KeyInvalid
from envelope.p256_table import GENERATOR

_EDGES = [1, 2, 3, 1 << 255, 1 << 128, (1 << 128) - 1]
_G = (p256.G[0], p256.G[1], 1, 1)
# 2G and 3G as any P-256 implementation gives them.
_2G = (
    0x7CF27B188D034F7E8A52380304B51AC3C08969E277F21B35A60B48FC47669978,
    0x07775510DB8ED040293D9AC69F7430DBBA7DADE63CE982299E04B79D227873D1,
)
_3G = (
    0x5ECBE4D1A6330A44C8F7EF951D4BF165E6C6B721EFADA985FB41661BC6E7FD6C,
    0x8734640C4998FF7E374B06CE1A64A2ECD82AB036384FB83D9A79B127A27D5032,
)


def _numbers(count, limit):
    generator = Drbg(b"numbers for the tests of p256....")
    return [int.from_bytes(generator.generate(40), "big") % limit for _ in range(count)]


def _double_and_add(scalar, x, y):
    point = p256.INFINITY
    for bit in range(255, -1, -1):
        point = p256.double(point)
        if scalar >> bit & 1:
            point = p256.add(point, x, y)
    return point


def _same(point, other):
    if not point[2] or not other[2]:
        return not point[2] and not other[2]
    return p256.affine(point) == p256.affine(other)


def _invalid(public):
    try:
        p256.decode(public)
    except KeyInvalid:
        return True
    return False


def test_small_multiples_of_the_generator():
    assert p256.affine(p256.double(_G)) == _2G
    assert p256.affine(p256.add(p256.double(_G), *p256.G)) == _3G
    assert p256.affine(p256.add(_G, *_2G)) == _3G


def test_exceptional_additions():
    x, y = p256.G
    assert p256.affine(p256.add(_G, x, y)) == _2G
    assert p256.add(_G, x, p256.P - y)[2] == 0
    assert p256.affine(p256.add(p256.INFINITY, x, y)) == p256.G
    assert p256.double(p256.INFINITY)[2] == 0


def test_order_times_the_generator_is_infinity():
    assert _double_and_add(p256.N, *p256.G)[2] == 0
    assert p256.affine(_double_and_add(p256.N - 1, *p256.G)) == (p256.G[0], p256.P - p256.G[1])


def test_inverse():
    for modulus in (p256.P, p256.N):
        for a in _EDGES + [modulus - 1, modulus - 2] + _numbers(60, modulus):  # noqa: RUF005 (MicroPython has no [*a])
            inverse = p256.inverse(a, modulus)
            assert 0 < inverse < modulus
            assert a * inverse % modulus == 1
        assert p256.inverse(0, modulus) == 0
        assert p256.inverse(modulus + 2, modulus) == p256.inverse(2, modulus)


def test_inverse_at_every_bit_length():
    for bits in range(1, 257):
        for a in ((1 << bits) - 1, 1 << bits - 1, (1 << bits) // 3 | 1):
            a %= p256.N
            assert a * p256.inverse(a, p256.N) % p256.N == 1


def test_the_generator_table_is_the_comb_of_the_generator():
    assert comb_tables.tables(*p256.G, 4) == comb_tables.content(GENERATOR)


def test_no_two_points_of_the_generator_comb_are_equal_or_opposite():
    xs = {table[at : at + 32] for table in comb_tables.content(GENERATOR) for at in range(0, len(table), 64)}
    assert len(xs) == 4 * 64


def test_a_comb_of_any_number_of_tables_agrees_with_double_and_add():
    scalars = [1, 2, p256.N - 1, p256.N - 2, 1 << 255, (1 << 256) - (1 << 224)]
    for count in (1, 2, 4):
        tables = comb_tables.comb(*_3G, count)
        assert [len(table) for table in tables] == [4096] * count
        for scalar in scalars + _numbers(4, p256.N):
            expected = _double_and_add(scalar % p256.N, *_3G)
            assert _same(p256_comb.multiply(((p256_comb.blinded(scalar, 0), tables),)), expected)


def test_a_heap_in_pieces_has_room_for_one_entry_at_a_time():
    (scalar,) = _numbers(1, p256.N)
    whole = p256_comb.multiply(((p256_comb.blinded(scalar, 0), GENERATOR),))
    room = p256_comb._room
    p256_comb._room = lambda: memoryview(bytearray(64))
    try:
        assert p256_comb.multiply(((p256_comb.blinded(scalar, 0), GENERATOR),)) == whole
    finally:
        p256_comb._room = room


def test_tables_are_read_from_end_to_end_whatever_the_scalar():
    for scalar in [1, p256.N - 1] + _numbers(2, p256.N):  # noqa: RUF005 (MicroPython has no [*a])
        read = []
        comb = [Watched(table, read) for table in GENERATOR]
        p256_comb.multiply(((p256_comb.blinded(scalar, 0), comb),))
        assert read == [(0, 4096)] * 4


class Watched:
    """A table that tells what is read of it."""

    def __init__(self, table, read):
        self._table = table
        self._read = read

    def read(self, start, target):
        self._read.append((start, len(target)))
        self._table.read(start, target)


def test_blinding_changes_the_way_and_not_the_result():
    (scalar,) = _numbers(1, p256.N)
    plain = p256_comb.multiply(((p256_comb.blinded(scalar, 0), GENERATOR),))
    for blind in (1, 0x7F, 0xFF, 0x12345678):
        blinded_scalar = p256_comb.blinded(scalar, blind)
        assert blinded_scalar & 1
        assert blinded_scalar % p256.N == scalar
        stretched = p256_comb.multiply(((blinded_scalar, GENERATOR),), 0x1234567 + blind)
        assert stretched[0] != plain[0]
        assert _same(stretched, plain)
    assert p256_comb.blinded(p256.N - 1, 0xFFFFFFFF) < (1 << 280) - 1


def test_sums_of_two_combs_with_their_exceptional_cases():
    tables = comb_tables.comb(*_2G, 2)
    for u1, u2 in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, p256.N - 1), (p256.N - 2, 1), (4, p256.N - 2)):
        total = (u1 + 2 * u2) % p256.N
        point = p256_comb.multiply(((p256_comb.blinded(u1, 0), GENERATOR), (p256_comb.blinded(u2, 0), tables)))
        assert _same(point, _double_and_add(total, *p256.G))


def test_a_point_met_once_agrees_with_double_and_add():
    scalars = [0, 1, 2, 3, 15, 16, 17, p256.N - 1, p256.N - 2, 1 << 255, (1 << 256) - (1 << 224)]
    for scalar in scalars + _numbers(4, p256.N):
        expected = _double_and_add(scalar % p256.N, *_3G)
        assert _same(p256_point.multiply(p256_comb.blinded(scalar, 0), *_3G), expected)
        stretched = p256_point.multiply(p256_comb.blinded(scalar, 0x12345678), *_3G, 0x1234567)
        assert _same(stretched, expected)
        plain = p256_point.multiply(p256_comb.blinded(scalar, 0x12345678), *_3G)
        # A sum that comes to infinity on its way forgets the stretch: a few scalars of 2^256 only
        assert plain[0] != stretched[0] or not 15 < scalar < p256.N - 15


def test_public_keys_are_validated_in_full():
    x, y = p256.G
    public = p256.encode(x, y)
    assert len(public) == 65
    assert p256.decode(public) == p256.G
    assert p256.decode(memoryview(public)) == p256.G
    assert _invalid(b"")
    assert _invalid(public[:64])
    assert _invalid(public + b"\x00")
    assert _invalid(b"\x02" + public[1:33])
    assert _invalid(b"\x06" + public[1:])
    assert _invalid(bytes(65))
    assert _invalid(b"\x04" + bytes(64))
    assert _invalid(p256.encode(x, y ^ 1))
    # x = 5 is on the curve, and so would be 5 + p: a coordinate that is not reduced is refused.
    y5 = 0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC
    assert not _invalid(p256.encode(5, y5))
    assert _invalid(p256.encode(5 + p256.P, y5))


def test_private_keys_outside_their_range_are_refused():
    for private in (bytes(32), p256.N.to_bytes(32, "big"), b"\xff" * 32, b"\x01" * 31, b"\x01" * 33):
        try:
            p256.decode_private(private)
        except KeyInvalid:
            continue
        raise AssertionError(private)
    assert p256.decode_private((p256.N - 1).to_bytes(32, "big")) == p256.N - 1
