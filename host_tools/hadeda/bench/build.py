"""MicroPython's `ports/qemu` for a RISC-V core, built from the distribution's source package.

The source is the one the emulated board's interpreter is built from, fetched by the same code. Nothing is added but
AES (see aes/) and the stock image's heap; the compiler's flags are the port's own (-Os) unless told otherwise: an
ESP32 image is compiled with -O2.
"""

import fcntl
import hashlib
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hadeda.emulator.interpreter import build as source
from hadeda.errors import BenchError

PACKAGES = ("gcc-riscv64-unknown-elf", "picolibc-riscv64-unknown-elf", "qemu-system-misc")
COMPILER = "riscv64-unknown-elf-gcc"
QEMU = "qemu-system-riscv32"
ARCHITECTURE = "rv32imac -misa-spec=2.2"
HEAP = 160 * 1024  # bytes, what a stock ESP32 image has free
OPTIMISATIONS = ("-Os", "-O2", "-O3")
AES = Path(__file__).resolve().parent / "aes"
PEER = AES.with_name("peer")


@dataclass(frozen=True)
class Yardstick:
    """A built MicroPython and what made it."""

    elf: Path
    micropython: str
    gcc: str
    qemu: str
    flags: str


def build(optimisation: str = OPTIMISATIONS[0], module: Path = AES) -> Yardstick:
    """The yardstick, built where this checkout's is not there yet. Raises BenchError with what to install.

    `module` is the folder of what is added to MicroPython: AES, or PEER to measure others.
    """
    install()
    flags = f"-march={ARCHITECTURE} {optimisation} -DNDEBUG"
    gcc = _version(COMPILER)
    target = source.cache() / "bench" / _fingerprint(flags, gcc, module) / "firmware.elf"
    if not target.exists():
        try:
            _make(optimisation, target, module)
        except source.BuildError as error:
            raise BenchError("MicroPython for QEMU does not build", str(error)) from error
    return Yardstick(target, source.VERSION, gcc, _version(QEMU), flags)


def install() -> None:
    """Install cross compiler, C library and QEMU where they are missing and we may."""
    if all(shutil.which(tool) for tool in (COMPILER, QEMU)) and _has_picolibc():
        return
    root = source.become_root()
    command = f"apt-get install --no-install-recommends {' '.join(PACKAGES)}"
    if root is None or not shutil.which("apt-get"):
        raise BenchError("the RISC-V compiler or QEMU is missing", f"run: sudo {command}")
    source.say(f"installing {' '.join(PACKAGES)}")
    install = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qy", "--no-install-recommends"]
    try:
        try:
            source.call(*install, *PACKAGES)
        except source.BuildError:
            source.call(*root, "apt-get", "update", "-q")
            source.call(*install, *PACKAGES)
    except source.BuildError as error:
        raise BenchError(f"'{command}' failed", str(error)) from error


def _has_picolibc() -> bool:
    return Path(_output(COMPILER, "--print-file-name=picolibc.specs")).is_absolute()


def _version(tool: str) -> str:
    """The version a tool prints, with the distribution's revision."""
    return _output(tool, "--version").splitlines()[0].split(" ", 1)[1].removeprefix("emulator version ")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _fingerprint(flags: str, gcc: str, module: Path) -> str:
    digest = hashlib.sha256(f"{source.SUITE} {source.VERSION} {HEAP} {flags} {gcc} {platform.machine()}".encode())
    for path in sorted(module.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _make(optimisation: str, target: Path, module: Path) -> None:
    source.install_compilers()
    work = source.cache() / "build"
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the emulated board's interpreter comes from the same tree
        tree = source.fetch_source(work)
        source.say(f"compiling for QEMU's RISC-V board ({optimisation})")
        made = target.parent / "build"
        modules = target.parent / "modules"
        shutil.copytree(module, modules / module.name, dirs_exist_ok=True)
        options = ["BOARD=VIRT_RV32", f"BUILD={made}", f"RV32_ARCH={ARCHITECTURE}", f"COPT={optimisation} -DNDEBUG"]
        options += [f"MICROPY_HEAP_SIZE={HEAP}", "FROZEN_MANIFEST=", f"USER_C_MODULES={modules}"]
        source.call("make", "-j2", "-C", tree / "ports/qemu", *options, log=target.parent / "make.log")
        (made / "firmware.elf").replace(target)
        shutil.rmtree(made)
