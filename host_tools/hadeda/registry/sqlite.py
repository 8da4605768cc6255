"""SQLite in one file: one writer at a time, and what is deleted or overwritten is overwritten in the file too.

`scrub` empties the write-ahead log, which still has older versions of pages. Below the file, the file system and the
flash of its disk keep what they like.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from hadeda.registry.store import BEGIN, LOCK_TIMEOUT_S, Options

SCRUB_TIMEOUT_MS: Final = 200


class SqliteFile:
    """See `store.Store`."""

    reading: Options = {BEGIN: "BEGIN"}  # noqa: RUF012
    # A writer takes the lock before it reads: two collectors never both find a sequence number unused
    alone = together = {BEGIN: "BEGIN IMMEDIATE"}  # noqa: RUF012
    shared = False
    hint = "check that its disk is not full, that you may write there, and that nothing else keeps it locked"

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._url = URL.create("sqlite", database=str(path))

    def engines(self) -> tuple[Engine, Engine]:
        """For sessions, and for a connection that is kept: there may be any number of those, so they are of no pool."""
        timeout = {"timeout": LOCK_TIMEOUT_S}
        pooled = create_engine(self._url, connect_args=timeout)
        kept = create_engine(self._url, connect_args=timeout, poolclass=NullPool)
        for engine in (pooled, kept):
            event.listen(engine, "connect", _configure)
        return pooled, kept

    def create(self, _connection: Connection) -> None:
        """Nothing."""

    def version(self, connection: Connection) -> int:
        """Changes when another connection, of whatever process, has committed; never with our own commits."""
        return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

    def touch(self, _connection: Connection, _nodes: Iterable[int]) -> None:
        """Nothing: `version` tells."""

    def scrub(self, cursor: Any) -> bool:
        """Whether the write-ahead log is in the file and empty now."""
        cursor.execute(f"PRAGMA busy_timeout={SCRUB_TIMEOUT_MS}")
        busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.execute(f"PRAGMA busy_timeout={int(LOCK_TIMEOUT_S * 1000)}")
        return not busy


def _configure(connection: Any, _record: Any) -> None:
    """Every new connection: transactions are ours to begin, foreign keys hold, a commit is on disk when it returns."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
