"""What counts as harm: anything raised, more than a second, more memory than there should be."""

from __future__ import annotations

import time
import tracemalloc

import cases

LIMIT_S = 1.0
# A board has 160 KB; a host's reader of one message or file has no use for more than this either
PEAK_MAX = 4 << 20


def done(target: cases.Target, data: bytes) -> str:
    """What harm these bytes do, empty without."""
    try:
        began = time.process_time()
        target.one_input(data)
        took = time.process_time() - began
        tracemalloc.start()
        try:
            target.one_input(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    except Exception as error:
        return repr(error)
    if took >= LIMIT_S:
        return f"took {took:.1f} s"
    return f"took {peak} bytes" if peak >= PEAK_MAX else ""
