"""Commands to nodes: numbered, signed once by the city's command key, kept until the node answers.

    with city.database.write() as session:
        node = select_node(session, "corner")
        queue(session, node, labels.OPERATION_REBOOT, {}, command_key)

`command_key` gives the private command key with a thumbprint (it is what the node knows), such as
`lambda thumb: city.keyring.private(labels.ROLE_COMMAND, thumb)`; it is needed here and nowhere else: the collector
sends what is stored. A node executes a command whose number is above the last one, so the oldest waiting goes first.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from hadeda.envelope import cose, labels, sealing, thumbprint
from hadeda.errors import CityError
from hadeda.policy.compiled import decompile
from hadeda.registry.database import Base, UtcDateTime
from hadeda.registry.epochs import Promotion, newest_number
from hadeda.registry.nodes import Node
from hadeda.registry.numbers import next_number

CommandKey = Callable[[bytes], ec.EllipticCurvePrivateKey]

# Names of the operations, for people
OPERATIONS: Final = {
    "rotate": labels.OPERATION_ROTATE,
    "set-policy": labels.OPERATION_SET_POLICY,
    "set-period": labels.OPERATION_SET_PERIOD,
    "report-now": labels.OPERATION_REPORT_NOW,
    "reboot": labels.OPERATION_REBOOT,
    "locate": labels.OPERATION_LOCATE,
    "set-network": labels.OPERATION_SET_NETWORK,
}
RESULTS: Final = {
    labels.RESULT_DONE: "done",
    labels.RESULT_REFUSED: "refused",
    labels.RESULT_UNSUPPORTED: "unsupported",
    labels.RESULT_INTERRUPTED: "interrupted",
    labels.RESULT_FELL_BACK: "fell back to the old network",
}
# What the registry keeps of a network: no passwords
NETWORK_NAMES: Final = {
    labels.SET_NETWORK_SSID: "wifi_ssid",
    labels.SET_NETWORK_HOST: "broker_host",
    labels.SET_NETWORK_PORT: "broker_port",
    labels.SET_NETWORK_USER: "broker_user",
}
ANSWER_MASK: Final = 0xFFFF
LIFETIME_EPOCHS: Final = 14  # ratchets


class CommandState(StrEnum):
    """Where a command stands. Only a waiting one is sent."""

    WAITING = "waiting"
    ANSWERED = "answered"
    SUPERSEDED = "superseded"  # by a later one of the same operation
    EXPIRED = "expired"  # the node's epochs have gone past it, or it has other keys now
    LOST = "lost"  # the node made new keys for it, and took others instead


class Command(Base):
    """A command to one node. `signed` is the COSE_Sign1 as it goes into letters; `result` is one of labels.RESULT_*.

    `last_epoch` is the last epoch in which the node may execute it. Passwords are in `signed` of a set-network, so it
    is emptied when the command waits no more.
    """

    __tablename__ = "command"
    __table_args__ = (UniqueConstraint("node", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[int] = mapped_column(ForeignKey("node.id"), index=True)
    number: Mapped[int]
    operation: Mapped[int]
    last_epoch: Mapped[int]
    signed: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16))
    result: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def close(self, state: CommandState) -> None:
        """It waits no more."""
        self.state = state
        if self.operation == labels.OPERATION_SET_NETWORK:
            self.signed = b""

    @property
    def operation_name(self) -> str:
        """The operation's name, such as `report-now`."""
        return next(name for name, operation in OPERATIONS.items() if operation == self.operation)


def queue(
    session: Session,
    node: Node,
    operation: int,
    arguments: Mapping[int, Any],
    command_key: CommandKey,
    *,
    compromised: bool = False,
    lifetime: int = LIFETIME_EPOCHS,
    now: datetime | None = None,
) -> Command:
    """Sign a command and let it wait, in the caller's transaction; raises CityError (revoked, too long, no key).

    `operation` is one of labels.OPERATION_*, `arguments` its map as in envelope.cddl: for rotate
    {labels.ROTATE_KEYS: {role: 65 bytes, ...}} and/or {labels.ROTATE_IDENTITY: 1}, for set-period
    {labels.SET_PERIOD_WINDOW: seconds}, for set-policy what city/policies.py makes, else {}. A waiting command of the
    same operation is superseded. `compromised` goes with rotate: when the node has its new keys, the keys of all its
    older epochs are erased at once, and what was sealed with them is refused.

    It may be executed for `lifetime` ratchets, and a re-key on the way does not end it: epoch numbers jump there, so
    where there is none it lives for REKEY_JUMP ratchets more. The node knows only a number, and it is signed.
    """
    now = now or datetime.now(UTC)
    if node.revoked_at is not None:
        raise CityError(f"node {node.name} was revoked", "a revoked node takes no commands")
    number = next_number(max(_last_number(session, node), node.command_base), now)
    last_epoch = newest_number(session, node.id) + labels.REKEY_JUMP + lifetime
    key = command_key(bytes.fromhex(node.authorities[str(labels.ROLE_COMMAND)]))
    content = sealing.Command(number, operation, last_epoch, arguments)
    signed = sealing.sign_command(key, bytes.fromhex(node.node_id), content)
    for earlier in waiting(session, node):
        if earlier.operation == operation:
            earlier.close(CommandState.SUPERSEDED)
    if compromised:
        node.close_past = number
    command = Command(
        node=node.id,
        number=number,
        operation=operation,
        last_epoch=last_epoch,
        signed=signed,
        state=CommandState.WAITING,
        created_at=now,
    )
    session.add(command)
    session.flush()
    return command


