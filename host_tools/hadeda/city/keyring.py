"""The city's own keys: one current key for each role, and older ones that some node still knows.

    keys/index.json                          which key has which role and state; no secrets
    keys/command-1f2e3d4c5b6a7988.key        one file for each key, named by its role and its thumbprint

Public halves are read from the index, private halves when they are needed and not before. A new key's file is on disk
before the index names it, and the index is replaced at one stroke: a power cut leaves the old keyring or the new one.
Who changes the index holds a lock on the folder, so that two commands at once do not undo each other.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from hadeda import randomness
from hadeda.city import keyfile
from hadeda.city.keyfile import Cost, KeyFile, WrongPassphrase
from hadeda.envelope import labels, thumbprint
from hadeda.envelope.keys import load_point, public_point
from hadeda.errors import CityError, Rejected

INDEX_FILE: Final = "index.json"
INDEX_MAX: Final = 1 << 18
# What a role is called by people and on disk; the number is what nodes know it by
ROLE_NAMES: Final = {
    labels.ROLE_COLLECTOR: "collector",
    labels.ROLE_RECEIPT: "receipt",
    labels.ROLE_COMMAND: "command",
    labels.ROLE_POLICY: "policy",
    labels.ROLE_RELEASE: "release",
}
# Passphrases to try for the key of a role (by its name), the likeliest first; it may ask a person for the last one
Unlock = Callable[[str], Iterable[bytes]]


class KeyState(StrEnum):
    """Retiring: new nodes get another key, and this one is erased when the last node has taken that other one."""

    CURRENT = "current"
    RETIRING = "retiring"


@dataclass(frozen=True)
class CityKey:
    """One key of the city, without its private half. `role` is one of `labels.ROLES`, `public` 04 || x || y."""

    role: int
    public: bytes
    state: KeyState
    created: datetime

    @property
    def role_name(self) -> str:
        """The role's name."""
        return ROLE_NAMES[self.role]

    @property
    def thumbprint(self) -> bytes:
        """32 bytes, RFC 9679."""
        return thumbprint(self.public)

    @property
    def file_name(self) -> str:
        """The name of its file in the folder of keys."""
        return f"{self.role_name}-{self.thumbprint.hex()[:16]}.key"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Row(_Strict):
    role: Literal["collector", "receipt", "command", "policy", "release"]
    public: Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{2 * labels.PUBLIC_KEY_SIZE}}}$")]
    state: KeyState
    created: datetime


class _Index(_Strict):
    format: Literal["hadeda-keyring-1"] = "hadeda-keyring-1"
    keys: list[_Row] = Field(max_length=1000)


