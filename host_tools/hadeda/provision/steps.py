"""Provisioning step by step. Cut short anywhere, the node is either what it was or can be provisioned again.

The order is what makes it safe: the node's keys are pending until the registry has them, and only then does the node
commit; whatever boots the node is sent last. The node's private key never crosses the cable.
"""

import hashlib
import json
import re
from binascii import unhexlify
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2

from hadeda import randomness
from hadeda.board import Board
from hadeda.board.fitness import shortfalls
from hadeda.board.render import node_config
from hadeda.city import City
from hadeda.city.policies import for_provisioning
from hadeda.errors import ProvisionError
from hadeda.kernel.viper import RV32IMC, SUB_VERSION, VERSION
from hadeda.provision import chip, combs
from hadeda.provision.port import NodePort
from hadeda.provision.shipment import kernel, shipment
from hadeda.registry import Node, revoke
from hadeda.registry.epochs import node_of_identity
from hadeda.registry.nodes import kept_configuration

# What a board takes that can run the kernel; above 16 bits are extensions of its instruction set
KERNEL_MPY = VERSION | SUB_VERSION << 8 | RV32IMC << 10
KERNEL_MPY_MASK = 0xFFFF
SENDINGS_MAX = 3  # of a file that arrives damaged
CONFIG_PATH = "/config.cbor"
NONCE_SIZE = 16
ENTROPY_SIZE = 48
_NODE_ID = re.compile("[0-9a-f]{64}")
SPARE_BYTES = 128 * 1024  # what the outbox must at least find free

_EXAMINE = """
import sys, os, gc, json, machine
v = os.statvfs('/')
print(json.dumps([sys.implementation[0], list(sys.implementation[1][:3]), sys.platform, os.uname().machine,
    sys.implementation._mpy, v[0] * v[3]]))
"""
# A node that ran has its watchdog ticking, and a soft reset does not stop it. Garbage collected late would leave what
# is kept scattered over the whole heap, and no room in one piece (as in firmware/main.py)
CALM = """
import gc
gc.threshold(2048)
try:
    try:
        from ports import maintenance as at
    except ImportError:  # of an older firmware
        from ports import power as at
    getattr(at, 'stay', at.hold)()
except (ImportError, AttributeError):
    pass
"""
_STATUS = """
try:
    from node import enrol
    enrol.status()
except ImportError:
    print('STATUS unprovisioned')
"""
_DIGESTS = """
import os, json, hashlib
def walk(folder, found):
    for entry in os.ilistdir(folder):
        path = folder + '/' + entry[0]
        if entry[1] == 0x4000:
            walk(path, found)
        else:
            h = hashlib.sha256()
            with open(path, 'rb') as f:
                while True:
                    data = f.read(512)
                    if not data:
                        break
                    h.update(data)
            found[path] = h.digest().hex()
found = {}
for folder in folders:
    try:
        walk('/' + folder, found)
    except OSError:
        pass
for name in names:
    try:
        with open('/' + name, 'rb') as f:
            found['/' + name] = hashlib.sha256(f.read()).digest().hex()
    except OSError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Target:
    """What a port answered: MicroPython's version, machine's name, .mpy files that it takes, bytes free on its flash.

    `mpy` is sys.implementation._mpy: version | sub-version << 8 | architecture of its machine code << 10.
    """

    version: tuple[int, ...]
    machine: str
    mpy: int
    free: int


@dataclass(frozen=True)
class Provisioned:
    """How it went. `sent` files of `files` had to be written."""

    node: Node
    target: Target
    files: int
    sent: int
    bytes_sent: int


Step = Callable[[str], None]
Visit = Callable[[NodePort, Node], None]  # what to do with a node before it is started
Progress = Callable[[int, int], None]  # bytes done, bytes in all


def examine(port: NodePort, board: Board) -> Target:
    """Find out what is on the port; raises ProvisionError where it is not what `board` needs."""
    answer: list[Any] = json.loads(port.run(_EXAMINE))
    name, version, platform, machine, mpy, free = answer
    if name != "micropython" or platform != "esp32":
        raise ProvisionError(f"the board runs {name} for {platform}", "Hadeda nodes run MicroPython on an ESP32")
    oldest = tuple(int(part) for part in board.micropython.min_version.split("."))
    if tuple(version[: len(oldest)]) < oldest:
        raise ProvisionError(
            f"the board's MicroPython is {'.'.join(map(str, version))}",
            f"flash {board.micropython.image} {board.micropython.min_version} or later",
        )
    chip = machine.rsplit(" with ", 1)[-1]  # os.uname().machine is "<board> with <chip>"
    if chip.replace("-", "").lower() != board.chip:
        raise ProvisionError(
            f"the chip is an {chip}, {board.name} has an {board.silicon.title}", "name the right board"
        )
    return Target(tuple(version), machine, mpy, free)


def bring_up_to_date(
    port: NodePort, parcels: dict[str, bytes], authorities: dict[int, bytes], progress: Progress
) -> tuple[int, int]:
    """Restart the board and send what of the firmware and its combs it lacks; returns the firmware's (files, bytes)."""
    port.start_afresh()
    port.run(CALM)
    written = send_firmware(port, parcels, progress)
    send_combs(port, authorities)
    return written


