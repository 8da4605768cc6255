"""The radio: Wi-Fi up and down, a stream to the broker, one question to a time server."""

import asyncio
import errno
import socket

import network
from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.clock import Clock

_JOIN_MS = const(20000)
_JOIN_POLL_MS = const(200)


class Radio:
    """On only while there is something to say."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock
        self._wlan = network.WLAN(network.STA_IF)

    async def up(self, ssid: str, password: str) -> None:
        """Join a network. OSError(ETIMEDOUT) when that takes more than 20 seconds."""
        self._wlan.active(True)
        if self._wlan.isconnected():
            return
        self._wlan.connect(ssid, password)
        for _ in range(_JOIN_MS // _JOIN_POLL_MS):
            if self._wlan.isconnected():
                return
            await self._clock.sleep_ms(_JOIN_POLL_MS)
        raise OSError(errno.ETIMEDOUT)

    def down(self) -> None:
        """Leave the network and switch off, whatever state the radio is in."""
        try:
            self._wlan.disconnect()
        except OSError:
            pass  # it was not joined
        self._wlan.active(False)

    async def connect(self, host: str, port: int, ca: "bytes | None") -> "Stream":
        """A TCP stream, inside TLS when `ca` (DER) is given: the server must show a certificate of it for `host`."""
        context: Any = None
        if ca is not None:
            import tls

            context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
            context.verify_mode = tls.CERT_REQUIRED
            context.load_verify_locations(ca)
        reader, _ = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        return Stream(reader)

    async def ask(self, host: str, port: int, question: bytes, answer_size: int) -> bytes:
        """One datagram out, the first one back (from whom, the caller has to find out). No timeout of its own."""
        address = socket.getaddrinfo(host, port, 0, socket.SOCK_DGRAM)[0]
        sock = socket.socket(address[0], socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.sendto(question, address[-1])
            return await asyncio.StreamReader(sock).read(answer_size)
        finally:
            sock.close()


class Stream:
    """What the MQTT client needs of a connection."""

    def __init__(self, stream: "Any") -> None:
        self._stream = stream

    async def read_exactly(self, count: int) -> bytes:
        """EOFError when the peer closes before that."""
        return await self._stream.readexactly(count)

    async def write(self, data: bytes) -> None:
        self._stream.write(data)
        await self._stream.drain()

    async def close(self) -> None:
        self._stream.close()
        await self._stream.wait_closed()


def noise_on() -> None:
    """Switch the radio on without joining anything, so that the hardware generator is fed by it."""
    network.WLAN(network.STA_IF).active(True)


def noise_off() -> None:
    network.WLAN(network.STA_IF).active(False)
