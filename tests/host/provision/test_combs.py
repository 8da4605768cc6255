"""The combs that provisioning sends: the node's own code reads them, and only what changed goes over the cable."""

import hashlib
import io
import json
from typing import Any

from envelope import ecdsa, p256_table
from envelope import keys as node_keys
from envelope.drbg import Drbg
from hadeda.envelope.labels import ROLE_COMMAND, ROLE_RECEIPT, ROLES
from hadeda.provision import combs
from hadeda.provision.comb import tables
from hadeda.provision.steps import send_combs
from node import combs as node_combs
from ports.table import Table

DRBG = Drbg(b"the keys of a city of the tests..")
KEYS = {role: ecdsa.make_key(DRBG) for role in ROLES}
AUTHORITIES = {role: public for role, (_, public) in KEYS.items()}


class Flash:
    """A node's files, for the node's code and, in the place of its port, for the host's."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.written: list[str] = []

    def tables(self, path: str, count: int, size: int) -> tuple[Table, ...]:
        content = self.files.get(path, b"")
        return tuple(Table(io.BytesIO(content), at * size, size) for at in range(count)) if content else ()

    def run(self, code: str) -> str:
        if "ilistdir" in code:
            assert "('combs',)" in code
            return json.dumps({path: hashlib.sha256(data).hexdigest() for path, data in self.files.items()})
        found: dict[str, Any] = {"os": self, "open": None}
        exec(code.replace("import os\n", ""), found)
        return ""

    def remove(self, path: str) -> None:
        del self.files[path]

    def mkdir(self, path: str) -> None:
        assert path == "/combs"

    def write_file(self, path: str, data: bytes) -> None:
        self.files[path] = data
        self.written.append(path)


def test_the_tables_are_those_of_the_node() -> None:
    found = [bytearray(len(table)) for table in p256_table.GENERATOR]
    for table, content in zip(p256_table.GENERATOR, found, strict=True):
        table.read(0, content)
    assert tables(*_G, 4) == tuple(map(bytes, found))


_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def test_the_node_finds_and_uses_the_combs_of_the_two_keys_that_sign_what_comes_by_radio() -> None:
    flash = Flash()
    assert send_combs(flash, AUTHORITIES) == (2, 2 * 8192)  # type: ignore[arg-type]
    for role, (private, public) in KEYS.items():
        comb = node_combs.read(flash, public)  # type: ignore[arg-type]
        assert bool(comb) == (role in (ROLE_RECEIPT, ROLE_COMMAND))
        signature = ecdsa.sign(private, b"letter", DRBG)
        assert ecdsa.Verifier(public, comb).verify(b"letter", signature)
        assert not ecdsa.Verifier(public, comb).verify(b"Letter", signature)
    names = {f"{node_combs.FOLDER}/{node_keys.thumbprint(AUTHORITIES[role])[:8].hex()}" for role in (2, 3)}
    assert set(flash.files) == names


def test_only_what_changed_is_sent_and_what_is_not_of_todays_keys_goes() -> None:
    flash = Flash()
    send_combs(flash, AUTHORITIES)  # type: ignore[arg-type]
    flash.written.clear()
    assert send_combs(flash, AUTHORITIES) == (0, 0)  # type: ignore[arg-type]
    assert flash.written == []
    rotated = {**AUTHORITIES, ROLE_RECEIPT: ecdsa.make_key(DRBG)[1]}
    assert send_combs(flash, rotated) == (1, 8192)  # type: ignore[arg-type]
    assert set(flash.files) == set(combs.files(rotated))
    damaged = flash.written[-1]
    flash.files[damaged] = flash.files[damaged][:100]
    assert send_combs(flash, rotated) == (1, 8192)  # type: ignore[arg-type]
    assert flash.files == combs.files(rotated)
