"""The plaintext of a message that was sealed with a node's key: everything behind the cipher."""

from host.sealing import dumps, example_report, pad
from host_stage import believing, candidate, enrolled_node, signed

from hadeda.envelope import open_report, parse_sealed
from hadeda.errors import Rejected

NODE, _ = enrolled_node()
CANDIDATE = candidate(NODE)


def one_input(data: bytes) -> bool:
    try:
        with believing():
            open_report(parse_sealed(NODE.encrypt(data, 3)), [CANDIDATE])
    except Rejected:
        return False
    return True


def seeds() -> list[bytes]:
    reports = (example_report(), example_report(r6={11: 2}, r8=[1, 0], r9=b"8 bytes!"))
    return [signed(pad(dumps(report), 128)) for report in reports]
