"""Key files: what opens them, what does not, and that a hostile one costs nothing."""

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given, settings
from hypothesis import strategies as st
from sealing import dumps, point

from hadeda.city.keyfile import Cost, KeyFile, WrongPassphrase, erase, render, replace_private_file, write_private_file
from hadeda.errors import CityError

QUICK = Cost(n=1 << 14)
KEY = ec.generate_private_key(ec.SECP256R1())
SEALED = render("command", KEY, b"open sesame", QUICK)
PLAIN = render("command", KEY, None)


def key_file(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "x.key"
    path.unlink(missing_ok=True)
    write_private_file(path, content)
    return path


def altered(content: bytes, **changes: Any) -> bytes:
    """The file with keys changed, `sealed__n=1` inside the inner map."""
    document = json.loads(content)
    for name, value in changes.items():
        *outer, last = name.split("__")
        target = document[outer[0]] if outer else document
        target[last] = value
    return json.dumps(document).encode()


def flipped(text: str) -> str:
    return f"{int(text[:2], 16) ^ 1:02x}{text[2:]}"


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [(SEALED, b"open sesame"), (PLAIN, None), (PLAIN, b"whatever")],
    ids=["sealed", "plain", "plain and a passphrase"],
)
def test_a_key_comes_back(tmp_path: Path, content: bytes, passphrase: bytes | None) -> None:
    file = KeyFile.read(key_file(tmp_path, content))
    assert (file.role, file.public) == ("command", point(KEY))
    assert file.protected == (content is SEALED)
    assert file.open(passphrase).private_numbers() == KEY.private_numbers()


def test_the_format_is_scrypt_and_aes_gcm_as_anybody_can_compute_them(tmp_path: Path) -> None:
    document = json.loads(SEALED)
    sealed = document["sealed"]
    salt = bytes.fromhex(sealed["salt"])
    associated = dumps(["hadeda-key-1", "command", point(KEY), 1 << 14, 8, 1, salt])
    key = Scrypt(salt, 32, sealed["n"], sealed["r"], sealed["p"]).derive(b"open sesame")
    scalar = AESGCM(key).decrypt(bytes.fromhex(sealed["nonce"]), bytes.fromhex(sealed["ciphertext"]), associated)
    assert int.from_bytes(scalar, "big") == KEY.private_numbers().private_value
    assert KeyFile.read(key_file(tmp_path, SEALED)).open(b"open sesame")


def test_the_private_half_is_not_in_a_protected_file() -> None:
    scalar = KEY.private_numbers().private_value.to_bytes(32, "big")
    assert scalar.hex() in PLAIN.decode()
    assert scalar.hex() not in SEALED.decode()
    assert render("command", KEY, b"open sesame", QUICK) != SEALED, "salt and nonce are fresh every time"


@pytest.mark.parametrize("passphrase", [None, b"", b"open sesam", b"open sesame "])
def test_another_passphrase_does_not_open(tmp_path: Path, passphrase: bytes | None) -> None:
    with pytest.raises(WrongPassphrase, match=r"x\.key"):
        KeyFile.read(key_file(tmp_path, SEALED)).open(passphrase)


@pytest.mark.parametrize("part", ["role", "public", "n", "p", "salt", "nonce", "ciphertext"])
def test_nothing_in_a_protected_file_can_be_changed(tmp_path: Path, part: str) -> None:
    sealed = json.loads(SEALED)["sealed"]
    stranger = point(ec.generate_private_key(ec.SECP256R1())).hex()
    changes = {
        "role": {"role": "release"},
        "public": {"public": stranger},
        "n": {"sealed__n": 1 << 15},
        "p": {"sealed__p": 2},
    }.get(part) or {f"sealed__{part}": flipped(sealed[part])}
    with pytest.raises(WrongPassphrase, match="altered"):
        KeyFile.read(key_file(tmp_path, altered(SEALED, **changes))).open(b"open sesame")


def test_a_plain_file_whose_halves_do_not_belong_together(tmp_path: Path) -> None:
    stranger = point(ec.generate_private_key(ec.SECP256R1())).hex()
    with pytest.raises(CityError, match="do not belong together"):
        KeyFile.read(key_file(tmp_path, altered(PLAIN, public=stranger))).open()


@pytest.mark.parametrize(
    "changes",
    [
        {"sealed__n": 1 << 13},
        {"sealed__n": 1 << 18},
        {"sealed__n": 1 << 40},
        {"sealed__n": (1 << 15) + 1},
        {"sealed__n": 32768.0},
        {"sealed__n": True},
        {"sealed__r": 1 << 20},
        {"sealed__p": 0},
        {"sealed__p": 1 << 30},
        {"sealed__salt": ""},
        {"sealed__ciphertext": "00" * 1000},
        {"sealed": None},
        {"private": "00" * 32},
        {"public": "04" + "00" * 64},
        {"public": "00"},
        {"format": "hadeda-key-2"},
        {"role": "../etc"},
        {"more": 1},
    ],
)
def test_a_hostile_or_broken_file_is_refused_before_any_work_is_done(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = key_file(tmp_path, altered(SEALED, **changes))
    begun = time.process_time()
    with pytest.raises(CityError, match=r"damaged or not a key file.*backup"):
        KeyFile.read(path)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("private", ["00" * 32, "ff" * 32])
def test_a_scalar_out_of_range(tmp_path: Path, private: str) -> None:
    with pytest.raises(CityError, match="damaged"):
        KeyFile.read(key_file(tmp_path, altered(PLAIN, private=private))).open()


@given(
    st.one_of(
        st.binary(max_size=5000),
        st.integers(0, len(SEALED) - 1).flatmap(
            lambda at: st.binary(min_size=1, max_size=3).map(lambda put: SEALED[:at] + put + SEALED[at + len(put) :])
        ),
    )
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_bytes_reading_them_gives_a_key_file_or_one_kind_of_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("k") / "x.key"
    write_private_file(path, content)
    try:
        file = KeyFile.read(path)
    except CityError:
        return
    assert file.document.sealed is None or file.document.sealed.n <= 1 << 17


def test_missing_and_unreadable_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CityError, match=r"is missing: restore"):
        KeyFile.read(tmp_path / "none.key")
    (tmp_path / "link.key").symlink_to(tmp_path / "stick" / "x.key")
    with pytest.raises(CityError, match=r"points to .*stick.*not there: bring its medium"):
        KeyFile.read(tmp_path / "link.key")
    with pytest.raises(CityError, match="cannot be read"):
        KeyFile.read(tmp_path)


def test_a_key_that_others_can_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = key_file(tmp_path, PLAIN)
    with caplog.at_level(logging.WARNING, "hadeda.city"):
        KeyFile.read(path)
        assert not caplog.records
        path.chmod(0o644)
        KeyFile.read(path)
    assert f"chmod 600 {path}" in caplog.text


def test_an_erased_file_is_overwritten_first(tmp_path: Path) -> None:
    path = key_file(tmp_path, PLAIN)
    os.link(path, tmp_path / "what the disk held")
    erase(path)
    assert not path.exists()
    assert (tmp_path / "what the disk held").read_bytes() == bytes(len(PLAIN))


def test_replacing_follows_a_link_to_where_the_key_lives(tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    real = key_file(tmp_path / "stick", PLAIN)
    (tmp_path / "link.key").symlink_to(real)
    replace_private_file(tmp_path / "link.key", SEALED)
    assert real.read_bytes() == SEALED
    assert (tmp_path / "link.key").is_symlink()
    erase(tmp_path / "link.key")
    assert not real.exists()
    assert not (tmp_path / "link.key").is_symlink()
