# mypy: ignore-errors
"""MicroPython put before a node's main.py on an emulated board: tells what its life takes of flash and heap.

Every line it prints begins with "bench": the modules as they are imported, with what each keeps on the heap; how much
was read from the flash by the first sample; each new high-water mark of the heap, garbage included, and what of it was
alive. Its own objects are there before the count begins.
"""

import builtins
import gc
import sys

import esp32
import flashbdev
import vfs

_reads = [0, 0]
_peak = [0, 0]
_nested = []
_import = builtins.__import__
_read = esp32.Partition.readblocks


def _counted(self, block, buffer, offset=0):
    _reads[0] += 1
    _reads[1] += len(buffer)
    _read(self, block, buffer, offset)


def _measured(name, *arguments):
    if name in sys.modules:
        return _import(name, *arguments)
    gc.collect()
    before = gc.mem_alloc()
    _nested.append(0)
    module = _import(name, *arguments)
    gc.collect()
    grown = gc.mem_alloc() - before
    print("bench module", name, grown - _nested.pop())
    if _nested:
        _nested[-1] += grown
    return module


def _watch(observe):
    def observed(self):
        observe(self)
        used = gc.mem_alloc() - _taken
        if used > _peak[0]:
            _peak[0] = used
            gc.collect()
            print("bench heap", used, gc.mem_alloc() - _taken)
            if not _peak[1]:
                _peak[1] = 1
                for name in sys.modules:
                    print("bench kept", name)

    return observed


def _first(reading):
    def told(self, channel, scaled):
        if _reads:
            print("bench first", _reads[0], _reads[1])
            _reads[:] = 0, 0
            sample.Output.reading = reading
        reading(self, channel, scaled)

    return told


esp32.Partition.readblocks = _counted
vfs.umount("/")
vfs.mount(vfs.VfsLfs2(flashbdev.bdev, readsize=32, progsize=32, lookahead=32, mtime=False), "/")
gc.collect()
_taken = gc.mem_alloc()
# Relative imports, which asyncio has, do not go through a stand-in: what the node uses of it is imported before
import asyncio  # noqa: E402

for _name in ("Event", "StreamReader", "open_connection", "wait_for_ms"):
    getattr(asyncio, _name)
gc.collect()
print("bench module asyncio", gc.mem_alloc() - _taken)
builtins.__import__ = _measured
_reads[:] = 0, 0
gc.threshold(2048)
import envelope.cose  # noqa: E402, F401
from node import health, main, sample  # noqa: E402

health.Health.observe = _watch(health.Health.observe)
sample.Output.reading = _first(sample.Output.reading)
main.start()
