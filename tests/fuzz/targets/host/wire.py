"""A message off the wire, as anybody may send it: read without any key, or Rejected."""

from host.sealing import SealingNode, dumps, example_report, pad
from host_stage import NONCE, enrolled_node, fixed_key, ready_fields, signed

from hadeda.collect.explain import read
from hadeda.envelope.cose import parse_sign1
from hadeda.errors import Rejected


def one_input(data: bytes) -> bool:
    taken = False
    for parse in (read, parse_sign1):
        try:
            parse(data)
            taken = True
        except Rejected:
            pass
    return taken


def seeds() -> list[bytes]:
    node: SealingNode
    node, _ = enrolled_node()
    ephemeral = fixed_key(99)
    rekey = node.encrypt_to_collector(signed(pad(ready_fields(node, ephemeral))), ephemeral)
    sealed = node.encrypt(signed(pad(dumps(example_report()), 128)), 3)
    return [sealed, rekey, signed(NONCE)]
