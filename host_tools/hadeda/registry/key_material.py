"""Secret key bytes, in rows of one size that are overwritten where they stand and never deleted.

SQLite moves a row when its page is full or when its neighbours go, and a copy may stay behind in the old page however
carefully the row itself is erased later. These rows never change their size and their table only grows at its end, so
that a key has one place in the file, and is gone when that is overwritten.
"""

from typing import Final, Self

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from hadeda.registry.database import Base

SIZE: Final = 64
ERASED: Final = bytes(SIZE)


class KeyMaterial(Base):
    """Up to 64 bytes of keys, zeros behind them; all zeros are keys that were erased."""

    __tablename__ = "key_material"

    id: Mapped[int] = mapped_column(primary_key=True)
    material: Mapped[bytes] = mapped_column(LargeBinary)

    @classmethod
    def of(cls, keys: bytes) -> Self:
        """A new row for `keys`."""
        return cls(material=keys.ljust(SIZE, b"\0"))

    def take(self, *sizes: int) -> tuple[bytes, ...] | None:
        """The keys, cut into pieces of these sizes; None once they are erased."""
        if self.material == ERASED:
            return None
        ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
        return tuple(self.material[end - size : end] for size, end in zip(sizes, ends, strict=True))

    def put(self, keys: bytes) -> None:
        """Overwrite them with `keys`."""
        self.material = keys.ljust(SIZE, b"\0")

    def erase(self) -> None:
        """Overwrite them with zeros."""
        self.material = ERASED
