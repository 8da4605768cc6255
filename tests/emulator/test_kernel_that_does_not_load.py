"""A node with a kernel for another machine enrols and signs all the same, and its health report says so.

An emulated board is no RISC-V core: the shipment for one is what a chip's firmware would refuse.
"""

import shutil
from pathlib import Path

import flash_image
import pytest
from lamp_post import PluggedIn, Template, make_city

from hadeda.envelope.report import KERNEL_WORDS
from hadeda.provision import steps
from hadeda.provision.port import NodePort
from hadeda.provision.shipment import kernel
from hadeda.registry import nodes

ASK = """
from envelope import ecdsa, p256_portable
from node.health import Health
ecdsa.use_kernel()
class Power:
    heap_used = staticmethod(lambda: 0)
class Boots:
    cause = safe = count = 0
print(Health(Power, 0, Boots).row()[2] >> 5, ecdsa.engine is p256_portable)
"""


def test_big_integers_sign_and_health_says_why(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash = Path(shutil.copyfile(template.unenrolled, tmp_path / "flash.bin"))
    monkeypatch.setattr(steps, "shipment", lambda _board: template.parcels)
    with make_city(tmp_path / "city", 8883) as city:
        monkeypatch.setattr(steps, "KERNEL_MPY", 0)
        monkeypatch.setattr(steps, "KERNEL_MPY_MASK", 0)
        with PluggedIn(template.board, flash) as plugged:
            steps.provision(plugged.port, template.board, city, name="corner", now=plugged.now)
        assert [node.name for node in nodes(city.database)] == ["corner"]
    files = flash_image.files(flash, template.board)
    assert {path: files[path] for path in kernel()} == kernel()
    with PluggedIn(template.board, flash) as plugged, NodePort(plugged.port) as port:
        state, p256_portable = port.run(ASK).split()
    assert (KERNEL_WORDS[int(state)], p256_portable) == ("failed", "True")


def test_a_board_that_is_no_risc_v_gets_no_kernel(template: Template) -> None:
    files = flash_image.files(template.flash, template.board)
    assert not set(kernel()) & set(files)
