"""Power-up of the emulated board: hide the machine underneath, mount the flash, boot.py, main.py, then the console."""

import sys

import _wire  # opens the wire before the files of the machine underneath are gone
import bluetooth, errno, esp, esp32, flashbdev, machine, network, os, select, socket, time
import _console, _host, _micropython, _vfs, vfs
from _boot_info import info

sys.modules["micropython"] = _micropython
sys.modules["vfs"] = _vfs
for _module in (errno, machine, os, select, socket, time):
    sys.modules["u" + _module.__name__] = _module
for _name in list(sys.modules):
    if _name[0] == "_" or _name.startswith("machine_") or _name == "opcodes":
        del sys.modules[_name]
if hasattr(_host, "seal"):
    _host.seed(int.from_bytes(os.urandom(4), "little"))
    _host.seal()
sys.path[:] = ["", ".frozen", "/lib"]
sys.argv.clear()

_BOOT_PY = """\
# This file is executed on every boot (including wake-boot from deepsleep)
#import esp
#esp.osdebug(None)
#import webrepl
#webrepl.start()
"""


def _mount():
    bdev = flashbdev.bdev
    vfs.umount("/")
    try:
        vfs.mount(bdev, "/")
    except OSError:
        vfs.VfsLfs2.mkfs(bdev)
        vfs.mount(vfs.VfsLfs2(bdev), "/")
        with open("boot.py", "w") as file:
            file.write(_BOOT_PY)


def _run_file(name, scope, starve_after=0):
    """False when it failed."""
    try:
        os.stat(name)
    except OSError:
        return True
    with open(name) as file:
        source = file.read()
    error = _console.run(source, scope, name, raw=info["raw_repl"], starve_after=starve_after)
    if error is not None:
        _console.print_error(error)
    return error is None


def _power_up():
    import gc

    scope = {"__name__": "__main__"}
    _mount()
    gc.collect()
    if _run_file("boot.py", scope) and not info["raw_repl"]:
        _run_file("main.py", scope, info["starve_after"])
    banner = ('%s; %s\r\nType "help()" for more information.\r\n' % (info["banner"], info["machine"])).encode()
    raw = info["raw_repl"]
    while True:
        if raw:
            _console.raw_repl(scope)
            _console.write(b"\r\n")
        raw = True
        _console.friendly_repl(scope, banner)


_power_up()
