"""`ntptime` as stock images have it: asks a time server once (RFC 5905 client mode) and sets the clock."""

import socket
import struct
from time import gmtime

__version__ = "0.1.1"

host = "pool.ntp.org"
timeout = 1  # seconds

_PORT = 123
_CLIENT = 0x1B  # no leap warning, version 3, mode 3
_TRANSMIT = 40  # offset of the transmit timestamp
_TO_2000 = 3155673600  # seconds from 1900
_ERA = 1 << 32


def time():
    """Seconds since this port's epoch, by the server's clock; OSError when it does not answer."""
    query = bytearray(48)
    query[0] = _CLIENT
    address = socket.getaddrinfo(host, _PORT)[0][-1]
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        line.settimeout(timeout)
        line.sendto(query, address)
        answer = line.recv(48)
    finally:
        line.close()
    seconds = struct.unpack_from("!I", answer, _TRANSMIT)[0]
    if seconds < _TO_2000:
        seconds += _ERA  # the one that begins in 2036
    return seconds - _TO_2000


def settime():
    """Set the RTC to the server's time, UTC."""
    import machine

    year, month, day, hour, minute, second, weekday = gmtime(time())[:7]
    machine.RTC().datetime((year, month, day, weekday + 1, hour, minute, second, 0))
