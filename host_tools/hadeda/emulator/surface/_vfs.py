"""`vfs` without the file system of the machine underneath."""

from vfs import VfsFat, VfsLfs2, mount, umount
