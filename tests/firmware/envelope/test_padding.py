"""Padding: every length rounds up to 32, or to 128 where asked for; nothing but zeros may follow the map."""

from envelope import cbor, padding
from envelope.errors import Rejected


def _rejected(padded):
    try:
        padding.unpad(padded)
    except Rejected:
        return True
    return False


def test_payloads_of_every_length_come_back():
    for size in range(180):
        payload = cbor.encode({1: bytes(size)})
        padded = padding.pad(payload)
        assert len(padded) % 32 == 0
        assert 0 <= len(padded) - len(payload) < 32
        assert padding.unpad(padded) == payload


def test_the_least_length_is_held_and_only_it():
    for size in range(180):
        payload = cbor.encode({1: bytes(size)})
        padded = padding.pad(payload, 128)
        assert len(padded) == max(128, len(padding.pad(payload)))
        assert padding.unpad(padded) == payload


def test_padding_of_another_form_is_rejected():
    payload = cbor.encode({1: 2})
    padded = padding.pad(payload)
    assert _rejected(payload)
    assert _rejected(padded[:-1])
    assert _rejected(padded + bytes(32))
    assert _rejected(padded[:-1] + b"\x01")
    assert _rejected(payload + b"\x01" + bytes(28))
    # 64 and 96 bytes could have been 32; 160 could have been 128 or less
    for size in range(32, 300):
        long = payload + bytes(size - len(payload))
        assert _rejected(long) == (size not in (32, 128)), size
    assert _rejected(padding.pad(payload, 128)[:-1] + b"\x01")
    assert _rejected(padding.pad(cbor.encode({1: bytes(100)}), 128) + bytes(32))


def test_a_payload_that_is_no_map_is_rejected():
    assert _rejected(b"")
    assert _rejected(bytes(32))
    assert _rejected(padding.pad(cbor.encode([1])))
    assert _rejected(padding.pad(b"\xbf\xff"))
