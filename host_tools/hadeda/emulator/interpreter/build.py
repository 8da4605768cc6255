"""Build the emulated board's interpreter from the distribution's own MicroPython source package.

Runs on a bare Python 3.11 (./run starts it beside pip): fetches the source through apt, which checks its signatures,
applies the distribution's patches, and makes the unix port in the variant beside this file. Everything lands in the
user's cache folder; the system gets compiler packages at most.

    python3 build.py            build what is missing, print the interpreter's path
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
EMULATOR = HERE.parent
SUITE = "trixie"
VERSION = "1.25.0"
COMPILERS = ("gcc", "make", "pkg-config", "patch", "xz")
PACKAGES = ["gcc", "make", "pkg-config", "patch", "xz-utils", "libc6-dev"]
TLS_PACKAGES = ("libmbedtls-dev", "libmbedtls14", "libmbedcrypto7", "libmbedx509-1")


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
    done = subprocess.run([str(c) for c in command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
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
    packages = PACKAGES + (["gcc-multilib"] if exact_numbers() else ["libmbedtls-dev"])
    have = all(shutil.which(tool) for tool in COMPILERS) and (not exact_numbers() or _compiles_32bit())
    if have and (exact_numbers() or Path("/usr/include/mbedtls/ssl.h").exists()):
        return
    root = become_root()
    if root is None or not shutil.which("apt-get"):
        raise BuildError(f"packages are missing; run: sudo apt-get install --no-install-recommends {' '.join(packages)}")
    say(f"installing {' '.join(packages)}")
    install = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qy", "--no-install-recommends"]
    try:
        call(*install, *packages)
    except BuildError:
        call(*root, "apt-get", "update", "-q")
        call(*install, *packages)


def _compiles_32bit() -> bool:
    program = "#include <errno.h>\n#include <stdio.h>\nint main(void) { return 0; }\n"
    done = subprocess.run(
        ["gcc", "-m32", "-x", "c", "-", "-o", "/dev/null"], input=program.encode(), capture_output=True, check=False
    )
    return done.returncode == 0


def mirror() -> tuple[str, str, str]:
    """(URI, suite, keyring option) of the Debian mirror this machine is set up for, from its own apt configuration."""
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


def _deb822(stanza: str) -> tuple[str, str, str] | None:
    lines = [line for line in stanza.splitlines() if ":" in line and not line.lstrip().startswith("#")]
    fields = {key.strip().lower(): value.strip() for key, value in (line.split(":", 1) for line in lines)}
    uris, suites = fields.get("uris", "").split(), fields.get("suites", "").split()
    if "deb" not in fields.get("types", "").split() or not uris or not _is_debian(uris[0]):
        return None
    return uris[0], suites[0], fields.get("signed-by", "")


def _one_line(text: str) -> tuple[str, str, str] | None:
    for line in text.splitlines():
        words = [w for w in line.split("#")[0].split() if not w.startswith("[") and not w.endswith("]")]
        if len(words) >= 4 and words[0] == "deb" and _is_debian(words[1]):
            return words[1], words[2], ""
    return None


def _is_debian(uri: str) -> bool:
    return uri.rstrip("/").endswith("/debian")


class PrivateApt:
    """apt with sources and lists of its own, so that the system's configuration stays as it is."""

    def __init__(self, folder: Path, kind: str, suite: str, architecture: str = "") -> None:
        uri, _, keyring = mirror()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        sources = folder / "debian.sources"
        sources.write_text(
            f"Types: {kind}\nURIs: {uri}\nSuites: {suite}\nComponents: main\n"
            f"Signed-By: {keyring or '/usr/share/keyrings/debian-archive-keyring.gpg'}\n"
            + (f"Architectures: {architecture}\n" if architecture else "")
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
        if architecture:
            self.options += [f"-oAPT::Architecture={architecture}", f"-oAPT::Architectures={architecture}"]
        call("apt-get", "-q", *self.options, "update")

    def source(self, package: str) -> None:
        call("apt-get", "-q", *self.options, "source", "--download-only", package, cwd=self.folder)

    def download(self, *packages: str) -> None:
        call("apt-get", "-q", *self.options, "download", *packages, cwd=self.folder)


def fetch_source(work: Path) -> Path:
    """The patched source tree, fetched once."""
    tree = work / f"micropython-{VERSION}"
    if (tree / ".ready").exists():
        return tree
    shutil.rmtree(tree, ignore_errors=True)
    say(f"fetching the source of MicroPython {VERSION} from Debian {SUITE}")
    apt = PrivateApt(work / "apt-source", "deb-src", SUITE)
    apt.source("micropython")
    [original] = apt.folder.glob(f"micropython_{VERSION}*.orig.tar.xz")
    [debian] = apt.folder.glob(f"micropython_{VERSION}*.debian.tar.xz")
    call("tar", "xf", original, "-C", work)
    call("tar", "xf", debian, "-C", tree)
    for name in (tree / "debian/patches/series").read_text().split():
        call("patch", "-sp1", "-i", f"debian/patches/{name}", cwd=tree)
    (tree / ".ready").touch()
    return tree


def fetch_tls(work: Path) -> Path:
    """32-bit mbedTLS, unpacked beside the source: no foreign architecture is added to the system."""
    root = work / "tls-i386"
    if (root / ".ready").exists():
        return root
    say("fetching 32-bit mbedTLS")
    apt = PrivateApt(work / "apt-i386", "deb", mirror()[1], "i386")
    apt.download(*TLS_PACKAGES)
    for package in apt.folder.glob("*.deb"):
        call("dpkg-deb", "-x", package, root)
    for shared in root.rglob("*.so*"):  # so that the archives are linked in, and the result runs anywhere
        shared.unlink()
    (root / ".ready").touch()
    return root


def compile_interpreter(tree: Path, work: Path) -> Path:
    """Make mpy-cross (for the frozen modules) and the interpreter."""
    jobs = f"-j{os.cpu_count() or 2}"
    emulator = tree / "emulator"
    if not (tree / "mpy-cross/build/mpy-cross").exists():
        say("compiling mpy-cross")
        call("make", jobs, "-C", tree / "mpy-cross", log=work / "mpy-cross.log")
    options = [f"VARIANT_DIR={emulator / 'variant'}", f"FROZEN_MANIFEST={emulator / 'variant/manifest.py'}"]
    options.append(f"USER_C_MODULES={emulator / 'variant'}")
    # asyncio reads its ticks in C: it gets the board's, not the computer's (variant/host).
    linking = "-Wl,--wrap=mp_hal_ticks_ms"
    if exact_numbers():
        tls = fetch_tls(work)
        lib = tls / "usr/lib/i386-linux-gnu"
        options += ["MICROPY_FORCE_32BIT=1", f"CFLAGS_EXTRA=-I{tls / 'usr/include'}"]
        linking += f" -L{lib}"
    options.append(f"LDFLAGS_EXTRA={linking}")
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
    made = compile_interpreter(fetch_source(work), work)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(f".{os.getpid()}")
    shutil.copy2(made, temporary)
    temporary.replace(target)
    say(f"ready: MicroPython {VERSION}")
    return target


if __name__ == "__main__":
    try:
        print(build())
    except BuildError as error:
        sys.exit(f"hadeda: cannot build MicroPython: {error}")
