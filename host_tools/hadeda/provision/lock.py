"""The lock on a node's serial port: closing it, and opening it with the city's command key.

The other end is firmware/node/lock.py: a line asks for a challenge, the command key signs it for this node, another
line brings that back. Nothing else that is typed to a locked node has an effect.
"""

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import serial  # type: ignore[import-untyped]

from hadeda.city import City
from hadeda.envelope import labels, sealing
from hadeda.errors import PortError, ProvisionError
from hadeda.provision.port import LINE_LOST, NodePort, require
from hadeda.provision.steps import standing
from hadeda.registry import Node
from hadeda.registry.epochs import node_of_identity, pending_chains

LOCK_PATH = "/locked"  # the file that makes a node a locked one
BAUD = 115_200
PATIENCE_S = 60.0  # a node that signs or connects does not hear; after a wrong answer it does not for ten seconds
ASK_EVERY_S = 3.0
HEARD_BYTES = 4096
ASK = b"\r\nhadeda?\r\n"
_CHALLENGE = re.compile(rb"hadeda: challenge ([0-9a-f]{64}) ([0-9a-f]{%d})" % (2 * labels.OPEN_CHALLENGE_SIZE))
_OUTCOME = re.compile(rb"hadeda: open for (\d+) s|hadeda: not opened")


@dataclass(frozen=True)
class OpenedPort:
    """A node whose REPL is open for so long."""

    node: Node
    seconds: int


def lock_at(port: NodePort, node: Node, city: City) -> None:
    """Leave the lock on an enrolled node: from its next start on it is locked. Raises CityError without the key."""
    city.keyring.entry(labels.ROLE_COMMAND, _command_key(node.authorities))
    port.write_file(LOCK_PATH, b"")


def lock(port_name: str, city: City) -> Node:
    """Lock the node on this port and start it."""
    with NodePort(port_name) as port:
        state, node = standing(port, city)
        if state != "enrolled" or node is None:
            raise ProvisionError(
                "the board is no node of this city: locked, nobody could open it", "provision it, and lock it then"
            )
        lock_at(port, node, city)
        port.reset()
    return node


def open_port(
    port_name: str, city: City, wanted: Node | None = None, say: Callable[[str], None] = lambda _line: None
) -> OpenedPort:
    """Open the locked node on this port for ten minutes; no other than `wanted`, where one is.

    Raises PortError, ProvisionError, CityError.
    """
    with _Line(port_name) as line:
        node_id, _ = line.challenge()
        node, thumbs = _whose(node_id, city)
        if wanted is not None and wanted.id != node.id:
            raise ProvisionError(f"the node on {port_name} is {node.name}", "nothing was signed: name that one")
        say(f"opening {node.name}")
        for thumb in thumbs:
            again, challenge = line.challenge()
            if again != node_id:
                raise ProvisionError(
                    f"what is on {port_name} says to be {node.name}, and then another", "do not open it"
                )
            key = city.keyring.private(labels.ROLE_COMMAND, thumb)
            if seconds := line.answer(sealing.sign_opening(key, node_id, challenge)):
                return OpenedPort(node, seconds)
    raise ProvisionError(
        f"{node.name} does not take this city's command key",
        "a node whose command key is lost is erased (`hadeda board flash --yes`) and provisioned again",
    )


def _whose(node_id: bytes, city: City) -> tuple[Node, list[bytes]]:
    """The node, and thumbprints of the command keys it may know: while it is given another, that is not sure."""
    with city.database.read() as session:
        node = node_of_identity(session, node_id.hex())
        if node is None:
            raise ProvisionError(f"node {node_id.hex()[:16]} is not of this city", "name the city that locked it")
        known = [node.authorities, *(chain.authorities for chain in pending_chains(session, node))]
    return node, list(dict.fromkeys(map(_command_key, known)))


def _command_key(authorities: dict[str, str]) -> bytes:
    return bytes.fromhex(authorities[str(labels.ROLE_COMMAND)])


class _Line:
    """The serial line to a locked node. A context manager."""

    def __init__(self, port: str) -> None:
        require(port)
        self._port = port
        try:
            self._line = serial.serial_for_url(port, BAUD, timeout=0.2, exclusive=True)
        except (OSError, ValueError) as error:
            raise PortError(f"{port} cannot be opened", "close the program that uses it") from error

    def __enter__(self) -> "_Line":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(*LINE_LOST):
            self._line.close()

    def challenge(self) -> tuple[bytes, bytes]:
        """(node id, challenge), as what is on the line says: a node repeats it until it is answered."""
        with contextlib.suppress(*LINE_LOST):
            self._line.reset_input_buffer()  # there may be one that is answered
        found = self._listen(_CHALLENGE, ask=True)
        if found is None:
            raise PortError(
                f"no locked node answers on {self._port}", "if it is locked, reset it, wait a minute, and try again"
            )
        return bytes.fromhex(found[1].decode()), bytes.fromhex(found[2].decode())

    def answer(self, signed: bytes) -> int:
        """For how many seconds the node is open now, 0: it is not."""
        self._write(b"\r\nopen " + signed.hex().encode() + b"\r\n")
        found = self._listen(_OUTCOME)
        if found is None:
            raise PortError(f"the node on {self._port} does not say whether it is open", "try again")
        return int(found[1] or 0)

    def _listen(self, pattern: "re.Pattern[bytes]", ask: bool = False) -> "re.Match[bytes] | None":
        """The first match in what is heard from now on, within PATIENCE_S."""
        end, next_ask, heard = time.monotonic() + PATIENCE_S, 0.0, b""
        try:
            while time.monotonic() < end:
                if ask and time.monotonic() >= next_ask:
                    self._line.write(ASK)
                    next_ask = time.monotonic() + ASK_EVERY_S
                heard = (heard + self._line.read(256))[-HEARD_BYTES:]
                if found := pattern.search(heard):
                    return found
        except LINE_LOST as error:
            raise PortError(f"the port {self._port} is gone", "check the cable and try again") from error
        return None

    def _write(self, data: bytes) -> None:
        try:
            self._line.write(data)
        except LINE_LOST as error:
            raise PortError(f"the port {self._port} is gone", "check the cable and try again") from error
