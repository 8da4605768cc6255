"""CBOR in the one form the profile allows: deterministic out, strictly deterministic in (RFC 8949 section 4.2.1).

Profile: integers of up to 64 bit, byte and text strings, arrays, maps with integers or texts as keys, tags, false,
true and null. No floats, no indefinite lengths, no other simple values. Maps come as dicts, arrays as lists.
"""

from envelope.errors import CborError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_SIMPLE_VALUES = {20: False, 21: True, 22: None}
_UINT_LIMIT = 1 << 64
_BYTES_TYPES = (bytes, bytearray, memoryview)
_ARRAY_TYPES = (list, tuple)

MAX_DEPTH = 8
MAX_ITEMS = 512
MAX_BYTES = 4096


class Tag:
    """A tagged item: `number` (uint) and `value` (any item)."""

    def __init__(self, number: int, value: object) -> None:
        self.number = number
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tag) and self.number == other.number and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.number)


def encode(obj: object) -> bytes:
    """Return the deterministic encoding of `obj`; raise CborError for what the profile has no place for."""
    out = bytearray()
    _write(out, obj)
    return bytes(out)


def decode(
    buf: bytes | memoryview,
    tags: tuple[int, ...] = (),
    max_depth: int = MAX_DEPTH,
    max_items: int = MAX_ITEMS,
    max_bytes: int = MAX_BYTES,
) -> object:
    """Return the one item that fills `buf` (bytes or memoryview); only the tag numbers in `tags` are let in.

    Raises CborError for anything that is not one canonical item within the limits.
    """
    obj, end = decode_first(buf, tags, max_depth, max_items, max_bytes)
    if end != len(buf):
        raise CborError("bytes after the item")
    return obj


def decode_first(
    buf: bytes | memoryview,
    tags: tuple[int, ...] = (),
    max_depth: int = MAX_DEPTH,
    max_items: int = MAX_ITEMS,
    max_bytes: int = MAX_BYTES,
) -> tuple[object, int]:
    """Return (first item, offset of the byte after it) of a CBOR sequence; limits and errors as in `decode`."""
    if len(buf) > max_bytes:
        raise CborError(f"longer than {max_bytes} bytes")
    decoder = _Decoder(buf, tags, max_items)
    return decoder.item(max_depth), decoder.at


def _write_head(out: bytearray, major: int, value: int) -> None:
    if value < 24:
        out.append(major << 5 | value)
    elif value < 256:
        out.append(major << 5 | 24)
        out.append(value)
    else:
        _write_long_head(out, major << 5, value)


def _write_long_head(out: bytearray, major: int, value: int) -> None:
    for extra in range(1, 4):
        size = 1 << extra
        if value < 1 << (8 * size):
            out.append(major | 24 + extra)
            out.extend(value.to_bytes(size, "big"))
            return
    raise CborError("integer beyond 64 bit")


def _write(out: bytearray, obj: object) -> None:
    if obj is None or obj is True or obj is False:
        out.append(0xF6 if obj is None else 0xF4 + bool(obj))
    elif isinstance(obj, int):
        _write_head(out, _UINT if obj >= 0 else _NEGATIVE, obj if obj >= 0 else -1 - obj)
    elif isinstance(obj, _BYTES_TYPES):
        _write_head(out, _BYTES, len(obj))
        out.extend(obj)
    elif isinstance(obj, str):
        _write_text(out, obj.encode())
    elif isinstance(obj, _ARRAY_TYPES):
        _write_array(out, obj)
    elif isinstance(obj, dict):
        _write_map(out, obj)
    elif isinstance(obj, Tag):
        _write_head(out, _TAG, obj.number)
        _write(out, obj.value)
    else:
        raise CborError(f"no encoding for a {type(obj).__name__}")


def _write_text(out: bytearray, text: bytes) -> None:
    _write_head(out, _TEXT, len(text))
    out.extend(text)


def _write_array(out: bytearray, elements: "Sequence[object]") -> None:
    _write_head(out, _ARRAY, len(elements))
    for element in elements:
        _write(out, element)


def _write_map(out: bytearray, pairs: dict[object, object]) -> None:
    encoded = []
    for key in pairs:
        if isinstance(key, bool) or not isinstance(key, (int, str)):
            raise CborError("a map key must be an integer or a text")
        encoded.append((encode(key), key))
    _write_head(out, _MAP, len(encoded))
    for encoded_key, key in sorted(encoded, key=_first):
        out.extend(encoded_key)
        _write(out, pairs[key])


def _first(pair: tuple[bytes, object]) -> bytes:
    return pair[0]


class _Decoder:
    """One pass over `buf`; `at` is the offset of the next byte. One method per CBOR type."""

    def __init__(self, buf: bytes | memoryview, tags: tuple[int, ...], max_items: int) -> None:
        self.buf = memoryview(buf)
        self.at = 0
        self._tags = tags
        self._items_left = max_items

    def item(self, depth: int) -> object:
        self._items_left -= 1
        if self._items_left < 0:
            raise CborError("too many items")
        major, value = self._head()
        if major == _UINT:
            return value
        if major == _NEGATIVE:
            return -1 - value
        if major == _BYTES:
            return self._take(value)
        if major == _TEXT:
            return self._text(value)
        if major == _SIMPLE:
            return _SIMPLE_VALUES[value]
        if depth <= 1:
            raise CborError("nested too deep")
        if major == _ARRAY:
            return self._array(value, depth - 1)
        if major == _MAP:
            return self._map(value, depth - 1)
        return self._tag(value, depth - 1)

    def _head(self) -> tuple[int, int]:
        """Return (major type, argument) of the next item; only the shortest form is canonical."""
        first = self._take(1)[0]
        major, value = first >> 5, first & 31
        if major == _SIMPLE:
            if value not in _SIMPLE_VALUES:
                raise CborError("a float or simple value outside the profile")
            return major, value
        if value >= 24:
            size = 1 << (value - 24)
            if size > 8:
                raise CborError("reserved or indefinite length")
            value = int.from_bytes(self._take(size), "big")
            if value < 24 or (size > 1 and not value >> 4 * size):
                raise CborError("not the shortest form")
        return major, value

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.buf):
            raise CborError("cut short")
        taken = bytes(self.buf[self.at : end])
        self.at = end
        return taken

    def _text(self, size: int) -> str:
        raw = self._take(size)
        try:
            return str(raw, "utf-8")
        except UnicodeError:
            pass
        raise CborError("text that is not UTF-8")

    def _reserve(self, count: int) -> None:
        # Every item takes a byte at least: a made-up count is refused before anything is allocated for it.
        if count > len(self.buf) - self.at:
            raise CborError("cut short")

    def _array(self, count: int, depth: int) -> list[object]:
        self._reserve(count)
        return [self.item(depth) for _ in range(count)]

    def _map(self, count: int, depth: int) -> dict[int | str, object]:
        self._reserve(2 * count)
        pairs: dict[int | str, object] = {}
        previous = b""
        for _ in range(count):
            start = self.at
            key = self.item(depth)
            if isinstance(key, bool) or not isinstance(key, (int, str)):
                raise CborError("a map key must be an integer or a text")
            encoded_key = bytes(self.buf[start : self.at])
            if encoded_key <= previous:
                raise CborError("map keys out of order or twice")
            previous = encoded_key
            pairs[key] = self.item(depth)
        return pairs

    def _tag(self, number: int, depth: int) -> Tag:
        if number not in self._tags:
            raise CborError(f"tag {number} is not expected here")
        return Tag(number, self.item(depth))
