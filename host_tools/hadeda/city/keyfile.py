"""Private P-256 keys on disk: PKCS#8 PEM, readable by their owner only; a passphrase encrypts them at rest."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hadeda.errors import CityError


def write_private_file(path: Path, content: bytes) -> None:
    """Create `path` with mode 0600 from its first moment; it must not be there yet."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> None:
    """Write `key` to the new file `path`."""
    encryption: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    write_private_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


def read_key(path: Path, passphrase: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """Read a P-256 private key; raises CityError."""
    try:
        key = load_pem_private_key(path.read_bytes(), passphrase)
    except FileNotFoundError:
        raise CityError(f"{path} is missing", "restore the city folder from its backup") from None
    except OSError as error:
        raise CityError(f"{path} cannot be read ({error.strerror})", "run as the city folder's owner") from error
    except TypeError:
        raise CityError(
            f"{path} and its passphrase do not go together", "give a passphrase only if it has one"
        ) from None
    except ValueError:
        raise CityError(f"{path} is not a private key this passphrase opens", "restore it from its backup") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CityError(f"{path} is not a P-256 key", "restore it from the city's backup")
    return key
