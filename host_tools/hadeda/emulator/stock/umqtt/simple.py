"""`umqtt.simple` as stock images have it: a blocking MQTT 3.1.1 client (OASIS MQTT 3.1.1, 2014) for QoS 0 and 1."""

import socket
import struct
from binascii import hexlify

__version__ = "1.4.0"

_CONNECT, _CONNACK, _PUBLISH, _PUBACK = 0x10, 0x20, 0x30, 0x40
_SUBSCRIBE, _SUBACK, _PINGREQ, _PINGRESP, _DISCONNECT = 0x82, 0x90, 0xC0, 0xD0, 0xE0
_REFUSED = 0x80


class MQTTException(Exception):
    """The broker said no; the argument is its return code."""


def _text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def _length(count):
    """Section 2.2.3: seven bits a byte, the lowest first."""
    out = bytearray()
    while True:
        count, digit = count >> 7, count & 0x7F
        out.append(digit | (0x80 if count else 0))
        if not count:
            return bytes(out)


class MQTTClient:
    def __init__(
        self,
        client_id,
        server,
        port=0,
        user=None,
        password=None,
        keepalive=0,
        ssl=None,
        ssl_params={},  # noqa: B006
    ):
        self.client_id = client_id
        self.sock = None
        self.server = server
        self.port = port or (8883 if ssl else 1883)
        self.ssl = ssl
        self.ssl_params = ssl_params
        self.pid = 0
        self.cb = None
        self.user = user
        self.pswd = password
        self.keepalive = keepalive
        self.lw_topic = None
        self.lw_msg = None
        self.lw_qos = 0
        self.lw_retain = False

    def _send_str(self, value):
        self.sock.write(_text(value))

    def _recv_len(self):
        value = shift = 0
        while True:
            digit = self.sock.read(1)[0]
            value |= (digit & 0x7F) << shift
            if not digit & 0x80:
                return value
            shift += 7

    def set_callback(self, f):
        self.cb = f

    def set_last_will(self, topic, msg, retain=False, qos=0):
        if not 0 <= qos <= 2 or not topic:
            raise ValueError("last will")
        self.lw_topic = topic
        self.lw_msg = msg
        self.lw_qos = qos
        self.lw_retain = retain

    def _open(self, timeout):
        self.sock = socket.socket()
        self.sock.settimeout(timeout)
        self.sock.connect(socket.getaddrinfo(self.server, self.port)[0][-1])
        if self.ssl is True:
            import ssl

            self.sock = ssl.wrap_socket(self.sock, **self.ssl_params)
        elif self.ssl:
            self.sock = self.ssl.wrap_socket(self.sock, server_hostname=self.server)

    def connect(self, clean_session=True, timeout=None):
        """Returns whether the broker kept a session; MQTTException with its return code if it refuses."""
        self._open(timeout)
        flags = 0x02 if clean_session else 0
        body = [_text(self.client_id)]
        if self.lw_topic:
            flags |= 0x04 | self.lw_qos << 3 | self.lw_retain << 5
            body += [_text(self.lw_topic), _text(self.lw_msg)]
        if self.user is not None:
            flags |= 0x80
            body.append(_text(self.user))
            if self.pswd is not None:
                flags |= 0x40
                body.append(_text(self.pswd))
        rest = _text("MQTT") + struct.pack("!BBH", 4, flags, self.keepalive) + b"".join(body)
        self.sock.write(bytes((_CONNECT,)) + _length(len(rest)) + rest)
        answer = self.sock.read(4)
        if len(answer) != 4 or answer[0] != _CONNACK or answer[1] != 2:
            raise OSError(-1)
        if answer[3]:
            raise MQTTException(answer[3])
        return answer[2] & 1

    def disconnect(self):
        self.sock.write(bytes((_DISCONNECT, 0)))
        self.sock.close()

    def ping(self):
        self.sock.write(bytes((_PINGREQ, 0)))

    def _next_pid(self):
        self.pid = self.pid % 0xFFFF + 1
        return self.pid

    def publish(self, topic, msg, retain=False, qos=0):
        """At QoS 1 returns when the broker has acknowledged."""
        if qos not in (0, 1):
            raise ValueError("qos")
        head = _text(topic)
        if qos:
            pid = self._next_pid()
            head += struct.pack("!H", pid)
        self.sock.write(bytes((_PUBLISH | qos << 1 | retain,)) + _length(len(head) + len(msg)) + head)
        self.sock.write(msg)
        while qos:
            if self.wait_msg() == _PUBACK:
                self.sock.read(1)
                if struct.unpack("!H", self.sock.read(2))[0] == pid:
                    return

    def subscribe(self, topic, qos=0):
        if self.cb is None:
            raise ValueError("set_callback first")
        pid = self._next_pid()
        rest = struct.pack("!H", pid) + _text(topic) + bytes((qos,))
        self.sock.write(bytes((_SUBSCRIBE,)) + _length(len(rest)) + rest)
        while True:
            if self.wait_msg() == _SUBACK:
                answer = self.sock.read(4)
                if struct.unpack_from("!H", answer, 1)[0] != pid:
                    raise MQTTException(answer)
                if answer[3] == _REFUSED:
                    raise MQTTException(answer[3])
                return

    def wait_msg(self):
        """Deals with one packet and returns its first byte; None if there was none, or only a ping's answer."""
        first = self.sock.read(1)
        self.sock.setblocking(True)
        if first is None:
            return None
        if not first:
            raise OSError(-1)
        kind = first[0]
        if kind == _PINGRESP:
            self.sock.read(1)
            return None
        if kind & 0xF0 == _PUBLISH:
            self._on_publish(kind)
        return kind

    def _on_publish(self, kind):
        left = self._recv_len()
        topic = self.sock.read(struct.unpack("!H", self.sock.read(2))[0])
        left -= len(topic) + 2
        qos = kind >> 1 & 3
        if qos:
            pid = self.sock.read(2)
            left -= 2
        self.cb(topic, self.sock.read(left))
        if qos == 1:
            self.sock.write(bytes((_PUBACK, 2)) + pid)

    def check_msg(self):
        """As wait_msg, without waiting."""
        self.sock.setblocking(False)
        return self.wait_msg()
