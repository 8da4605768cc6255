"""Every kept input does no harm: nothing but documented errors, within a second and within bounded memory.

Node targets also run on MicroPython, with little heap left and with damaged copies of each input.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import cases
import harm
import pytest

from hadeda.emulator import interpreter
from hadeda.paths import ROOT
from hadeda.provision.shipment import shipment

NODE = [name for name in cases.NAMES if name.startswith("node/")]
# One piece of the heap; what is free in small gaps besides is no more than that again by half
HEAP_FREE = 64 << 10
MUTATIONS = 3
CORPUS_MAX = 500_000
TIMEOUT_S = 200


@pytest.mark.parametrize("name", cases.NAMES)
def test_what_is_right_is_taken(name: str) -> None:
    target = cases.target(name)
    for seed in target.seeds():
        assert target.one_input(seed), seed.hex()


@pytest.mark.parametrize("name", cases.NAMES)
def test_kept_inputs_do_no_harm(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = cases.corpus(name)
    assert files, f"no corpus: run ./run fuzz --keep {name}"
    target = cases.target(name)
    for file in files:
        assert not harm.done(target, file.read_bytes()), file
    capsys.readouterr()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The node's code as it is shipped, in a folder."""
    folder = tmp_path_factory.mktemp("node")
    for path, content in shipment().items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder / "lib"


@pytest.mark.micropython
@pytest.mark.parametrize("name", NODE)
def test_kept_inputs_do_no_harm_with_little_heap(name: str, shipped: Path) -> None:
    found = on_micropython(name, shipped)
    assert found["bad"] == []
    assert found["inputs"] >= (MUTATIONS + 1) * len(cases.corpus(name)) > 0
    assert HEAP_FREE <= found["free"] <= HEAP_FREE * 3 // 2


def on_micropython(name: str, firmware: Path) -> dict[str, Any]:
    """What on_micropython.py says."""
    path = f"{firmware}:{ROOT / 'tests'}:{cases.HERE}:.frozen"
    program = [cases.HERE / "on_micropython.py", name, str(HEAP_FREE), str(MUTATIONS), *cases.corpus(name)]
    done = subprocess.run(
        [interpreter.find().path, "-X", "heapsize=4M", *program],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    lines = done.stdout.splitlines()
    if not lines or not lines[-1].startswith("{"):
        pytest.fail(f"on MicroPython:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def test_the_corpus_is_small() -> None:
    sizes = [file.stat().st_size for name in cases.NAMES for file in cases.corpus(name)]
    assert sum(sizes) < CORPUS_MAX
    assert {f"{file.parent.parent.name}/{file.parent.name}" for file in cases.CORPUS.glob("*/*/*")} <= set(cases.NAMES)
