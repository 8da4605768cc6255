"""The node's own health for the report: nothing in it depends on what happened in the street.

A radar's tracks and a camera's lines take heap, so the high-water mark would tell of a busy street; it is told in steps
that are larger than those.
"""

from micropython import const

from envelope import ecdsa

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.boots import Boots

_HEAP_STEP = const(4096)


class Health:
    """Keeps the heap's high-water mark. `power` is ports.power."""

    def __init__(self, power: "Any", key_store: int, boots: "Boots") -> None:
        self._power = power
        self._key_store = key_store
        self._boots = boots
        self._heap_max = 0

    def observe(self) -> None:
        """Note how much heap is taken; called where it is highest."""
        self._heap_max = max(self._heap_max, self._power.heap_used())

    def row(self) -> "list[int]":
        """[reset cause, heap high water in KB (rounded up), state: key store + 2 * safe mode + 32 * kernel, boots]"""
        boots = self._boots
        heap_kb = -(-self._heap_max // _HEAP_STEP) * (_HEAP_STEP >> 10)
        return [boots.cause, heap_kb, self._key_store + 2 * boots.safe + 32 * ecdsa.kernel, boots.count]