class Keyring:
    """The keys of one city. It notices when another process changes them (`keys rotate` beside a collector)."""

    def __init__(self, folder: Path, unlock: Unlock = lambda _role: ()) -> None:
        self.folder = folder
        self._unlock = unlock
        self._entries: tuple[CityKey, ...] = ()
        self._stamp: tuple[int, int, int] | None = None
        self._opened: dict[bytes, ec.EllipticCurvePrivateKey] = {}

    @classmethod
    def create(
        cls, folder: Path, passphrase: bytes | None = None, *, now: datetime | None = None, cost: Cost | None = None
    ) -> Self:
        """Make a key for each role in the new folder `folder`, encrypted where a passphrase is given."""
        folder.mkdir(mode=0o700)
        keyring = cls(folder)
        entries = [keyring._make(role, passphrase, now, cost) for role in labels.ROLES]
        keyring._write_index(entries)
        return keyring

    @property
    def entries(self) -> tuple[CityKey, ...]:
        """Every key, by role, the current one first and then the retiring ones, newest first; raises CityError."""
        index = self.folder / INDEX_FILE
        try:
            found = index.stat()
        except OSError:
            raise CityError(f"{index} is missing", "restore the city folder from its backup") from None
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp != self._stamp:
            self._entries, self._stamp = _read_index(index), stamp
        return self._entries

    def entry(self, role: int, thumb: bytes | None = None) -> CityKey:
        """The current key of `role`, or the one with the thumbprint `thumb`; raises CityError."""
        for entry in self.entries:
            if entry.role == role and (entry.thumbprint == thumb if thumb else entry.state is KeyState.CURRENT):
                return entry
        raise CityError(
            f"the city has no {ROLE_NAMES[role]} key {thumb.hex()[:16] if thumb else ''}".rstrip(),
            "restore its folder of keys from a backup; a node that knows no other key needs a cable",
        )

    def public(self, role: int) -> bytes:
        """The current key's public half, 65 bytes. Needs no passphrase."""
        return self.entry(role).public

    def thumbprint(self, role: int) -> bytes:
        """The current key's thumbprint, 32 bytes."""
        return self.entry(role).thumbprint

    def authorities(self) -> dict[int, bytes]:
        """The current public key of every role: what a node is told at provisioning."""
        return {role: self.public(role) for role in labels.ROLES}

    def private(self, role: int, thumb: bytes | None = None) -> ec.EllipticCurvePrivateKey:
        """The current private key of `role`, or the one with the thumbprint `thumb`; raises CityError."""
        entry = self.entry(role, thumb)
        found = self._opened.get(entry.thumbprint)
        if found is None:
            found, _passphrase = self._open(entry)
        return found

    def privates(self, role: int) -> list[tuple[bytes, ec.EllipticCurvePrivateKey]]:
        """(thumbprint, private key) of every key of `role`, the current one first; raises CityError."""
        prints = [entry.thumbprint for entry in self.entries if entry.role == role]
        return [(thumb, self.private(role, thumb)) for thumb in prints]

    def file(self, entry: CityKey) -> KeyFile:
        """The key's file, unopened, checked to be the one that the index means; raises CityError."""
        path = self.folder / entry.file_name
        found = KeyFile.read(path)
        if (found.role, found.public) != (entry.role_name, entry.public):
            raise CityError(
                f"{path} holds another key: a {found.role} key {thumbprint(found.public).hex()[:16]}",
                "put the right file back, from the city's backup",
            )
        return found

    def passphrase(self, role: int) -> bytes | None:
        """What opens the current key of `role`, and did just now; None for a plain one. Raises CityError."""
        return self._open(self.entry(role))[1]

    def rotate(
        self, role: int, passphrase: bytes | None, *, now: datetime | None = None, cost: Cost | None = None
    ) -> CityKey:
        """Make a new current key for `role`, encrypted where a passphrase is given; the one so far is retiring."""
        made = self._make(role, passphrase, now, cost)
        with keyfile.locked(self.folder):
            older = [replace(entry, state=KeyState.RETIRING) if entry.role == role else entry for entry in self.entries]
            self._write_index([made, *older])
        return made

    def protect(self, role: int, passphrase: bytes | None, cost: Cost | None = None) -> None:
        """Encrypt every key of `role` under another passphrase, or under none; each file changes at one stroke."""
        for entry in self.entries:
            if entry.role == role:
                private, _old = self._open(entry)
                content = keyfile.render(entry.role_name, private, passphrase, cost)
                keyfile.supersede_private_file(self.folder / entry.file_name, content)

    def erase_retired(self, in_use: Callable[[CityKey], bool]) -> list[CityKey]:
        """Erase the retiring keys that are not `in_use`; returns them. One whose medium is away waits for it."""
        gone = []
        with keyfile.locked(self.folder):
            for entry in self.entries:
                path = self.folder / entry.file_name
                away = path.is_symlink() and not path.exists()
                if entry.state is KeyState.RETIRING and not away and not in_use(entry):
                    if path.exists():  # else a power cut came between the two steps
                        keyfile.erase(path)
                    self._opened.pop(entry.thumbprint, None)
                    gone.append(entry)
            if gone:
                self._write_index([entry for entry in self.entries if entry not in gone])
        return gone

    def _make(self, role: int, passphrase: bytes | None, now: datetime | None, cost: Cost | None) -> CityKey:
        """A new key, whose file is on disk; the index does not know it yet."""
        private = randomness.private_key()
        now = (now or datetime.now(UTC)).replace(microsecond=0)
        entry = CityKey(role, public_point(private.public_key()), KeyState.CURRENT, now)
        content = keyfile.render(entry.role_name, private, passphrase, cost)
        keyfile.write_private_file(self.folder / entry.file_name, content)
        keyfile.sync_folder(self.folder)
        self._opened[entry.thumbprint] = private
        return entry

    def _open(self, entry: CityKey) -> tuple[ec.EllipticCurvePrivateKey, bytes | None]:
        """The private key and the passphrase that opened it."""
        file = self.file(entry)
        private, passphrase = unlocked(file, self._unlock)
        self._opened[entry.thumbprint] = private
        return private, passphrase

    def _write_index(self, entries: Iterable[CityKey]) -> None:
        rows = [
            {"role": entry.role_name, "public": entry.public.hex(), "state": entry.state, "created": entry.created}
            for entry in entries
        ]
        content = _Index.model_validate({"keys": rows}).model_dump_json(indent=1).encode() + b"\n"
        keyfile.replace_private_file(self.folder / INDEX_FILE, content)


def unlocked(file: KeyFile, unlock: Unlock) -> tuple[ec.EllipticCurvePrivateKey, bytes | None]:
    """The key in `file` and the passphrase that opened it, out of those that `unlock` offers; raises CityError."""
    if not file.protected:
        return file.open(), None
    refusal: WrongPassphrase | None = None
    for passphrase in unlock(file.role):
        try:
            return file.open(passphrase), passphrase
        except WrongPassphrase as wrong:
            refusal = wrong
    raise refusal or WrongPassphrase(
        f"the city's {file.role} key is locked",
        "name a file with its passphrase in HADEDA_PASSPHRASE_FILE, give --key-file, or run it on a terminal",
    )


def _read_index(path: Path) -> tuple[CityKey, ...]:
    """The keys the index names, in order; raises CityError."""
    numbers = {name: role for role, name in ROLE_NAMES.items()}
    try:
        with path.open("rb") as file:
            index = _Index.model_validate(json.loads(file.read(INDEX_MAX)))
        found = [CityKey(numbers[row.role], bytes.fromhex(row.public), row.state, row.created) for row in index.keys]
        for entry in found:
            load_point(entry.public)
        if len({entry.thumbprint for entry in found}) != len(found):
            raise ValueError("a key stands there twice")
        if sorted(entry.role for entry in found if entry.state is KeyState.CURRENT) != sorted(labels.ROLES):
            raise ValueError("not one current key for each role")
    except OSError as error:
        raise CityError(f"{path} cannot be read ({error.strerror})", "run as the city folder's owner") from error
    except (ValueError, RecursionError, ValidationError, Rejected):
        raise CityError(f"{path} is damaged", "restore it from the city's backup") from None
    found.sort(key=lambda entry: entry.created, reverse=True)
    return tuple(sorted(found, key=lambda entry: (entry.role, entry.state is not KeyState.CURRENT)))


def one_passphrase(passphrase: bytes | None) -> Unlock:
    """An `Unlock` that offers the same passphrase for every key."""
    return lambda _role: () if passphrase is None else (passphrase,)
