"""What the registry needs of a database beside SQL: how writers keep out of each other's way, and what erasing is."""

from collections.abc import Iterable
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Engine

# A writer waits this long for another process (provisioning beside a collector) before it gives up
LOCK_TIMEOUT_S: Final = 15.0
BEGIN: Final = "hadeda_begin"  # of the execution options below: the first statement of a transaction
Options = dict[str, Any]


class Store(Protocol):
    """SqliteFile or PostgresqlServer. `name` and `hint` are for messages, and have no password.

    A transaction has one of three execution options: `reading` sees one state throughout; `alone` waits until nobody
    else writes; `together` may write beside others of its kind, where the store is `shared`, and then locks the rows
    it means to change (bulk.hold).
    """

    name: str
    hint: str
    reading: Options
    alone: Options
    together: Options
    shared: bool

    def engines(self) -> tuple[Engine, Engine]:
        """One for sessions, and one for a connection that is kept."""
        ...

    def create(self, connection: Connection) -> None:
        """Make what it needs beside the registry's tables; raises CityError where there is a city already."""
        ...

    def version(self, connection: Connection) -> int:
        """Changes when rows may have changed that `touch` does not tell of."""
        ...

    def touch(self, connection: Connection, nodes: Iterable[int]) -> None:
        """In a transaction that began `alone`: tell other collectors that these nodes (row ids) were written about."""
        ...

    def scrub(self, cursor: Any) -> bool:
        """Take what was erased out of the log, too; False where that has to be tried again."""
        ...
