"""Padding of reports: every length rounds up to 32, and nothing but zeros may follow the map."""

from envelope import cbor, padding
from envelope.errors import Rejected


def _rejected(padded):
    try:
        padding.unpad(padded)
    except Rejected:
        return True
    return False


def test_reports_of_every_length_come_back():
    for size in range(100):
        payload = cbor.encode({1: bytes(size)})
        padded = padding.pad(payload)
        assert len(padded) % 32 == 0
        assert 0 <= len(padded) - len(payload) < 32
        assert padding.unpad(padded) == payload


def test_padding_of_another_form_is_rejected():
    payload = cbor.encode({1: 2})
    padded = padding.pad(payload)
    assert _rejected(payload)
    assert _rejected(padded[:-1])
    assert _rejected(padded + bytes(32))
    assert _rejected(padded[:-1] + b"\x01")
    assert _rejected(payload + b"\x01" + bytes(28))


def test_a_payload_that_is_no_map_is_rejected():
    assert _rejected(b"")
    assert _rejected(bytes(32))
    assert _rejected(padding.pad(cbor.encode([1])))
    assert _rejected(padding.pad(b"\xbf\xff"))
