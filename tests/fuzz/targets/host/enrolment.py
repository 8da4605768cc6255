"""What an enrolling node says at the cable: an enrolment for this visit, or Rejected."""

from host.sealing import dumps, point
from host_stage import NONCE, believing, enrolled_node, fixed_key, signed

from hadeda.envelope import open_enrolment
from hadeda.errors import Rejected

NODE, _ = enrolled_node()


def one_input(data: bytes) -> bool:
    try:
        with believing():
            open_enrolment(data, NONCE, NODE.collector_id)
    except Rejected:
        return False
    return True


def seeds() -> list[bytes]:
    ephemeral = point(fixed_key(99))
    return [signed(dumps({1: NODE.public, 2: ephemeral, 3: "board", 4: "0.1", 5: NONCE, 6: NODE.collector_id}))]
