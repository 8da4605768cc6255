"""`./run fuzz`: coverage-guided fuzzing of every target in turn, for so many minutes in all.

    ./run fuzz [--minutes M] [--keep] [TARGET...]
    ./run fuzz --plant BUG                          # is it found, if it is there? bugs: planted.py
    ./run fuzz --try FILE TARGET                    # one input again

What it finds is left in .fuzz/: inputs that reach new code in .fuzz/corpus/, inputs that do harm in .fuzz/found/, each
named on the screen with the command that tries it again. --keep puts the smallest set of inputs that reaches
everything reached so far into tests/fuzz/corpus/.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cases
from planted import PLANTS

from hadeda.emulator.interpreter.build import cache
from hadeda.paths import ROOT

REQUIREMENTS = cases.HERE / "requirements.txt"
FOLDER = ROOT / ".fuzz"
# An input beyond this says nothing that a shorter one does not; sealed messages have 1,024 bytes at most
LENGTH_MAX = 4096
KEPT_MAX = 2048
LIMITS = [f"-max_len={LENGTH_MAX}", "-timeout=1", "-print_final_stats=1"]


@dataclass(frozen=True)
class Run:
    """How it went with one target: inputs tried, and the file that did harm, if one did."""

    name: str
    inputs: int
    harm: Path | None
    log: str


def main() -> int:
    """The exit status: 1 when something did harm."""
    parser = argparse.ArgumentParser(prog="./run fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5, metavar="M", help="in all (default: 5)")
    parser.add_argument("--keep", action="store_true", help="put what reaches new code into the repository's corpus")
    parser.add_argument("--try", dest="again", type=Path, metavar="FILE", help="put this one input to the one TARGET")
    parser.add_argument("--plant", choices=PLANTS, help="put this bug in, and look whether its target finds it")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(cases.NAMES))
    wanted = parser.parse_args()
    names = [PLANTS[wanted.plant].target] if wanted.plant else wanted.targets or cases.NAMES
    unknown = sorted(set(names) - set(cases.NAMES))
    if unknown or (wanted.again and len(names) != 1):
        parser.error(f"no target {unknown[0]!r}" if unknown else "--try needs one TARGET")
    if wanted.again:
        print("taken" if cases.target(names[0]).one_input(wanted.again.read_bytes()) else "refused, as it should be")
        return 0
    atheris = installed()
    harmed = False
    for name in names:
        run = fuzz(name, 60 * wanted.minutes / len(names), atheris, wanted.plant)
        if wanted.keep and run.harm is None:
            keep(name, atheris)
        print(f"{run.name:<20} {run.inputs:>9,} inputs   {len(cases.corpus(name)):>3} kept", flush=True)
        if run.harm is not None:
            harmed = True
            print(f"{run.log}\n  does harm; try it again: ./run fuzz --try {run.harm} {name}", flush=True)
    return int(harmed)


def installed() -> Path:
    """The folder with Atheris, installed into the user's cache where it is not there yet."""
    wanted = f"{sys.version} {sys.platform}".encode() + REQUIREMENTS.read_bytes()
    folder = cache() / "fuzz" / hashlib.sha256(wanted).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            beside = folder.with_suffix(".part")
            shutil.rmtree(beside, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
            if subprocess.run([*pip, "--target", beside, "-r", REQUIREMENTS], check=False).returncode:
                sys.exit("hadeda: Atheris cannot be installed; it needs Linux, or macOS with LLVM's clang")
            beside.rename(folder)
    return folder


def fuzz(name: str, seconds: float, atheris: Path, plant: str | None = None) -> Run:
    """Let libFuzzer work on one target; new inputs go to .fuzz/, those of a planted bug apart."""
    kind = f"planted-{plant}" if plant else name
    grown, found = FOLDER / "corpus" / kind, FOLDER / "found" / kind
    for folder in (grown, found):
        folder.mkdir(parents=True, exist_ok=True)
    write_seeds(name, grown)
    folders = [] if plant else [cases.CORPUS / name] * bool(cases.corpus(name))
    limit = [f"-max_total_time={max(1, round(seconds))}", f"-artifact_prefix={found}/"]
    log = guided(name, atheris, *([f"--plant={plant}"] if plant else []), *limit, grown, *folders)
    harm = re.search(r"Test unit written to (.+)", log)
    tried = re.search(r"number_of_executed_units: (\d+)", log)
    if harm is None and tried is None:
        sys.exit(f"hadeda: the fuzzer broke off:\n{log[-3000:]}")
    why = log[log.rfind("Traceback") :] if "Traceback" in log else log
    return Run(name, int(tried[1]) if tried else 0, Path(harm[1]) if harm else None, why.partition("\n==")[0][-2000:])


def write_seeds(name: str, folder: Path) -> None:
    """What is right, as files."""
    for seed in cases.target(name).seeds():
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


def keep(name: str, atheris: Path) -> None:
    """Replace the repository's corpus by the smallest set of inputs that reaches as much; regressions stay."""
    kept = cases.CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folders = (Path(scratch), kept, FOLDER / "corpus" / name)
        guided(name, atheris, f"-max_len={KEPT_MAX}", "-set_cover_merge=1", "-use_counters=0", *folders)
        for file in kept.iterdir():
            if not file.name.startswith("found-"):
                file.unlink()
        for file in Path(scratch).iterdir():
            data = file.read_bytes()
            (kept / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def guided(name: str, atheris: Path, *arguments: str | Path) -> str:
    """What libFuzzer says."""
    places = (cases.HERE, ROOT / "tests", ROOT / "firmware", ROOT / "tests" / "cpython_shims", atheris)
    done = subprocess.run(
        [sys.executable, cases.HERE / "guided.py", name, *LIMITS, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    return done.stderr


if __name__ == "__main__":
    sys.exit(main())
