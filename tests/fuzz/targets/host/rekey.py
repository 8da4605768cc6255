"""The plaintext of a re-key that was encrypted to the collector: a ready that agrees with its envelope, or Rejected."""

from host.sealing import pad, point
from host_stage import believing, enrolled_node, fixed_key, identities, ready_fields, signed

from hadeda.envelope import open_rekey, parse_rekey
from hadeda.errors import Rejected

NODE, COLLECTOR = enrolled_node()
EPHEMERAL = fixed_key(99)


def one_input(data: bytes) -> bool:
    message = parse_rekey_of(data)
    if message is None:
        return False
    try:
        with believing():
            open_rekey(message, [(NODE.collector_id, COLLECTOR)], identities(NODE))
    except Rejected:
        return False
    return True


def parse_rekey_of(data: bytes) -> object:
    """None where it is too long for a message."""
    try:
        return parse_rekey(NODE.encrypt_to_collector(data, EPHEMERAL))
    except Rejected:
        return None


def seeds() -> list[bytes]:
    new = point(fixed_key(98))
    return [
        signed(pad(ready_fields(NODE, EPHEMERAL))),
        signed(pad(ready_fields(NODE, EPHEMERAL, f7=new, f8=bytes(64)))),
    ]
