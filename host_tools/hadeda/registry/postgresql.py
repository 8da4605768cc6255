"""PostgreSQL: collectors on several machines may write at once, as long as each keeps to what is usual.

Whoever writes holds one advisory lock of the database, so that nobody is ever in the middle of anything:

    alone       exclusively: commands, revoking, provisioning, every message that is unusual; one at a time
    together    shared: the express lane, which then locks the rows of its batch's nodes, in the order of their ids

A writer waits for the lock in a statement of its own, and each later statement sees what was committed before it began
(read committed). What is written alone about a node is counted in `touched`: a collector that remembers the node sees
that it has to ask again. The other collectors' express lanes change nothing but what is read anew under the row's lock.

Nothing is erased from the server's disk: old versions of a row stay in its files until their place is used again, and
in its log and backups for as long as the operator keeps them.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    event,
    inspect,
    make_url,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.pool import NullPool

from hadeda.errors import CityError
from hadeda.registry.store import BEGIN, LOCK_TIMEOUT_S, Options

DRIVER: Final = "postgresql+psycopg"
LOCK: Final = int.from_bytes(b"hadeda")

_own = MetaData()
TOUCHED: Final = Table("touched", _own, Column("node", BigInteger, primary_key=True), Column("times", BigInteger))


class PostgresqlServer:
    """See `store.Store`. `url` begins with postgresql:// and leaves the password to libpq (~/.pgpass, PGPASSWORD)."""

    reading: Options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}  # noqa: RUF012
    alone: Options = {BEGIN: f"SELECT pg_advisory_xact_lock({LOCK})"}  # noqa: RUF012
    together: Options = {BEGIN: f"SELECT pg_advisory_xact_lock_shared({LOCK})"}  # noqa: RUF012
    shared = True
    hint = "check `database` in city.toml, that the server runs, and that ~/.pgpass or PGPASSWORD has your password"

    def __init__(self, url: str) -> None:
        self.name = url
        self._url: URL = make_url(url).set(drivername=DRIVER)

    def engines(self) -> tuple[Engine, Engine]:
        """For sessions, and for a connection that is kept; raises CityError without the driver."""
        try:
            pooled = create_engine(self._url, isolation_level="READ COMMITTED", pool_pre_ping=True)
            kept = create_engine(self._url, isolation_level="READ COMMITTED", poolclass=NullPool)
        except ImportError as error:
            raise CityError(
                f"PostgreSQL needs its driver ({error})", "install it: pip install 'psycopg[binary]'"
            ) from error
        for engine in (pooled, kept):
            event.listen(engine, "connect", _configure)
        return pooled, kept

    def create(self, connection: Connection) -> None:
        """The table of what was touched; raises CityError where a city has this database already."""
        if inspect(connection).has_table(TOUCHED.name):
            raise CityError(
                f"there is a city in {self.name} already", "make a new database for this one: createdb NAME"
            )
        _own.create_all(connection)

    def version(self, _connection: Connection) -> int:
        """Always the same: `touch` tells of everything."""
        return 0

    def touch(self, connection: Connection, nodes: Iterable[int]) -> None:
        """Count these nodes' changes."""
        rows = [{"node": node, "times": 1} for node in nodes]
        if rows:
            query = insert(TOUCHED).values(rows)
            more = {"times": TOUCHED.c.times + 1}
            connection.execute(query.on_conflict_do_update(index_elements=[TOUCHED.c.node], set_=more))

    def scrub(self, _cursor: Any) -> bool:
        """Nothing can be done from here."""
        return True


def _configure(connection: Any, _record: Any) -> None:
    """Every new connection: nobody waits for a lock for ever."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S:g}s'")
    connection.commit()
