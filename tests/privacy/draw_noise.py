"""Runs on MicroPython: many draws of the node's noise as one line of JSON, [[value, how often], ...].

    draw_noise.py EPSILON_MICRO WINDOWS CELLS SEED

Each window's cells are drawn by one call, as on the node. One generator serves all windows, as on the node.
"""

import json
import sys

from envelope.drbg import Drbg
from node import noise

epsilon_micro, windows, cells = (int(argument) for argument in sys.argv[1:4])
drbg = Drbg(sys.argv[4].encode() + bytes(32))
found = {}
for _ in range(windows):
    for value in noise.predraw(drbg, epsilon_micro, cells):
        found[value] = found.get(value, 0) + 1
print(json.dumps(sorted(found.items())))
