"""A report that a node has signed: in words and units, or Rejected."""

from host.sealing import dumps, example_report

from hadeda.envelope import parse_report
from hadeda.errors import Rejected


def one_input(data: bytes) -> bool:
    try:
        report = parse_report(data)
    except Rejected:
        return False
    repr(report)
    return True


def seeds() -> list[bytes]:
    return [
        dumps(example_report()),
        dumps(example_report(r6={11: 2}, r8=[1, 0], r9=b"8 bytes!", r11=-1)),
        dumps(example_report(r4={}, r5=[], r10=[0, 0, 0, 1], r12=[7, 3, 2, 1])),
    ]
