"""Combs of the city's keys as files on the node (firmware/node/combs.py reads them): letters are checked faster.

Of these only the two that sign what comes by radio have one, and beside them an identity that is in a chip: the node
verifies what the chip signs. A file never says whose signature is valid for longer than the next visit: what is not of
today's keys is removed. A key that a command brings has no comb until then.
"""

from collections.abc import Mapping

from hadeda.envelope.keys import thumbprint
from hadeda.envelope.labels import ROLE_COMMAND, ROLE_RECEIPT
from hadeda.provision.comb import tables

FOLDER = "combs"
TABLES = 2
NAME_BYTES = 8  # of the key's thumbprint


def files(authorities: Mapping[int, bytes]) -> dict[str, bytes]:
    """Path on the node -> content, for the receipt and the command key among public keys (65 bytes) by role."""
    return dict(file(authorities[role]) for role in (ROLE_RECEIPT, ROLE_COMMAND))


def file(public: bytes) -> tuple[str, bytes]:
    """(path on the node, content) of one public key's comb: its two tables."""
    comb = tables(int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big"), TABLES)
    name = thumbprint(public)[:NAME_BYTES].hex()
    return f"/{FOLDER}/{name}", b"".join(comb)
