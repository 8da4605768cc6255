"""Where the node's secrets are: a file, replaced atomically, with a pending twin during enrolment.

On a stock partition table this is the only place there is; an overwritten value may stay readable in flash, which is
why the health report names the kind of key store.
"""

from hashlib import sha256

from micropython import const

from envelope import cbor
from envelope.errors import CborError
from node.errors import Unprovisioned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.flash import Files

KIND_FILE = 0

FOLDER = "/state"
_PATH = FOLDER + "/keys"
_PENDING = FOLDER + "/pending"

_IDENTITY_PRIVATE = const(1)
_IDENTITY_PUBLIC = const(2)
_COLLECTOR_PUBLIC = const(3)
_EPOCH = const(4)
_ROOT = const(5)


class Secrets:
    """Identity key pair (32 and 65 bytes), the collector's public key (65), root key (32) of the current epoch."""

    def __init__(self, private: bytes, public: bytes, collector: bytes, epoch: int, root: bytes) -> None:
        self.private = private
        self.public = public
        self.collector = collector
        self.epoch = epoch
        self.root = root


def _pack(secrets: Secrets) -> bytes:
    body = cbor.encode(
        {
            _IDENTITY_PRIVATE: secrets.private,
            _IDENTITY_PUBLIC: secrets.public,
            _COLLECTOR_PUBLIC: secrets.collector,
            _EPOCH: secrets.epoch,
            _ROOT: secrets.root,
        }
    )
    return sha256(body).digest()[:8] + body


def _unpack(data: "bytes | None") -> "Secrets | None":
    if data is None or sha256(data[8:]).digest()[:8] != data[:8]:
        return None
    try:
        row: Any = cbor.decode(data[8:])
    except CborError:
        return None
    return Secrets(row[_IDENTITY_PRIVATE], row[_IDENTITY_PUBLIC], row[_COLLECTOR_PUBLIC], row[_EPOCH], row[_ROOT])


def load(files: "Files") -> Secrets:
    """The committed secrets; Unprovisioned when there are none (or they are damaged)."""
    secrets = _unpack(files.read(_PATH))
    if secrets is None:
        raise Unprovisioned("no committed identity")
    return secrets


def load_pending(files: "Files") -> "Secrets | None":
    return _unpack(files.read(_PENDING))


def save_pending(files: "Files", secrets: Secrets) -> None:
    """Keep the secrets of an enrolment that the host has not registered yet."""
    files.make_folder(FOLDER)
    files.write(_PENDING, _pack(secrets))


def commit(files: "Files") -> None:
    """Make the pending secrets the node's: one rename."""
    files.rename(_PENDING, _PATH)
