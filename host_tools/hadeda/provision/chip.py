"""Taking a board's secure element into service: it is looked at, and configured and locked where that is wanted.

What is locked stays so for good, on silicon; so a new chip is locked only where somebody said so. Cut short anywhere,
the next provisioning goes on from there.
"""

from collections.abc import Callable
from typing import Final

from hadeda.board import Sensor, load_parts
from hadeda.errors import ProvisionError
from hadeda.provision.port import NodePort

NEW: Final = "new"
HALFWAY: Final = "halfway"
OURS: Final = "ours"
FOREIGN: Final = "foreign"
ABSENT: Final = "absent"
STATES: Final = (NEW, HALFWAY, OURS, FOREIGN, ABSENT)  # as firmware/elements/claim.py says them


def make_ready(port: NodePort, element: Sensor, lock_chip: bool, step: Callable[[str], None]) -> None:
    """Have the chip ready to make keys; raises ProvisionError where it cannot be, or must not be without being told."""
    title = load_parts()[element.part].title
    state, serial = _ask(port, "tell")
    _refuse_what_cannot_be(state, element, title)
    if state == NEW and not lock_chip:
        raise ProvisionError(
            f"the {title} is new: it has to be configured and locked, which nothing undoes",
            "give --lock-chip; the chip then makes and keeps keys for Hadeda nodes, and is fit for nothing else",
        )
    if state != OURS:
        step(f"configuring and locking the {title} {serial}, for good")
        state, serial = _ask(port, "take")
        _refuse_what_cannot_be(state, element, title)
    if state != OURS:
        raise ProvisionError(f"the {title} does not take its configuration", "see its wires, and provision it again")
    step(f"{title} {serial}: configured and locked")


def _ask(port: NodePort, call: str) -> tuple[str, str]:
    said = [line.split() for line in port.run(f"from elements import claim\nclaim.{call}()").splitlines()]
    found = [words[1:] for words in said if len(words) == 3 and words[0] == "CHIP" and words[1] in STATES]
    if not found:
        raise ProvisionError("the node did not say how its chip stands", "reset the board and provision it again")
    return found[-1][0], found[-1][1]


def _refuse_what_cannot_be(state: str, element: Sensor, title: str) -> None:
    if state == ABSENT:
        raise ProvisionError(
            f"no {title} answers on {element.bus} at 0x{element.address:02x}",
            'see the wiring on the board\'s page, or say identity = "flash" in its board.toml',
        )
    if state == FOREIGN:
        raise ProvisionError(
            f"what answers on {element.bus} is no {title} that will ever keep our keys: another chip, or one that was "
            "locked with another configuration",
            f"solder in an {title} that nobody has configured",
        )
