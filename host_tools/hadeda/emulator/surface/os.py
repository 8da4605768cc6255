"""`os` of the ESP32 port: the file system's calls, `uname`, `urandom`; nothing of the machine underneath."""

import struct
import vfs
import _wire
import opcodes
from _boot_info import info
from collections import namedtuple
import uos
from uos import chdir, getcwd, ilistdir, listdir, mkdir, remove, rename, rmdir, statvfs, unlink
from vfs import VfsFat, VfsLfs2, mount, umount

sep = "/"
_UNIX_2000 = 946684800
_uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))


def uname():
    return _uname("esp32", "esp32", info["release"], info["version"], info["machine"])


def stat(path):
    """The times count from 2000, as everywhere on the board; entries without one have 0."""
    fields = uos.stat(path)
    return fields[:7] + tuple(max(0, seconds - _UNIX_2000) for seconds in fields[7:])


def urandom(count):
    return bytes(_wire.request(opcodes.RANDOM, struct.pack("<H", count)))


def sync():
    pass


def dupterm(stream, index=0):
    """No stream was there before, and the emulated serial port stays the only one."""


def dupterm_notify(stream):
    pass
