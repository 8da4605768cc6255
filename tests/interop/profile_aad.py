"""What profile hadeda-1 binds in each layer, and its fixed headers, written down once more from its description."""

import cbor2

PROFILE = "hadeda-1"
UP, DOWN = 0, 1
CCM, ESP256, ECDH_ES = bytes.fromhex("a101181e"), bytes.fromhex("a10128"), bytes.fromhex("a1013818")


def dumps(value: object) -> bytes:
    """Deterministic CBOR."""
    return cbor2.dumps(value, canonical=True)


def shortest(number: int) -> bytes:
    """Big-endian without leading zeros; zero is one byte."""
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def outer(direction: int, epoch: int, kid: bytes, sequence: int) -> bytes:
    """external_aad of a COSE_Encrypt0."""
    return dumps([PROFILE, direction, epoch, kid, shortest(sequence)])


def inner(direction: int, epoch: int, kid: bytes, sequence: int, sender: bytes, recipient: bytes) -> bytes:
    """external_aad of the COSE_Sign1 in it."""
    return dumps([PROFILE, direction, epoch, kid, shortest(sequence), sender, recipient])


def padded(payload: bytes, least: int = 128) -> bytes:
    """Zeros behind it, up to a multiple of 32 bytes and `least`."""
    return payload.ljust(max(least, -(-len(payload) // 32) * 32), b"\0")


REPORT = dumps(
    {
        1: 1_654_041_600,
        2: 900,
        3: 2,
        4: {1: [90, 1834, 52, 61], 2: [90, 6120, 210, 180], 3: [90, 101_325, 12, 9]},
        5: bytes.fromhex("000c001e0007ffff000b001c00090005"),
        7: [1, 60, 0, 17],
        10: [1, 1_000_000, 1_000_000, 1],
        12: [4, 3],
    }
)
