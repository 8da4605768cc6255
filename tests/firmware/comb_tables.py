"""The comb of a point, by the host's tools: on MicroPython too, where they are in no path."""

import sys

if "host_tools" not in sys.path:
    sys.path.append("host_tools")

from hadeda.provision.comb import tables

__all__ = ["tables"]
