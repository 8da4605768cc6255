"""What a planted thing looks like where it was written down: as it is, in other alphabets and byte orders, hashed.

    clues = identity("plate", b"CA 481-516") + numbers("box", (173, 57, 91)) + moment("passage", 1654048820.4)
    found({"flash": image}, clues)      # {("flash", "plate"), ...}

A hash counts as found by its first eight bytes, so a shortened one is found too. In one of several hundred hunts a clue
of four bytes is found in key material, by chance. So two different ones of a marker must be in one place: whoever
writes such things down writes down more than one. No clue is shorter.
"""

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import cbor2

CLUE_MIN = 4  # bytes
HASHES = ("md5", "sha1", "sha256")
HASH_PREFIX = 8
# The ESP32 port of MicroPython counts seconds from 2000-01-01
ESP32_EPOCH_S = 946_684_800
NOTICED_S = range(-1, 5)  # how much later than it happened something may have been noticed, in whole seconds


@dataclass(frozen=True)
class Clue:
    """`data` is looked for; who finds it has found `marker`, written down as `form` says."""

    marker: str
    form: str
    data: bytes


def identity(marker: str, data: bytes) -> list[Clue]:
    """Of an identifier that is bytes, such as an address: both orders, texts, Base64, and plain hashes of all that."""
    pieces = [f"{byte:02x}" for byte in data]
    texts = ["".join(pieces), ":".join(pieces), "-".join(pieces), "".join(reversed(pieces)), str(int.from_bytes(data))]
    texts += [":".join(reversed(pieces)), *(text.upper() for text in texts)]
    raw = {"as it is": data, "reversed": data[::-1]}
    typed = {f"{form}, type {kind}": bytes([kind]) + held for form, held in raw.items() for kind in (0, 1)}
    forms = raw | {f"text {text}": text.encode() for text in texts}
    clues = [Clue(marker, form, held) for form, held in forms.items()]
    clues += [Clue(marker, f"Base64 of {form}", b64encode(held)[: 4 * (len(held) // 3)]) for form, held in raw.items()]
    return clues + _hashed(marker, forms | typed)


def text(marker: str, said: str) -> list[Clue]:
    """Of a text, such as a number plate: with and without what is no letter or digit, in both cases, and hashes."""
    bare = "".join(character for character in said if character.isalnum())
    forms = {
        f"{form} {name}": written
        for form in {said, bare, said.lower(), bare.lower(), said.upper(), bare.upper()}
        for name, written in {
            "as it is": form.encode(),
            "hex": form.encode().hex().encode(),
            "Base64": b64encode(form.encode())[: 4 * (len(form) // 3)],
            "UTF-16": form.encode("utf-16-le"),
        }.items()
    }
    return [Clue(marker, form, held) for form, held in forms.items()] + _hashed(
        marker, {form: held for form, held in forms.items() if form.endswith("as it is")}
    )


def numbers(marker: str, row: tuple[int, ...]) -> list[Clue]:
    """Of several small numbers in a row: as CBOR, text, and integers of 1, 2 and 4 bytes in both byte orders."""
    forms = {"CBOR": b"".join(cbor2.dumps(number) for number in row)}
    for name, between in (("text", ", "), ("tight text", ","), ("words", " ")):
        forms[name] = between.join(map(str, row)).encode()
    for size in (1, 2, 4):
        for order in ("little", "big"):
            if max(row) < 1 << 8 * size:
                forms[f"{8 * size} bits, {order}"] = b"".join(number.to_bytes(size, order) for number in row)
    return [Clue(marker, form, held) for form, held in forms.items() if len(held) >= CLUE_MIN]


def moment(marker: str, time_s: float) -> list[Clue]:
    """Of a moment in Unix seconds: the second of it and those around as texts, the second itself also as integers."""
    clues = []
    for second in (int(time_s) + late_s for late_s in NOTICED_S):
        when = datetime.fromtimestamp(second, UTC)
        texts = [str(second), str(second - ESP32_EPOCH_S), f"{second:x}"]
        texts += [when.strftime(form) for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%H:%M:%S")]
        clues += [Clue(marker, f"text {said}", said.encode()) for said in texts]
    for name, second in (("Unix", int(time_s)), ("since 2000", int(time_s) - ESP32_EPOCH_S)):
        clues += [Clue(marker, f"{name}, {order}", second.to_bytes(4, order)) for order in ("little", "big")]
    return clues


def tells_a_moment(number: int, moments_s: Iterable[float]) -> bool:
    """Whether an integer is one of the moments in seconds or milliseconds, of either epoch, or close to it."""
    close_s = max(NOTICED_S) + 1
    times_s = [time_s + epoch_s for time_s in (number, number / 1000) for epoch_s in (0, ESP32_EPOCH_S)]
    return any(abs(time_s - moment_s) <= close_s for time_s in times_s for moment_s in moments_s)


def found(places: Mapping[str, bytes], clues: Iterable[Clue]) -> dict[tuple[str, str], list[str]]:
    """(place, marker) -> in which forms."""
    hits: dict[tuple[str, str], list[Clue]] = {}
    for clue in set(clues):
        for place, held in places.items():
            if clue.data in held:
                hits.setdefault((place, clue.marker), []).append(clue)
    return {where: sorted(clue.form for clue in those) for where, those in hits.items() if _is_no_chance(those)}


def _is_no_chance(hits: list[Clue]) -> bool:
    return len({clue.data for clue in hits}) > 1 or len(hits[0].data) > CLUE_MIN


def _hashed(marker: str, forms: Mapping[str, bytes]) -> list[Clue]:
    clues = []
    for form, held in forms.items():
        for name in HASHES:
            digest = hashlib.new(name, held).digest()[:HASH_PREFIX]
            clues.append(Clue(marker, f"{name} of {form}", digest))
            clues.append(Clue(marker, f"{name} of {form} in hex", digest.hex().encode()))
            clues.append(Clue(marker, f"{name} of {form} in HEX", digest.hex().upper().encode()))
            # Six of the eight bytes are whole groups of Base64
            clues.append(Clue(marker, f"{name} of {form} in Base64", b64encode(digest[:6])))
        checksum = zlib.crc32(held)
        clues += [
            Clue(marker, f"CRC-32 of {form}, {order}", checksum.to_bytes(4, order)) for order in ("little", "big")
        ]
        clues.append(Clue(marker, f"CRC-32 of {form} in hex", f"{checksum:08x}".encode()))
    return clues
