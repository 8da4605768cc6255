"""Build the emulated board's interpreter from the distribution's own MicroPython source package.

Runs on a bare Python 3.11 (./run starts it beside pip): fetches the source through apt, which checks its signatures,
applies the distribution's patches, and makes the unix port in the variant beside this file. Everything lands in the
user's cache folder; the system gets compiler packages at most.

    python3 build.py            build what is missing, print the interpreter's path
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
EMULATOR = HERE.parent
SUITE = "trixie"
VERSION = "1.25.0"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PATCHES_NOT_WANTED = ("0006-extmod-Use-system-mbedtls.patch",)
# C functions that variant/host replaces
WRAPPED = [
    *("mp_hal_ticks_ms", "mp_hal_time_ns", "mp_module_get_builtin", "write"),
    *("gc_init", "gc_collect_start", "gc_collect_root", "gc_collect_end", "gc_alloc", "gc_info"),
]
COMPILERS = ("gcc", "make", "pkg-config", "patch")
PACKAGES = ["gcc", "make", "pkg-config", "patch", "libc6-dev"]


class BuildError(Exception):
    """The interpreter cannot be built here; the text says what to do."""


def cache() -> Path:
    """The folder everything is kept in: $XDG_CACHE_HOME/hadeda or ~/.cache/hadeda."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hadeda"


def exact_numbers() -> bool:
    """Whether this machine can build the 32-bit interpreter whose numbers and heap are the board's."""
    return platform.machine() == "x86_64"


