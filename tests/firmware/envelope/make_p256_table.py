"""Writes firmware/envelope/p256_table.bin: the comb tables of the P-256 generator.

Run it from the project's root: PYTHONPATH=firmware:tests:tests/cpython_shims python this-file
"""

from pathlib import Path

from firmware import comb_tables

from envelope import p256
from envelope.p256_table import GENERATOR

if __name__ == "__main__":
    tables = comb_tables.tables(*p256.G, len(GENERATOR))
    Path("firmware/envelope/p256_table.bin").write_bytes(b"".join(tables))
