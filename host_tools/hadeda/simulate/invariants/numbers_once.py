"""Invariant: no two different messages under the same kid and number, in either direction (DESIGN section 2, law 2)."""

from typing import TYPE_CHECKING

from hadeda.envelope import parse_sealed
from hadeda.errors import Rejected
from hadeda.simulate.mqtt_packets import Message

if TYPE_CHECKING:
    from hadeda.simulate.street import Street


class NumbersOnce:
    """Reads what the broker is given. `reused` counts the messages that repeat a number with other bytes."""

    name = "nonce_reuse"

    def __init__(self, street: "Street") -> None:
        self.reused = 0
        self._seen: dict[tuple[str, bytes, int], bytes] = {}
        street.broker.on_message.append(self._message)

    def _message(self, message: Message) -> None:
        try:
            sealed = parse_sealed(message.payload)
        except Rejected:
            return  # a re-key message, or nothing of ours
        direction = message.topic.rpartition("/")[0] if message.retain else message.topic
        first = self._seen.setdefault((direction, sealed.kid, sealed.sequence), message.payload)
        if first != message.payload:
            self.reused += 1

    def violations(self, street: "Street", *, final: bool) -> list[str]:  # noqa: ARG002
        return [f"{self.reused} messages repeat the number of another one"] if self.reused else []
