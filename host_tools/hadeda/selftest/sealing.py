"""Judges the sealed message: does what the node seals today open with what the city knows of it?"""

from collections.abc import Mapping
from typing import Any, Final

from hadeda import randomness
from hadeda.city import City
from hadeda.envelope import labels, parse_sealed
from hadeda.envelope.opening import open_self_test
from hadeda.errors import Rejected
from hadeda.registry import Node
from hadeda.registry.epochs import candidates
from hadeda.selftest.checks import Check, Status

NAME: Final = "sealed report"
NONCE_SIZE: Final = 16
_BY: Final = {labels.KERNEL_NONE: "", labels.KERNEL_USED: ", signed by the kernel"}


def new_nonce() -> bytes:
    """What this visit's message has to contain."""
    return randomness.token_bytes(NONCE_SIZE)


def sealing_check(city: City, node: Node, nonce: bytes, said: Mapping[str, Any]) -> Check:
    """Open it with the city's keys, and store nothing; `said` is what firmware/selftest/sealing.py tells."""
    advice = "provision it again with --replace: it makes new keys"
    try:
        payload = bytes.fromhex(said["sealed"])
        message = parse_sealed(payload)
        with city.database.read() as session:
            known = candidates(session, message.kid, message.epoch)
        sender = open_self_test(message, known, nonce)
    except (Rejected, ValueError) as refusal:
        reason = refusal.reason if isinstance(refusal, Rejected) else "not hexadecimal"
        return Check(NAME, Status.FAIL, f"the city does not open it: {reason}", advice)
    if sender.node_id.hex() != node.node_id:
        return Check(NAME, Status.FAIL, "another node sealed it", advice)
    if said["kernel"] == labels.KERNEL_FAILED:
        found = "opened, but the signature's kernel did not load or compute right"
        return Check(NAME, Status.FAIL, found, "provision it again; replace the board if it stays so")
    found = f"sealed by the node, sent over this cable, opened with the city's keys ({len(payload)} bytes, epoch"
    return Check(NAME, Status.PASS, f"{found} {message.epoch}, number {message.sequence}{_BY[said['kernel']]})")