def send_firmware(port: NodePort, parcels: dict[str, bytes], progress: Progress) -> tuple[int, int]:
    """Bring /lib, boot.py and main.py up to date; returns (files, bytes) written. What is not ours in /lib goes."""
    return _update(port, parcels, ("lib",), ("boot.py", "main.py"), progress)


def send_combs(port: NodePort, authorities: dict[int, bytes]) -> tuple[int, int]:
    """Bring the combs of the city's keys up to date; returns (files, bytes) written. Those of other keys go."""
    return _update(port, combs.files(authorities), (combs.FOLDER,), (), lambda _done, _total: None)


def _update(
    port: NodePort, parcels: dict[str, bytes], owned: tuple[str, ...], files: tuple[str, ...], progress: Progress
) -> tuple[int, int]:
    """Make folders and files of the root what `parcels` says; returns (files, bytes) written."""
    present: dict[str, str] = json.loads(port.run(f"folders = {owned!r}\nnames = {files!r}\n{_DIGESTS}"))
    stale = {path: data for path, data in parcels.items() if present.get(path) != _digest(data)}
    gone = [path for path in present if path not in parcels]
    folders = sorted({path.rsplit("/", 1)[0] for path in stale} - {""})
    port.run(
        "import os\n"
        f"for path in {gone!r}:\n os.remove(path)\n"
        f"for path in {folders!r}:\n try: os.mkdir(path)\n except OSError: pass\n"
    )
    total, done = sum(map(len, stale.values())), 0
    for path, data in stale.items():
        port.write_file(path, data)
        done += len(data)
        progress(done, total)
    _mend(port, stale, owned, files)
    return len(stale), done


def _mend(port: NodePort, sent: dict[str, bytes], owned: tuple[str, ...], files: tuple[str, ...]) -> None:
    """Send again what a serial line has damaged; raises ProvisionError where that does not help."""
    for _ in range(SENDINGS_MAX):
        there: dict[str, str] = json.loads(port.run(f"folders = {owned!r}\nnames = {files!r}\n{_DIGESTS}"))
        damaged = [path for path, data in sent.items() if there.get(path) != _digest(data)]
        if not damaged:
            return
        for path in damaged:
            port.write_file(path, sent[path])
    raise ProvisionError(f"{damaged[0]} does not arrive whole", "try another cable or port, and provision it again")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def set_clock(port: NodePort, now: datetime) -> None:
    """Give the node the time until it has heard a time server."""
    t = now.astimezone(UTC)
    fields = (t.year, t.month, t.day, t.weekday(), t.hour, t.minute, t.second, t.microsecond)
    port.run(f"import machine\nmachine.RTC().datetime({fields})")


def standing(port: NodePort, city: City) -> tuple[str, Node | None]:
    """How the node says it stands ("unprovisioned", "pending" or "enrolled"), and who it is if this city knows it."""
    said = port.run(_STATUS).split()
    if len(said) != 3 or said[0] != "STATUS":
        return "unprovisioned", None
    if not _NODE_ID.fullmatch(said[2]):
        raise ProvisionError("the board says something that is no node's id", "erase its flash and start over")
    with city.database.read() as session:
        return said[1], node_of_identity(session, said[2])


def refuse_another_configuration(state: str, known: Node | None, config: dict[str, Any]) -> None:
    """Raise ProvisionError where the board is a node in service whose reports the city would read wrongly."""
    if state == "enrolled" and known and not known.revoked_at and known.configuration != kept_configuration(config):
        raise ProvisionError(
            f"the board is node {known.name} already, with another configuration",
            "give --replace: it gets a new identity, and the old one is revoked",
        )


