"""One private P-256 key in one file: encrypted by scrypt and AES-256-GCM, or plain where that was asked for.

The file is JSON. What the key is for and its public half can be read without unlocking it, and are authenticated: they
and the scrypt parameters are the associated data, so a file that was swapped, relabelled or altered does not open.

    {"format": "hadeda-key-1", "role": "command", "public": "04..",
     "sealed": {"n": 32768, "r": 8, "p": 1, "salt": "..", "nonce": "..", "ciphertext": ".."}}

scrypt is RFC 7914; its parameters are read from the file, within bounds that keep a hostile file from taking more than
128 MiB or a minute. A plain file has "private" (the scalar, 32 bytes) in place of "sealed". The broker's TLS key is the
one exception, PKCS#8 PEM, because that is what brokers read.
"""

import json
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from hadeda.envelope.keys import CURVE, load_point, public_point
from hadeda.envelope.labels import PUBLIC_KEY_SIZE
from hadeda.envelope.strict_cbor import encode
from hadeda.errors import CityError, Rejected

log = logging.getLogger("hadeda.city")

FORMAT: Final = "hadeda-key-1"
FILE_MAX: Final = 4096
SALT_SIZE: Final = 16
NONCE_SIZE: Final = 12
SCALAR_SIZE: Final = 32
KEY_SIZE: Final = 32
TAG_SIZE: Final = 16
N_MIN: Final = 1 << 14
N_MAX: Final = 1 << 17
R: Final = 8  # with it, n blocks are n KiB
P_MAX: Final = 4


def _hexadecimal(size: int) -> StringConstraints:
    return StringConstraints(pattern=rf"^[0-9a-f]{{{2 * size}}}$")


class WrongPassphrase(CityError):
    """The key is whole as far as can be told, and this passphrase does not open it."""


@dataclass(frozen=True)
class Cost:
    """What one guess at a passphrase costs: n KiB of memory, p times over (RFC 7914 section 2, r = 8)."""

    n: int = 1 << 15
    p: int = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Sealed(_Strict):
    n: int = Field(ge=N_MIN, le=N_MAX)
    r: Literal[8]
    p: int = Field(ge=1, le=P_MAX)
    salt: Annotated[str, _hexadecimal(SALT_SIZE)]
    nonce: Annotated[str, _hexadecimal(NONCE_SIZE)]
    ciphertext: Annotated[str, _hexadecimal(SCALAR_SIZE + TAG_SIZE)]


class _Document(_Strict):
    format: Literal["hadeda-key-1"]
    role: Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,32}$")]
    public: Annotated[str, _hexadecimal(PUBLIC_KEY_SIZE)]
    sealed: _Sealed | None = None
    private: Annotated[str, _hexadecimal(SCALAR_SIZE)] | None = Field(default=None, repr=False)


