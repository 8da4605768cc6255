"""`errno` with the ESP32's (newlib's) numbers: a node that compares errno values meets the same ones."""

errorcode = {}


def _fill():
    names = (
        "EPERM 1 ENOENT 2 EIO 5 EBADF 9 EAGAIN 11 ENOMEM 12 EACCES 13 EEXIST 17 ENODEV 19 EISDIR 21 EINVAL 22 "
        "EOPNOTSUPP 95 ECONNRESET 104 ENOBUFS 105 ECONNREFUSED 111 EADDRINUSE 112 ECONNABORTED 113 ETIMEDOUT 116 "
        "EHOSTUNREACH 118 EINPROGRESS 119 EALREADY 120 ENOTCONN 128"
    ).split()
    for name, number in zip(names[::2], names[1::2]):
        globals()[name] = int(number)
        errorcode[int(number)] = name


_fill()
del _fill
