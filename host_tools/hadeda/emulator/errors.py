"""What a board call answers instead of a result: the errno a real ESP32 raises, and its IDF name where it has one."""

EIO, EAGAIN, ENODEV, EINVAL, EOPNOTSUPP = 5, 11, 19, 22, 95
ECONNRESET, ECONNREFUSED, ECONNABORTED, ETIMEDOUT, EHOSTUNREACH, ENOTCONN = 104, 111, 113, 116, 118, 128
ENFILE = 23


class BoardOSError(Exception):
    """Raised by a device; the board sees OSError(code) or OSError(code, name). Numbers are newlib's (ESP-IDF)."""

    def __init__(self, code: int, name: str = "") -> None:
        super().__init__(code, name)
        self.code = code
        self.name = name
