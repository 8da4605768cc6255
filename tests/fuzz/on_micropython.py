"""Put a node target's inputs to it on MicroPython: on_micropython.py TARGET FREE_BYTES MUTATIONS FILE...

Seeds first, which have to be taken, then the files, then mutations of both. Each input has FREE_BYTES of heap and a
second. The last line is what came out, as JSON.
"""

import gc
import json
import sys
import time

from mutate import mutated

LIMIT_S = 1
# Blocks that fill the heap; the smallest says how exactly
_LARGEST, _SMALLEST, _BLOCKS = 1 << 16, 1 << 7, 4096


def ballast(free):
    """What to hold on to so that so many bytes in one piece are free, and nothing else."""
    held = [b""] * _BLOCKS  # at its full length, before there is no room to grow
    gc.collect()
    room = bytearray(free)
    size, place = _LARGEST, 0
    while size >= _SMALLEST and place < _BLOCKS:
        try:
            held[place] = bytearray(size)
            place += 1
        except MemoryError:
            size //= 2
    del room
    gc.collect()
    return held


def main(name, free, mutations, paths):
    target = __import__("targets." + name.replace("/", "."), None, None, ("one_input",))
    bad = []
    inputs = target.seeds()
    for index, data in enumerate(inputs):
        if not target.one_input(data):
            bad.append(["seed " + str(index), "was not taken"])
    for path in paths:
        with open(path, "rb") as stream:  # noqa: PTH123 (MicroPython)
            inputs.append(stream.read())
    held = ballast(free)
    free_at_start = gc.mem_free()
    done = 0
    for index in range(len(inputs)):
        for turn in range(mutations + 1):
            data = inputs[index] if not turn else mutated(inputs[index], inputs[-index], turn)
            began = time.clock()
            try:
                target.one_input(data)
            except Exception as error:
                bad.append([data.hex(), repr(error)])
            if time.clock() - began > LIMIT_S:
                bad.append([data.hex(), "took more than a second"])
            done += 1
    del held
    print(json.dumps({"inputs": done, "bad": bad[:5], "free": free_at_start}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