def enrol(port: NodePort, city: City, config: dict[str, Any], name: str, now: datetime) -> Node:
    """Let the node make its keys, register it, and only then let it commit.

    A half-done enrolment is taken up again; a node that is enrolled keeps its keys, and takes policy and floor.
    """
    state, known = standing(port, city)
    if known and not known.revoked_at:
        return _renew(port, city, _commit(port, known) if state == "pending" else known, config)
    nonce = randomness.token_bytes(NONCE_SIZE)
    entropy = randomness.token_bytes(ENTROPY_SIZE)
    said = port.run(f"from node import enrol\nenrol.begin({entropy.hex()!r}, {nonce.hex()!r})").split()
    if len(said) != 2 or said[0] != "ENROL":
        raise ProvisionError("the node did not answer with an enrolment", "reset the board and try again")
    node = city.enrol(unhexlify(said[1]), nonce, name=name, configuration=config, now=now)
    return _commit(port, node)


def _renew(port: NodePort, city: City, node: Node, config: dict[str, Any]) -> Node:
    """Let an enrolled node take the policy and the floor of its new configuration."""
    said = port.run("from node import enrol\nenrol.renew()").split()
    if len(said) != 2 or said[0] != "RENEWED":
        raise ProvisionError("the node did not take its policy", "reset the board and provision it again")
    city.renew(node, config)
    return node


def _commit(port: NodePort, node: Node) -> Node:
    said = port.run("from node import enrol\nenrol.commit()").split()
    if said != ["ENROLLED", node.node_id]:
        raise ProvisionError("the node did not confirm its enrolment", "provision it again: it goes on from there")
    return node


def provision(
    port_name: str,
    board: Board,
    city: City,
    *,
    name: str = "",
    replace: bool = False,
    lock_chip: bool = False,
    policy: Path | None = None,
    floor: Path | None = None,
    visit: Visit = lambda _port, _node: None,
    step: Step = lambda _: None,
    progress: Progress = lambda _done, _total: None,
    now: datetime | None = None,
) -> Provisioned:
    """Make the board on `port_name` a node of `city` and start it; `replace`, with a new identity in any case.

    `policy` is a signed policy's file, `floor` a floor's TOML file; without them the city's own. `visit` is called
    when the node is enrolled: whatever becomes of it, the node is started afterwards. `lock_chip`: a secure
    element that is new is configured and locked, for good.
    """
    given = for_provisioning(city, policy, floor)
    for shortfall in shortfalls(board, given.policy):
        step(f"note: {shortfall}")
    step("compiling the firmware")
    parcels = shipment(board)
    config = node_config(board, city.node_network(), city.authorities(), given.signed, given.floor)
    step("looking at the board")
    with NodePort(port_name) as port:
        return provision_at(
            port,
            board,
            city,
            parcels,
            config,
            name=name,
            replace=replace,
            lock_chip=lock_chip,
            visit=visit,
            step=step,
            progress=progress,
            now=now,
        )


def provision_at(
    port: NodePort,
    board: Board,
    city: City,
    parcels: dict[str, bytes],
    config: dict[str, Any],
    *,
    name: str = "",
    replace: bool = False,
    lock_chip: bool = False,
    visit: Visit = lambda _port, _node: None,
    step: Step = lambda _: None,
    progress: Progress = lambda _done, _total: None,
    now: datetime | None = None,
) -> Provisioned:
    """The part of `provision` that needs the board: bring it this firmware and configuration, enrol it, start it."""
    target = examine(port, board)
    port.run(CALM)
    if target.mpy & KERNEL_MPY_MASK == KERNEL_MPY:
        parcels = {**kernel(), **parcels}
    if target.free < SPARE_BYTES:
        raise ProvisionError(f"only {target.free} bytes are free on the board", "erase its flash and start over")
    state, known = standing(port, city)
    if replace and known:
        name = name or known.name
        revoke(city.database, known.node_id)
    else:
        refuse_another_configuration(state, known, config)
    step("sending the firmware")
    sent, size = bring_up_to_date(port, parcels, config["authorities"], progress)
    port.write_file(CONFIG_PATH, cbor2.dumps(config, canonical=True))
    now = now or datetime.now(UTC)  # not before: sending takes its time
    set_clock(port, now)
    port.start_afresh()
    port.run(CALM)
    if board.element is not None:
        step("looking at the chip that is to have the identity key")
        chip.make_ready(port, board.element, lock_chip, step)
    step("enrolling: the node makes its keys")
    node = enrol(port, city, config, name, now)
    if board.element is not None:  # the node verifies what its chip signs
        port.write_file(*combs.file(node.identity))
    try:
        visit(port, node)
    finally:
        step("starting the node")
        port.reset()
    return Provisioned(node, target, len(parcels), sent, size)
