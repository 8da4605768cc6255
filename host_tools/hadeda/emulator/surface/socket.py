"""`socket` of the ESP32 port (lwIP): whatever is sent goes through the host's model of the radio and the network."""

import errno
import io
import struct
import _wire
import opcodes
from time import ticks_add, ticks_diff, ticks_ms

AF_INET = 2
AF_INET6 = 10
SOCK_STREAM = 1
SOCK_DGRAM = 2
SOCK_RAW = 3
IPPROTO_IP = 0
IPPROTO_TCP = 6
IPPROTO_UDP = 17
IP_ADD_MEMBERSHIP = 3
SOL_SOCKET = 4095
SO_REUSEADDR = 4
SO_BROADCAST = 32
SO_BINDTODEVICE = 4107
TCP_NODELAY = 1

_POLL = 3
_CLOSE = 4
_POLL_IN = 1
_POLL_OUT = 4
_POLL_INVALID = 32
_CHUNK = 1460  # one TCP segment
# Handles that a garbage collection found unclosed: nothing can be sent while the heap is locked, so later
_doomed = bytearray(opcodes.SOCKETS)


def _close_doomed():
    handle = _doomed.find(b"\x01")
    while handle >= 0:
        _doomed[handle] = 0
        _wire.request(opcodes.SOCKET_CLOSE, bytes((handle,)))
        handle = _doomed.find(b"\x01")


_wire.on_idle = _close_doomed


def getaddrinfo(host, port, af=0, kind=0, proto=0, flags=0):
    address = str(_wire.request(opcodes.NET_RESOLVE, host.encode()), "ascii")
    return [(AF_INET, kind or SOCK_STREAM, 0, host if address == host else address, (address, port))]


class socket(io.IOBase):
    def __init__(self, af=AF_INET, kind=SOCK_STREAM, proto=0):
        _close_doomed()
        self._kind = kind
        self._handle = _wire.request(opcodes.SOCKET_OPEN, bytes((kind,)))[0]
        self._timeout_ms = None
        self._connected = False

    def _ready(self, first_bit):
        return _wire.ready() >> (first_bit + self._handle) & 1

    def _wait(self, first_bit):
        """Wait for room or bytes as the socket's timeout allows."""
        if self._timeout_ms == 0:
            raise OSError(errno.EAGAIN)
        deadline = None if self._timeout_ms is None else ticks_add(ticks_ms(), self._timeout_ms)
        while not self._ready(first_bit):
            left = 1 << 30 if deadline is None else ticks_diff(deadline, ticks_ms())
            if left <= 0:
                raise OSError(errno.ETIMEDOUT)
            _wire.sleep_us(left * 1000, 0xFFFFFFFF & ~(1 << (first_bit + self._handle)))

    def connect(self, address):
        host, port = address
        payload = struct.pack("<BH", self._handle, port) + host.encode()
        _wire.request(opcodes.SOCKET_CONNECT, payload)
        self._connected = True
        if self._kind == SOCK_STREAM:
            if self._timeout_ms == 0:
                raise OSError(errno.EINPROGRESS)
            self._wait(opcodes.READY_SOCKET_OUT)
            self.send(b"")  # says so if the connection was refused

    def settimeout(self, seconds):
        self._timeout_ms = None if seconds is None else int(seconds * 1000)

    def setblocking(self, flag):
        self._timeout_ms = None if flag else 0

    def setsockopt(self, level, option, value):
        return 0

    def bind(self, address):
        raise OSError(errno.EOPNOTSUPP)

    def listen(self, backlog=2):
        raise OSError(errno.EOPNOTSUPP)

    def accept(self):
        raise OSError(errno.EOPNOTSUPP)

    def fileno(self):
        return self._handle

    def makefile(self, mode="rb", buffering=0):
        return self

    def send(self, data):
        while True:
            try:
                head = bytes((self._handle,))
                return struct.unpack("<H", _wire.request(opcodes.SOCKET_SEND, head + bytes(data[:_CHUNK])))[0]
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise
            self._wait(opcodes.READY_SOCKET_OUT)

    def sendall(self, data):
        view = memoryview(data)
        while view:
            view = view[self.send(view) :]

    def write(self, data):
        """Stream protocol: bytes written, None when there is no room now."""
        try:
            return self.send(data)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            return None

    def sendto(self, data, address):
        head = struct.pack("<BH", self._handle, address[1]) + _wire.text(address[0])
        return struct.unpack("<H", _wire.request(opcodes.SOCKET_SENDTO, head + bytes(data)))[0]

    def recvfrom(self, count):
        while True:
            try:
                answer = _wire.request(opcodes.SOCKET_RECEIVE, struct.pack("<BH", self._handle, min(count, _CHUNK)))
                port, length = struct.unpack_from("<HB", answer)
                return bytes(answer[3 + length :]), (str(answer[3 : 3 + length], "ascii"), port)
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise
            self._wait(opcodes.READY_SOCKET_IN)

    def recv(self, count):
        return self.recvfrom(count)[0]

    def readinto(self, buffer, count=None):
        """Stream protocol: bytes read, None when there are none now, 0 at the end."""
        try:
            data = self.recv(len(buffer) if count is None else count)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            return None
        buffer[: len(data)] = data
        return len(data)

    def read(self, count=-1):
        if count >= 0:
            return self._read_exactly(count)
        parts = []
        while True:
            data = self.recv(_CHUNK)
            if not data:
                return b"".join(parts)
            parts.append(data)

    def _read_exactly(self, count):
        parts = []
        while count:
            try:
                data = self.recv(count)
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise
                return b"".join(parts) if parts else None
            if not data:
                break
            parts.append(data)
            count -= len(data)
        return b"".join(parts)

    def readline(self):
        line = b""
        while not line.endswith(b"\n"):
            data = self.recv(1)
            if not data:
                break
            line += data
        return line

    def ioctl(self, request, argument):
        if self._handle is None:
            return _POLL_INVALID if request == _POLL else 0
        if request == _POLL:
            flags = 0
            if argument & _POLL_IN and self._ready(opcodes.READY_SOCKET_IN):
                flags |= _POLL_IN
            if argument & _POLL_OUT and self._ready(opcodes.READY_SOCKET_OUT):
                flags |= _POLL_OUT
            return flags
        if request == _CLOSE:
            _doomed[self._handle] = 1
            self._handle = None
            return 0
        return -errno.EINVAL

    def close(self):
        if self._handle is not None:
            _wire.request(opcodes.SOCKET_CLOSE, bytes((self._handle,)))
            self._handle = None