def waiting(session: Session, node: Node) -> list[Command]:
    """The node's commands that wait for an answer, oldest first."""
    query = select(Command).where(Command.node == node.id, Command.state == CommandState.WAITING)
    return list(session.scalars(query.order_by(Command.number)))


def commands(session: Session, node: Node, limit: int | None = None) -> list[Command]:
    """The node's newest `limit` commands (all without one), in any state, newest first."""
    return list(
        session.scalars(select(Command).where(Command.node == node.id).order_by(Command.number.desc()).limit(limit))
    )


def answer(session: Session, node: Node, low: int, result: int, now: datetime) -> Command | None:
    """Note a node's answer, `low` being the low 16 bits of the command's number; None where nothing waits for it."""
    for command in waiting(session, node):
        if command.number & ANSWER_MASK == low:
            command.result, command.answered_at = result, now
            if result == labels.RESULT_DONE:
                _note_effect(node, command)
            command.close(CommandState.ANSWERED)
            return command
    return None


def _note_effect(node: Node, command: Command) -> None:
    """Keep what the node holds now, as far as the city has to know it."""
    if command.operation not in (labels.OPERATION_SET_POLICY, labels.OPERATION_SET_NETWORK):
        return
    arguments = sealing.read_command(command.signed).arguments
    if command.operation == labels.OPERATION_SET_NETWORK:
        shown = {name: arguments[label] for label, name in NETWORK_NAMES.items() if label in arguments}
        node.network = {**(node.network or {}), **shown}
        return
    if labels.SET_POLICY_POLICY in arguments:
        node.policy = decompile(cose.parse_sign1(arguments[labels.SET_POLICY_POLICY]).payload).version
    if labels.SET_POLICY_FLOOR in arguments:
        node.floor = cose.parse_sign1(arguments[labels.SET_POLICY_FLOOR]).payload


def answer_rotate(session: Session, node: Node, number: int, now: datetime) -> None:
    """Note that the rotate command `number` is done: the node's ready says so before any report can."""
    for command in waiting(session, node):
        if command.number == number and command.operation == labels.OPERATION_ROTATE:
            command.state, command.result, command.answered_at = CommandState.ANSWERED, labels.RESULT_DONE, now


def expire(session: Session, node: Node, number: int) -> None:
    """Give up the waiting commands that a node in epoch `number` will not execute any more."""
    for command in waiting(session, node):
        if command.last_epoch < number:
            command.close(CommandState.EXPIRED)


def follow_up(session: Session, node: Node, promotion: Promotion) -> None:
    """What a re-key that was taken means for the node's commands."""
    lose(session, node, promotion.lost)
    if promotion.resigned:
        for command in waiting(session, node):
            command.close(CommandState.EXPIRED)


def lose(session: Session, node: Node, numbers: Iterable[int]) -> None:
    """Take back that these rotate commands are done: the keys that were made for them came to nothing."""
    query = select(Command).where(Command.node == node.id, Command.number.in_(numbers))
    for command in session.scalars(query.where(Command.state == CommandState.ANSWERED)):
        command.state, command.result, command.answered_at = CommandState.LOST, None, None


def newest_rotation(session: Session, node: Node) -> Command | None:
    """The last rotate command to the node."""
    query = select(Command).where(Command.node == node.id, Command.operation == labels.OPERATION_ROTATE)
    return session.scalar(query.order_by(Command.number.desc()).limit(1))


def rotated_authorities(session: Session, node: Node, number: int) -> dict[str, str]:
    """What the rotate command `number` changes in a node's authorities; nothing where it is no such command."""
    command = session.scalar(select(Command).where(Command.node == node.id, Command.number == number))
    if command is None or command.operation != labels.OPERATION_ROTATE:
        return {}
    keys = sealing.read_command(command.signed).arguments.get(labels.ROTATE_KEYS, {})
    return {str(role): thumbprint(public).hex() for role, public in keys.items()}


def _last_number(session: Session, node: Node) -> int:
    return session.scalar(select(func.max(Command.number)).where(Command.node == node.id)) or 0
