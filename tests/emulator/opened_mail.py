"""Opens every message between a node and its city with the city's keys, without asking whether it makes sense."""

from collections.abc import Iterator

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from sqlalchemy import select

from hadeda.city import City
from hadeda.envelope import cose, labels, parse_sealed
from hadeda.envelope.ready import decrypted, parse_rekey
from hadeda.registry.epochs import KEY_SIZES, Epoch


def is_ready(message: bytes) -> bool:
    """Whether a node announces a re-key in it."""
    return bool(cbor2.loads(message).tag == labels.TAG_ENCRYPT)


def ciphertext(message: bytes) -> bytes:
    """The part of a message that says nothing to whoever has no key."""
    return parse_rekey(message).ciphertext if is_ready(message) else parse_sealed(message).ciphertext


def opened(city: City, message: bytes) -> bytes:
    """The padded payload of a report, a letter or a ready message; it must open."""
    signed = _opened_ready(city, message) if is_ready(message) else _opened_sealed(city, message)
    return cose.parse_sign1(signed).payload


def _opened_ready(city: City, message: bytes) -> bytes:
    thumb = city.keyring.thumbprint(labels.ROLE_COLLECTOR)
    return decrypted(parse_rekey(message), [(thumb, city.keyring.private(labels.ROLE_COLLECTOR, thumb))])[2]


def _opened_sealed(city: City, message: bytes) -> bytes:
    sealed = parse_sealed(message)
    with city.database.read() as session:
        kept = [epoch.material for epoch in session.scalars(select(Epoch).where(Epoch.kid == sealed.kid))]
    for material in kept:
        up_key, up_iv, down_key, down_iv = (material.take(*KEY_SIZES) if material else None) or (b"",) * 4
        for direction, key, iv in (
            (labels.DIRECTION_UP, up_key, up_iv),
            (labels.DIRECTION_DOWN, down_key, down_iv),
        ):
            aad = cose.encrypt0_aad(sealed, direction)
            try:
                return AESCCM(key, tag_length=labels.TAG_SIZE).decrypt(sealed.nonce(iv), sealed.ciphertext, aad)
            except (InvalidTag, ValueError):  # the other direction; the keys of an epoch that are gone
                continue
    raise AssertionError(f"the city cannot open {message.hex()}")


def integers(payload: bytes) -> list[int]:
    """Every integer in a padded payload, also in what lies in it as bytes that are CBOR."""
    return list(_integers(cbor2.loads(payload)))


def _integers(item: object) -> Iterator[int]:
    match item:
        case bool():
            pass
        case int():
            yield item
        case dict():
            for key, value in item.items():
                yield from _integers(key)
                yield from _integers(value)
        case list() | tuple():
            for value in item:
                yield from _integers(value)
        case cbor2.CBORTag():
            yield from _integers(item.value)
        case bytes():
            try:
                inner = cbor2.loads(item)
            except (cbor2.CBORDecodeError, ValueError):
                return
            yield from _integers(inner)
