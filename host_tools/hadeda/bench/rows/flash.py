"""What the firmware takes on a node's flash: the bytes of every `.mpy` that provisioning sends, drivers included."""

from typing import Final

from hadeda.bench.board_life import SHIPPED
from hadeda.bench.conditions import Conditions
from hadeda.bench.row import Row, Target
from hadeda.board import load
from hadeda.provision.shipment import OPTIMISATION, shipment

CODE_MAX: Final = 160 * 1024


def rows(_conditions: Conditions) -> list[Row]:
    """One row: code, with the largest pieces named."""
    parcels = shipment(load(SHIPPED))
    code = {path: len(data) for path, data in parcels.items() if path.endswith(".mpy")}
    rest = sum(len(data) for path, data in parcels.items() if path not in code)
    packages: dict[str, int] = {}
    for path, size in code.items():
        package = path.split("/")[2].removesuffix(".mpy")
        packages[package] = packages.get(package, 0) + size
    largest = ", ".join(f"{name} {size}" for name, size in sorted(packages.items(), key=lambda item: -item[1])[:4])
    how = (
        f"bytes of {len(code)} .mpy files for an {SHIPPED}, mpy-cross {OPTIMISATION}, drivers from PyPI included "
        f"({largest}); beside them {rest} bytes of tables and source. Blocks of the file system not counted"
    )
    return [Row("firmware on flash", sum(code.values()), "bytes", how, Target("<=", CODE_MAX))]
