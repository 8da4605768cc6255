"""Makes tests/firmware/fakes.py importable, as it is on MicroPython."""

import sys
from pathlib import Path

_SHARED = str(Path(__file__).parents[1])
if _SHARED not in sys.path:
    sys.path.append(_SHARED)
