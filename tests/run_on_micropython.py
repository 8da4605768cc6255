"""Run one test function on MicroPython: run_on_micropython.py MODULE FUNCTION; the last line says whether it passed."""

import json
import sys

module = __import__(sys.argv[1])
getattr(module, sys.argv[2])()
print(json.dumps({"passed": sys.argv[2]}))
