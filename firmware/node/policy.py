"""The policy in force: what the node may count and say. node/accept.py is what lets one into the key store."""

from envelope import cbor
from envelope.errors import CborError
from envelope.labels import (
    CELLS_CLASSES,
    CELLS_DIRECTIONS,
    CELLS_SPEED_BANDS,
    CHANNEL_ENERGY,
    FLOOR_ENERGY,
    FLOOR_WINDOW,
    POLICY_CELLS,
    POLICY_CHANNELS,
    POLICY_EPSILON_DAY,
    POLICY_EPSILON_RELEASE,
    POLICY_FOOTFALL,
    POLICY_K,
    POLICY_SOURCES,
    POLICY_VERSION,
    POLICY_WINDOW,
    SOURCE_FOOTFALL,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.keystore import Secrets


# Length of a window while there is no policy, in seconds: air and counts are withheld, health is told
WINDOW_S = 900


class Policy:
    """policy.cddl's map with names. Epsilons in millionths, windows in seconds, edges in km/h; footfall (k, epsilon).

    `least_s` is the floor's shortest window: counts of one that was cut shorter stay on the node. `energy` is what
    the floor says of energy, None where it may never be told.
    """

    def __init__(self, content: "Any", floor: "Any") -> None:
        cells = content[POLICY_CELLS]
        self.version: int = content[POLICY_VERSION]
        self.window_s: int = content[POLICY_WINDOW]
        self.least_s: int = floor[FLOOR_WINDOW]
        self.energy = floor.get(FLOOR_ENERGY)
        channels = content[POLICY_CHANNELS]
        self.channels = tuple([each for each in channels if each != CHANNEL_ENERGY or self.energy])
        self.classes = tuple(cells[CELLS_CLASSES])
        self.directions = tuple(cells[CELLS_DIRECTIONS])
        self.edges = tuple(cells[CELLS_SPEED_BANDS])
        self.k: int = content[POLICY_K]
        self.epsilon: int = content[POLICY_EPSILON_RELEASE]
        self.epsilon_day: int = content[POLICY_EPSILON_DAY]
        self.sources = tuple(content.get(POLICY_SOURCES, ()))
        footfall = content.get(POLICY_FOOTFALL)
        self.footfall = (footfall[1], footfall[2]) if footfall and self.allows(SOURCE_FOOTFALL) else None

    def allows(self, source: int) -> bool:
        """Tell whether a source of passages may be used: labels.SOURCE_*, 0 for a radar."""
        return not source or source in self.sources


def least_window_s(policy: "Policy | None") -> int:
    """No window may be meant shorter than this, in seconds."""
    return policy.window_s if policy is not None else WINDOW_S


def in_force(secrets: "Secrets") -> "Policy | None":
    """The policy of the key store's record; None when there is none, or no floor to hold it against."""
    try:
        return Policy(cbor.decode(secrets.policy), cbor.decode(secrets.floor))
    except (CborError, LookupError, TypeError, AttributeError):
        return None
