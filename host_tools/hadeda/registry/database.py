"""The city's database through SQLAlchemy, one transaction at a time where it writes: SQLite, or PostgreSQL by URL."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakSet

from sqlalchemy import BigInteger, Connection, DateTime, Dialect, Engine, Integer, TypeDecorator, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session

from hadeda.errors import CityError
from hadeda.registry.postgresql import PostgresqlServer
from hadeda.registry.sqlite import SqliteFile
from hadeda.registry.store import BEGIN, Store

# It logs a traceback when Ctrl-C comes while a connection is being closed; what matters of that is raised
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL + 1)


class Base(DeclarativeBase):
    """The tables of the registry and the report store."""

    # Eight bytes wherever a database would have four; SQLite numbers rows by itself in INTEGER only
    type_annotation_map = {int: BigInteger().with_variant(Integer(), "sqlite")}  # noqa: RUF012


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


class Writing(Session):
    """A session that knows which nodes (row ids) its changes are about, once they are flushed."""

    def __init__(self, bind: Engine | Connection) -> None:
        super().__init__(bind, expire_on_commit=False)
        self.nodes: set[int] = set()
        event.listen(self, "after_flush", self._note)

    def _note(self, _session: Session, _flush: object) -> None:
        for row in (*self.new, *self.dirty, *self.deleted):
            node = row.id if row.__tablename__ == "node" else getattr(row, "node", None)
            if node is not None:
                self.nodes.add(node)


class Database:
    """`read` and `write` give sessions; everything in one `write` happens, or nothing does.

    `path` is the SQLite file, unless `url` is a PostgreSQL server's; `revoked.txt` is beside it all the same.
    """

    def __init__(self, path: Path, url: str = "") -> None:
        self.path = path
        self.store: Store = PostgresqlServer(url) if url else SqliteFile(path)
        pooled, self._keeping = self.store.engines()
        for engine in (pooled, self._keeping):
            event.listen(engine, "begin", _begin)
        self._reading = pooled.execution_options(**self.store.reading)
        self._writing = pooled.execution_options(**self.store.alone)
        self._watched: WeakSet[Watched] = WeakSet()

    def create(self) -> None:
        """Make the tables that are not there yet; CityError where a PostgreSQL database has a city's already."""
        with self.translated(), self._writing.begin() as connection:
            self.store.create(connection)
            Base.metadata.create_all(connection)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session to look things up; raises CityError where the database cannot be used."""
        with self.translated(), Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one transaction, committed at the end and rolled back by any exception."""
        with self.translated(), Writing(self._writing) as session, session.begin():
            yield session
            self.finish(session)

    def finish(self, session: Writing) -> None:
        """Flush what was written, and let other collectors know."""
        session.flush()
        self.store.touch(session.connection(), sorted(session.nodes))

    def scrub(self) -> bool:
        """Empty the database's log; False where a reader holds on to it (try again later).

        After a commit that erased keys, so that older versions of them do not stay on disk.
        """
        with self.translated():
            connection = self._reading.raw_connection()
            try:
                return self.store.scrub(connection.cursor())
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
        except DBAPIError as error:
            reason = str(error.orig).strip().partition("\n")[0]
            raise CityError(
                f"the city's database {self.store.name} cannot be used ({reason})", self.store.hint
            ) from error


class Watched:
    """Transactions over one connection that is kept; `on_disturbed` is told where somebody else has written meanwhile.

    Of `Database.watched`. One at a time: other threads wait. Where the store is `shared` it is not told: `touched` is.
    """

    def __init__(self, database: Database, engine: Engine) -> None:
        self.on_disturbed: Callable[[], None] = lambda: None
        self.shared = database.store.shared
        self._database = database
        self._engine = engine
        self._connection: Connection | None = None
        self._version = -1
        self._turn = threading.Lock()

    @contextmanager
    def write(self, *, together: bool = False) -> Iterator[Connection]:
        """A transaction that has the lock (see `Store`); committed at the end and rolled back by any exception."""
        store = self._database.store
        with self._turn, self._database.translated():
            if self._connection is None:
                self._connection, self._version = self._engine.connect(), -1
            self._connection.execution_options(**(store.together if together else store.alone))
            with self._connection.begin():
                version = store.version(self._connection)
                if version != self._version:
                    self._version = version
                    self.on_disturbed()
                yield self._connection

    @contextmanager
    def session(self) -> Iterator[Writing]:
        """The same as a session, flushed at the end."""
        with self.write() as connection, Writing(connection) as session:
            yield session
            self._database.finish(session)

    def scrub(self) -> bool:
        """As `Database.scrub`; by this connection, so that nobody takes it for somebody else's change."""
        with self._turn, self._database.translated():
            return self._connection is not None and self._database.store.scrub(self._connection.connection.cursor())

    def close(self) -> None:
        """Give the connection back; it is taken again with the next transaction."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get(BEGIN)
    if statement:
        connection.exec_driver_sql(statement)