@dataclass(frozen=True)
class KeyFile:
    """A key file that was read but not opened."""

    path: Path
    document: _Document

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `path`; raises CityError where it is missing, unreadable, or not a key file."""
        content = _read(path)
        try:
            document = _Document.model_validate(json.loads(content))
            load_point(bytes.fromhex(document.public))
            if (document.sealed is None) == (document.private is None):
                raise ValueError("neither sealed nor plain")
            if document.sealed is not None and document.sealed.n & (document.sealed.n - 1):
                raise ValueError("n is not a power of two")
        except (ValueError, RecursionError, ValidationError, Rejected):
            raise _damaged(path) from None
        return cls(path, document)

    @property
    def role(self) -> str:
        """What the key is for, as the file says."""
        return self.document.role

    @property
    def public(self) -> bytes:
        """The public half as the file says, 65 bytes; true of the private half once the key was opened."""
        return bytes.fromhex(self.document.public)

    @property
    def protected(self) -> bool:
        """Whether a passphrase is needed."""
        return self.document.sealed is not None

    def open(self, passphrase: bytes | None = None) -> ec.EllipticCurvePrivateKey:
        """The private key; a plain file needs no passphrase and takes any. Raises WrongPassphrase and CityError."""
        sealed = self.document.sealed
        if sealed is None:
            scalar = bytes.fromhex(self.document.private or "")
        elif passphrase is None:
            raise WrongPassphrase(f"{self.path} is locked", "give its passphrase or its key file")
        else:
            salt = bytes.fromhex(sealed.salt)
            associated = _associated(self.role, self.public, sealed.n, sealed.p, salt)
            try:
                scalar = _cipher(passphrase, sealed.n, sealed.p, salt).decrypt(
                    bytes.fromhex(sealed.nonce), bytes.fromhex(sealed.ciphertext), associated
                )
            except InvalidTag:
                raise WrongPassphrase(
                    f"this passphrase does not open {self.path}",
                    "try again; if you are sure of it, the file was altered: restore it from its backup",
                ) from None
        return self._checked(scalar)

    def _checked(self, scalar: bytes) -> ec.EllipticCurvePrivateKey:
        try:
            key = ec.derive_private_key(int.from_bytes(scalar, "big"), CURVE)
        except ValueError:
            raise _damaged(self.path) from None
        if public_point(key.public_key()) != self.public:
            raise CityError(f"{self.path}: public and private half do not belong together", "restore it from a backup")
        return key


def render(role: str, key: ec.EllipticCurvePrivateKey, passphrase: bytes | None, cost: Cost | None = None) -> bytes:
    """The content of a key file for `key`, encrypted unless `passphrase` is None; salt and nonce are fresh."""
    public = public_point(key.public_key())
    scalar = key.private_numbers().private_value.to_bytes(SCALAR_SIZE, "big")
    if passphrase is None:
        return _written(_Document(format=FORMAT, role=role, public=public.hex(), private=scalar.hex()))
    cost = cost or Cost()
    salt, nonce = os.urandom(SALT_SIZE), os.urandom(NONCE_SIZE)
    associated = _associated(role, public, cost.n, cost.p, salt)
    ciphertext = _cipher(passphrase, cost.n, cost.p, salt).encrypt(nonce, scalar, associated)
    sealed = _Sealed(n=cost.n, r=R, p=cost.p, salt=salt.hex(), nonce=nonce.hex(), ciphertext=ciphertext.hex())
    return _written(_Document(format=FORMAT, role=role, public=public.hex(), sealed=sealed))


def write_private_file(path: Path, content: bytes) -> None:
    """Create `path` with mode 0600 from its first moment, and on disk when this returns; it must not be there yet."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_private_file(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path` at one stroke: whoever reads finds the old or the new, whole."""
    path = Path(os.path.realpath(path))  # a key that lives elsewhere stays there
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)  # left by a power cut
    write_private_file(beside, content)
    beside.replace(path)
    sync_folder(path.parent)


def supersede_private_file(path: Path, content: bytes) -> None:
    """As `replace_private_file`; then overwrite what stood there, which may be the same key less protected."""
    with Path(os.path.realpath(path)).open("r+b") as old:
        size = os.fstat(old.fileno()).st_size
        replace_private_file(path, content)
        old.write(bytes(size))
        old.flush()
        os.fsync(old.fileno())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """While the block runs nobody else is in one for this folder, another process neither (POSIX)."""
    if os.name != "posix":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Bring the folder's entries to disk, where the system can (POSIX)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def erase(path: Path) -> None:
    """Overwrite and remove `path`, and the link it may be; a flash disk may keep a copy all the same."""
    target = Path(os.path.realpath(path))
    with target.open("r+b") as file:
        file.write(bytes(target.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    target.unlink()
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def warn_if_others_can_read(path: Path) -> None:
    """Log a warning where the file is not for its owner only."""
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        log.warning("%s can be read by other users of this machine: chmod 600 %s", path, path)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8 PEM, not encrypted: for the broker, which starts without a person beside it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
        warn_if_others_can_read(path)
    except FileNotFoundError:
        if path.is_symlink():
            raise CityError(f"{path} points to {path.readlink()}, which is not there", "bring its medium") from None
        raise CityError(f"{path} is missing", "restore the city folder from its backup") from None
    except OSError as error:
        raise CityError(f"{path} cannot be read ({error.strerror})", "run as the city folder's owner") from error
    return content


def _damaged(path: Path) -> CityError:
    return CityError(f"{path} is damaged or not a key file", "restore it from the city's backup")


def _written(document: _Document) -> bytes:
    return document.model_dump_json(exclude_none=True).encode() + b"\n"


def _cipher(passphrase: bytes, n: int, p: int, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=KEY_SIZE, n=n, r=R, p=p).derive(passphrase))


def _associated(role: str, public: bytes, n: int, p: int, salt: bytes) -> bytes:
    """Everything the file says in the clear; the nonce is authenticated by GCM itself."""
    return encode([FORMAT, role, public, n, R, p, salt])
