"""The city's database: SQLite in one file, opened through SQLAlchemy, one transaction at a time where it writes.

What is deleted or overwritten is overwritten in the file too (secure_delete); `scrub` empties the write-ahead log,
which still has older versions of pages. Below the file, the file system and the flash of its disk keep what they like.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import URL, Connection, DateTime, Dialect, Engine, TypeDecorator, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import NullPool

from hadeda.errors import CityError

# A writer waits this long for another process (provisioning beside a collector) before it gives up
LOCK_TIMEOUT_S: Final = 15.0
SCRUB_TIMEOUT_MS: Final = 200

# It logs a traceback when Ctrl-C comes while a connection is being closed; what matters of that is raised
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL + 1)


class Base(DeclarativeBase):
    """The tables of the registry and the report store."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC: aware in Python, naive UTC in the database, because SQLite keeps no zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else value.replace(tzinfo=UTC)


class Database:
    """One SQLite file. `read` and `write` give sessions; everything in one `write` happens, or nothing does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        url = URL.create("sqlite", database=str(path))
        self._reading = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_S})
        # Connections that are kept are taken out of no pool: there may be any number of them
        kept = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_S}, poolclass=NullPool)
        for engine in (self._reading, kept):
            event.listen(engine, "connect", _configure)
            event.listen(engine, "begin", _begin)
        # A writer takes the lock before it reads: two collectors never both find a sequence number unused
        self._writing, self._keeping = (
            engine.execution_options(hadeda_begin="BEGIN IMMEDIATE") for engine in (self._reading, kept)
        )
        self._watched: WeakSet[Watched] = WeakSet()

    def create(self) -> None:
        """Make the tables that are not there yet."""
        with self._writing.begin() as connection:
            Base.metadata.create_all(connection)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session to look things up; raises CityError where the file cannot be used."""
        with self.translated(), Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one transaction, committed at the end and rolled back by any exception."""
        with self.translated(), Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    def scrub(self) -> bool:
        """Move the write-ahead log into the file and empty it; False where a reader holds on to it (try again later).

        After a commit that erased keys, so that older pages with them do not stay on disk.
        """
        with self.translated():
            connection = self._reading.raw_connection()
            try:
                return _emptied(connection.cursor())
            finally:
                connection.close()

    def watched(self) -> "Watched":
        """A connection of its own that knows whether anybody else has written."""
        watched = Watched(self, self._keeping)
        self._watched.add(watched)
        return watched

    def close(self) -> None:
        """Close every connection; the object can be used again afterwards."""
        for watched in self._watched:
            watched.close()
        self._reading.dispose()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise CityError for what the database cannot do."""
        try:
            yield
        except DatabaseError as error:
            raise CityError(
                f"the city's database {self.path} cannot be used ({error.orig})",
                "check that its disk is not full, that you may write there, and that nothing else keeps it locked",
            ) from error


class Watched:
    """Transactions over one connection that is kept; `on_disturbed` is told where somebody else has written meanwhile.

    Of `Database.watched`. One at a time: other threads wait.
    """

    def __init__(self, database: Database, engine: Engine) -> None:
        self.on_disturbed: Callable[[], None] = lambda: None
        self._database = database
        self._engine = engine
        self._connection: Connection | None = None
        self._version = 0
        self._turn = threading.Lock()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that has the lock; committed at the end and rolled back by any exception."""
        with self._turn, self._database.translated():
            if self._connection is None:
                self._connection, self._version = self._engine.connect(), 0
            with self._connection.begin():
                # Changes when another connection, of whatever process, has committed; never with our own commits
                version = self._connection.exec_driver_sql("PRAGMA data_version").scalar_one()
                if version != self._version:
                    self._version = version
                    self.on_disturbed()
                yield self._connection

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The same as a session, flushed at the end."""
        with self.write() as connection, Session(connection, expire_on_commit=False) as session:
            yield session
            session.flush()

    def scrub(self) -> bool:
        """As `Database.scrub`; by this connection, so that nobody takes it for somebody else's change."""
        with self._turn, self._database.translated():
            return self._connection is not None and _emptied(self._connection.connection.cursor())

    def close(self) -> None:
        """Give the connection back; it is taken again with the next transaction."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _emptied(cursor: Any) -> bool:
    """Whether the write-ahead log is empty now."""
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


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("hadeda_begin", "BEGIN"))
