"""One target under Atheris: guided.py TARGET [libFuzzer's arguments]; sees which code an input reaches, and goes on.

Half of the changes are libFuzzer's, to bytes; half are tree.py's, to what the bytes say, where they are CBOR.
"""

from __future__ import annotations

import os
import resource
import shlex
import sys
import traceback
from random import Random

import atheris
import tree

PLANT = "--plant="
# What does not fit is a MemoryError; libFuzzer itself sees only memory that is written to
ADDRESSES_MAX = 512 << 20
NODE_CODE = ["envelope", "node", "sensors"]
HOST_CODE = ["hadeda.envelope", "hadeda.collect", "hadeda.registry", "hadeda.policy", "hadeda.board", "tomllib"]


def main() -> None:
    """Instrument the code that the target is about, and hand over to libFuzzer."""
    name = sys.argv.pop(1)
    code = NODE_CODE if name.startswith("node/") else HOST_CODE
    with atheris.instrument_imports(include=code, enable_loader_override=False):
        import cases

        target = cases.target(name)
        put_in(sys.argv)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_MAX, ADDRESSES_MAX))
    # What a node prints about every bad message would fill the screen
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def one_input(data: bytes) -> None:
        try:
            target.one_input(data)
        except Exception:
            traceback.print_exc()
            raise

    # libFuzzer starts itself again by what stands first, through a shell
    sys.argv[0] = shlex.join([sys.executable, __file__, name])
    atheris.Setup(sys.argv, one_input, custom_mutator=mutated)
    atheris.Fuzz()


def put_in(arguments: list[str]) -> None:
    """Take --plant=NAME out of the arguments, and that bug in; see planted.py."""
    for argument in [argument for argument in arguments if argument.startswith(PLANT)]:
        from planted import PLANTS

        arguments.remove(argument)
        PLANTS[argument.removeprefix(PLANT)].patch().start()


def mutated(data: bytes, size_max: int, seed: int) -> bytes:
    """The next input after `data`."""
    random = Random(seed)
    if random.random() < 0.5:
        # A target may have a first byte of its own before the CBOR
        for prefix in (b"", data[:1]):
            found = tree.changed(data[len(prefix) :], random)
            if found is not None and len(prefix + found) <= size_max:
                return prefix + found
    made: bytes = atheris.Mutate(data, size_max)
    return made


if __name__ == "__main__":
    main()