def fingerprint() -> str:
    """Changes whenever the interpreter must be built anew."""
    digest = hashlib.sha256(f"{SUITE} {VERSION} {exact_numbers()}".encode())
    files = [*(EMULATOR / "surface").rglob("*.py"), *(EMULATOR / "stock").rglob("*.py"), *HERE.rglob("*.*")]
    for path in sorted(p for p in files if "__pycache__" not in p.parts):
        digest.update(path.relative_to(EMULATOR).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def built() -> Path:
    """Where the interpreter for this checkout is, once built."""
    return cache() / "micropython" / fingerprint() / "micropython"


def say(text: str) -> None:
    print(f"  micropython: {text}", file=sys.stderr, flush=True)


def call(*command: str | Path, cwd: Path | None = None, log: Path | None = None) -> None:
    """Run a command; on failure say which, and the end of what it printed."""
    both = subprocess.STDOUT
    done = subprocess.run([str(c) for c in command], cwd=cwd, stdout=subprocess.PIPE, stderr=both, text=True)
    if log:
        log.write_text(done.stdout)
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise BuildError(f"'{' '.join(str(c) for c in command)}' failed:\n{tail}")


def become_root() -> list[str] | None:
    """The prefix that makes a command run as root, or None."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None


def install_compilers() -> None:
    """Install what the build needs, if something is missing and we may."""
    packages = PACKAGES + (["gcc-multilib"] if exact_numbers() else [])
    if all(shutil.which(tool) for tool in COMPILERS) and (not exact_numbers() or _compiles_32bit()):
        return
    root = become_root()
    if root is None or not shutil.which("apt-get"):
        names = " ".join(packages)
        raise BuildError(f"packages are missing; run: sudo apt-get install --no-install-recommends {names}")
    say(f"installing {' '.join(packages)}")
    install = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-oDPkg::Lock::Timeout=300"]
    install += ["install", "-qy", "--no-install-recommends"]
    try:
        call(*install, *packages)
    except BuildError:
        call(*root, "apt-get", "-oDPkg::Lock::Timeout=300", "update", "-q")
        call(*install, *packages)


def _compiles_32bit() -> bool:
    program = "#include <errno.h>\n#include <stdio.h>\nint main(void) { return 0; }\n"
    done = subprocess.run(
        ["gcc", "-m32", "-x", "c", "-", "-o", "/dev/null"], input=program.encode(), capture_output=True, check=False
    )
    return done.returncode == 0


def mirror() -> tuple[str, str]:
    """(URI, keyring file or nothing) of the Debian mirror in this machine's own apt configuration."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for path in files:
        if not path.is_file():
            continue
        for stanza in path.read_text(errors="replace").split("\n\n"):
            found = _deb822(stanza) if path.suffix == ".sources" else _one_line(stanza)
            if found:
                return found
    raise BuildError(
        "no Debian mirror in this machine's apt configuration; install MicroPython 1.25 or later and put it on PATH "
        "or name it in HADEDA_MICROPYTHON"
    )


def _deb822(stanza: str) -> tuple[str, str] | None:
    lines = [line for line in stanza.splitlines() if ":" in line and not line.lstrip().startswith("#")]
    fields = {key.strip().lower(): value.strip() for key, value in (line.split(":", 1) for line in lines)}
    uris = fields.get("uris", "").split()
    if "deb" not in fields.get("types", "").split() or not uris or not _is_debian(uris[0]):
        return None
    return uris[0], fields.get("signed-by", "")


def _one_line(text: str) -> tuple[str, str] | None:
    for line in text.splitlines():
        words = [w for w in line.split("#")[0].split() if not w.startswith("[") and not w.endswith("]")]
        if len(words) >= 4 and words[0] == "deb" and _is_debian(words[1]):
            return words[1], ""
    return None


def _is_debian(uri: str) -> bool:
    return uri.rstrip("/").endswith("/debian")


class PrivateApt:
    """apt with a source list of its own, so that the system's configuration stays as it is."""

    def __init__(self, folder: Path) -> None:
        uri, keyring = mirror()
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        sources = folder / "debian.sources"
        sources.write_text(
            f"Types: deb-src\nURIs: {uri}\nSuites: {SUITE}\nComponents: main\nSigned-By: {keyring or KEYRING}\n"
        )
        self.folder = folder
        self.options = [
            f"-oDir::Etc::SourceList={sources}",
            "-oDir::Etc::SourceParts=/dev/null",
            f"-oDir::State::Lists={folder / 'lists'}",
            f"-oDir::Cache={folder}",
            "-oAPT::Sandbox::User=",
            "-oAcquire::Languages=none",
        ]
        call("apt-get", "-q", *self.options, "update")

    def source(self, package: str) -> None:
        """Download a source package; apt checks its signature."""
        call("apt-get", "-q", *self.options, "source", "--download-only", package, cwd=self.folder)


def fetch_source(work: Path) -> Path:
    """The patched source tree with mbedTLS in its place, fetched once.

    Debian's MicroPython uses the system's mbedTLS; ours compiles it in as the firmware does, in its own configuration:
    no 32-bit library has to be found, and a TLS session takes from the heap what it takes on the board.
    """
    tree = work / f"micropython-{VERSION}"
    if (tree / ".ready").exists():
        return tree
    shutil.rmtree(tree, ignore_errors=True)
    say(f"fetching the sources of MicroPython {VERSION} and mbedTLS from Debian {SUITE}")
    apt = PrivateApt(work / "apt")
    for package in ("micropython", "mbedtls"):
        apt.source(package)
    unpack(apt.folder, f"micropython_{VERSION}*.orig.tar.*", work)
    unpack(apt.folder, f"micropython_{VERSION}*.debian.tar.*", tree)
    shutil.rmtree(tree / "lib/mbedtls")
    unpack(apt.folder, "mbedtls_*.orig.tar.*", tree / "lib").rename(tree / "lib/mbedtls")
    for name in (tree / "debian/patches/series").read_text().split():
        if name not in PATCHES_NOT_WANTED:
            call("patch", "-sp1", "-i", f"debian/patches/{name}", cwd=tree)
    (tree / ".ready").touch()
    return tree


def unpack(folder: Path, pattern: str, target: Path) -> Path:
    """Unpack the newest archive of that name; returns the folder it made in `target`."""
    archive = max(folder.glob(pattern))
    with tarfile.open(archive) as tar:
        top = tar.getnames()[0].split("/")[0]
        # Python 3.11.2, Debian 12's, has no filters yet; the archives' signatures were checked by apt
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(target)
    return target / top


def compile_interpreter(tree: Path, work: Path) -> Path:
    """Make mpy-cross (for the frozen modules) and the interpreter."""
    jobs = f"-j{os.cpu_count() or 2}"
    emulator = tree / "emulator"
    if not (tree / "mpy-cross/build/mpy-cross").exists():
        say("compiling mpy-cross")
        call("make", jobs, "-C", tree / "mpy-cross", log=work / "mpy-cross.log")
    options = [f"VARIANT_DIR={emulator / 'variant'}", f"FROZEN_MANIFEST={emulator / 'variant/manifest.py'}"]
    options.append(f"USER_C_MODULES={emulator / 'variant'}")
    options.append("LDFLAGS_EXTRA=-no-pie -Wl," + ",".join(f"--wrap={name}" for name in WRAPPED))
    if exact_numbers():
        options.append("MICROPY_FORCE_32BIT=1")
    made = tree / "ports/unix/build-variant"
    if not _same_tree(HERE / "variant", emulator / "variant"):
        shutil.rmtree(made, ignore_errors=True)  # make does not notice a C module that is gone
    shutil.rmtree(emulator, ignore_errors=True)
    for part, source in (("stock", EMULATOR), ("surface", EMULATOR), ("variant", HERE)):
        shutil.copytree(source / part, emulator / part, ignore=shutil.ignore_patterns("__pycache__"))
    say(f"compiling the interpreter ({'32' if exact_numbers() else '64'}-bit, single precision)")
    call("make", jobs, "-C", tree / "ports/unix", *options, log=work / "interpreter.log")
    return made / "micropython"


def _same_tree(one: Path, other: Path) -> bool:
    files = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    return all((other / name).exists() and (other / name).read_bytes() == (one / name).read_bytes() for name in files)


def build() -> Path:
    """The interpreter's path; built if this checkout's is not there yet."""
    target = built()
    if target.exists():
        return target
    install_compilers()
    work = cache() / "build"
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another checkout may be building
        if not target.exists():
            keep(compile_interpreter(fetch_source(work), work), target)
    return target


def keep(made: Path, target: Path) -> None:
    """Put the interpreter in its place, all at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(f".{os.getpid()}")
    shutil.copy2(made, temporary)
    temporary.replace(target)
    say(f"ready: MicroPython {VERSION}")


if __name__ == "__main__":
    try:
        print(build())
    except BuildError as error:
        sys.exit(f"hadeda: cannot build MicroPython: {error}")
