"""Revoking: nothing more is accepted from a node. It outlives the database, which a backup may bring back older.

    revoked.txt     beside the database: the ids of revoked nodes, one a line, only ever added to

The file is written, and on disk, before the database says so. Whoever restores a backup leaves it as it is.
"""

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from hadeda.errors import CityError
from hadeda.registry.database import Database
from hadeda.registry.epochs import Chain, retire_revoked
from hadeda.registry.nodes import Node, select_node

FILE: Final = "revoked.txt"
_ID: Final = re.compile("[0-9a-f]{64}")


def revoke(database: Database, text: str, now: datetime | None = None) -> Node:
    """Accept nothing more from a node, named as in `find_node`. Revoking it again changes nothing.

    Its root keys are erased; its receive keys, which tell its messages from a stranger's, stay for the backlog horizon.
    """
    with database.write() as session:
        node = select_node(session, text)
        if node.revoked_at is None:
            _append(database.path.with_name(FILE), _identities(session, node) - revoked_ids(database))
            _end(session, node, now or datetime.now(UTC))
    database.scrub()
    return node


def revoke_forgotten(database: Database, now: datetime | None = None) -> list[str]:
    """Revoke again what the database does not know to be revoked, because it came from a backup; the nodes' names."""
    ids = revoked_ids(database)
    with database.write() as session:
        query = select(Node).join(Chain, Chain.node == Node.id).where(Node.revoked_at.is_(None))
        found = [node for node in session.scalars(query).unique() if ids & _identities(session, node)]
        for node in found:
            _end(session, node, now or datetime.now(UTC))
    return [node.name for node in found]


def revoked_ids(database: Database) -> set[str]:
    """What the file says; a line that is not whole does not count. Raises CityError where it cannot be read."""
    path = database.path.with_name(FILE)
    try:
        return {line for line in path.read_text(errors="replace").splitlines() if _ID.fullmatch(line)}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise CityError(
            f"{path}, which names the revoked nodes, cannot be read ({error.strerror})",
            "run as the city folder's owner",
        ) from error


def _identities(session: Session, node: Node) -> set[str]:
    """The ids of every identity the node has, had, or was about to have."""
    return {node.node_id, *session.scalars(select(Chain.node_id).where(Chain.node == node.id))}


def _end(session: Session, node: Node, now: datetime) -> None:
    node.revoked_at = now
    retire_revoked(session, node, now)


def _append(path: Path, ids: Iterable[str]) -> None:
    """Add lines, on disk when this returns; raises CityError."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "a+b") as file:
            file.seek(0)
            torn = file.read()[-1:] not in (b"", b"\n")  # by a power cut
            file.write(b"\n" * torn + "".join(f"{one}\n" for one in sorted(ids)).encode())
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        raise CityError(f"{path} cannot be written ({error.strerror})", "make room, or run as its owner") from error


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
