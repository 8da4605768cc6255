"""CBOR: what the profile writes, and everything it refuses to read."""

from binascii import unhexlify

from envelope import cbor
from envelope.errors import CborError


def _refused(raw, **limits):
    try:
        cbor.decode(raw, **limits)
    except CborError:
        return True
    return False


def _unencodable(obj):
    try:
        cbor.encode(obj)
    except CborError:
        return True
    return False


def test_integers_take_the_shortest_form():
    for value, expected in (
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (255, "18ff"),
        (256, "190100"),
        (65535, "19ffff"),
        (65536, "1a00010000"),
        (0xFFFFFFFF, "1affffffff"),
        (1 << 32, "1b0000000100000000"),
        ((1 << 64) - 1, "1bffffffffffffffff"),
        (-1, "20"),
        (-24, "37"),
        (-25, "3818"),
        (-(1 << 64), "3bffffffffffffffff"),
    ):
        assert cbor.encode(value) == unhexlify(expected)
        assert cbor.decode(unhexlify(expected)) == value


def test_longer_forms_of_a_number_are_refused():
    for raw in (
        "1800",
        "1817",
        "190017",
        "1900ff",
        "1a0000ffff",
        "1b00000000ffffffff",
        "3817",
        "5800",
        "7801ff",
        "9800",
    ):
        assert _refused(unhexlify(raw))


def test_values_that_equal_each_other_in_python_keep_their_cbor_type():
    assert cbor.encode(False) == b"\xf4"
    assert cbor.encode(True) == b"\xf5"
    assert cbor.encode(None) == b"\xf6"
    assert cbor.encode(0) == b"\x00"
    assert cbor.decode(b"\xf4") is False
    assert cbor.decode(b"\xf5") is True
    assert cbor.decode(b"\xf6") is None


def test_map_keys_are_sorted_by_their_encoding():
    pairs = {"aa": 1, 100: 2, -1: 3, 10: 4, "z": 6}
    raw = cbor.encode(pairs)
    assert raw == unhexlify("a5" + "0a04" + "186402" + "2003" + "617a06" + "62616101")
    assert cbor.decode(raw) == pairs


def test_map_keys_out_of_order_or_twice_are_refused():
    assert _refused(unhexlify("a202010100"))
    assert _refused(unhexlify("a201010102"))
    assert not _refused(unhexlify("a201010200"))


def test_map_keys_of_other_types_are_refused():
    for raw in ("a1f500", "a1416100", "a18000", "a1a000", "a1f600"):
        assert _refused(unhexlify(raw))
    assert _unencodable({True: 1})
    assert _unencodable({None: 1})
    assert _unencodable({b"a": 1})
    assert _unencodable({(1, 2): 1})


def test_indefinite_lengths_floats_and_other_simple_values_are_refused():
    for raw in ("5f4101ff", "7f6161ff", "9f01ff", "bf0101ff", "f93c00", "fa3f800000", "fb3ff0000000000000", "ff"):
        assert _refused(unhexlify(raw))
    for raw in ("e0", "f0", "f3", "f7", "f820", "f818", "1c", "1d", "1e", "1f", "3c", "5c", "fc"):
        assert _refused(unhexlify(raw))


def test_truncated_items_are_refused():
    whole = cbor.encode({1: b"abc", 2: [1, 2, "text", -500], 3: None})
    for size in range(len(whole)):
        assert _refused(whole[:size])
    assert not _refused(whole)


def test_bytes_after_the_item_are_refused_unless_a_sequence_is_read():
    assert _refused(b"\x01\x00")
    assert cbor.decode_first(b"\x01\x00") == (1, 1)
    assert cbor.decode_first(cbor.encode({1: 2}) + bytes(29)) == ({1: 2}, 3)


def test_announced_sizes_beyond_the_buffer_are_refused_before_anything_is_allocated():
    for raw in (
        "5bffffffffffffffff",
        "7a7fffffff00",
        "9bffffffffffffffff",
        "bbffffffffffffffff",
        "9affffffff",
        "ba7fffffff00",
    ):
        assert _refused(unhexlify(raw))


def test_depth_items_and_length_are_bounded():
    nested = 0
    for _ in range(7):
        nested = [nested]
    assert cbor.decode(cbor.encode(nested)) == nested
    assert _refused(cbor.encode([nested]), max_depth=7)
    assert _refused(cbor.encode([[nested]]))
    assert _refused(b"\x81" * 3000 + b"\x00")
    assert not _refused(cbor.encode([0] * 511))
    assert _refused(cbor.encode([0] * 512))
    assert _refused(cbor.encode(bytes(4096)))
    assert not _refused(cbor.encode(bytes(4096)), max_bytes=5000)


def test_tags_are_refused_unless_expected():
    raw = cbor.encode(cbor.Tag(18, [1]))
    assert raw == unhexlify("d28101")
    assert _refused(raw)
    assert _refused(raw, tags=(16,))
    assert cbor.decode(raw, tags=(16, 18)) == cbor.Tag(18, [1])
    assert cbor.Tag(18, 1) != cbor.Tag(16, 1)


def test_text_has_to_be_utf8():
    assert cbor.decode(cbor.encode("zoë")) == "zoë"
    assert _refused(unhexlify("61ff"))
    assert _refused(unhexlify("62c328"))


def test_buffers_may_be_memoryviews_and_strings_come_out_as_copies():
    buffer = bytearray(cbor.encode([b"abc", "d"]))
    decoded = cbor.decode(memoryview(buffer))
    buffer[2] = 0
    assert decoded == [b"abc", "d"]
    assert isinstance(decoded[0], bytes)
    assert cbor.encode(bytearray(b"abc")) == cbor.encode(memoryview(b"abc")) == cbor.encode(b"abc")


def test_what_the_profile_has_no_place_for_is_not_encoded():
    for obj in (1.5, 1 << 64, -(1 << 64) - 1, {1, 2}, object()):
        assert _unencodable(obj)
