"""The modules that stock images freeze in work against real peers: MQTT, TLS, NTP, flash, lamps."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from emulator_bench import WORLD, execute, on_bench, power_up

from hadeda.city.certificates import authority, broker_certificate
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.clock import RealTime

JOIN = """\
import network, time
wlan = network.WLAN(network.STA_IF)
wlan.active(True)
wlan.connect('street', 'secret')
while not wlan.isconnected(): time.sleep_ms(50)
"""
CONNACK, REFUSED = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"


@pytest.fixture
def board() -> Iterator[EmulatedBoard]:
    with on_bench() as board:
        power_up(board)
        yield board


@pytest.fixture
def online() -> Iterator[EmulatedBoard]:
    """In real time: real peers have their own pace."""
    with on_bench(clock=RealTime()) as board:
        power_up(board)
        yield board


@contextmanager
def peer(*sessions: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that serves one connection after the other; the port. What a session raises, the test raises."""
    failures: list[BaseException] = []

    def serve(server: socket.socket) -> None:
        try:
            for session in sessions:
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(10)
                    session(connection)
        except BaseException as error:
            failures.append(error)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        thread.join()
    assert not failures


def take(connection: socket.socket) -> bytes:
    """One MQTT packet of fewer than 16 KB."""
    with connection.makefile("rb", buffering=0) as stream:
        head = exactly(stream, 2)
        length = head[1]
        if length & 0x80:
            head += exactly(stream, 1)
            length = length & 0x7F | head[2] << 7
        return head + exactly(stream, length)


def exactly(stream: socket.SocketIO, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = stream.read(count - len(data))
        assert part, "the node hung up"
        data += part
    return data


def test_mqtt_publish_and_subscribe(online: EmulatedBoard) -> None:
    seen: list[bytes] = []
    message = b"x" * 300

    def session(connection: socket.socket) -> None:
        seen.append(take(connection))
        connection.sendall(CONNACK)
        seen.append(take(connection))
        connection.sendall(b"\x40\x02\x00\x01")
        seen.append(take(connection))
        connection.sendall(b"\x90\x03\x00\x02\x01" + b"\x32\x0a\x00\x04down\x00\x09hi")
        seen.append(take(connection))
        seen.append(take(connection))

    with peer(session) as port:
        output = execute(
            online,
            JOIN + "from umqtt.simple import MQTTClient\n"
            f"c = MQTTClient('', '127.0.0.1', {port}, user='city', password='pw', keepalive=60)\n"
            "c.set_callback(lambda topic, message: print('got', topic, message))\n"
            "print(c.connect())\n"
            f"c.publish(b'up', {message!r}, qos=1)\n"
            "c.subscribe(b'down', 1)\n"
            "c.wait_msg()\n"
            "print(c.check_msg())\n"
            "c.disconnect()",
        )
    assert output == "0\ngot b'down' b'hi'\nNone\n"
    assert seen == [
        b"\x10\x16\x00\x04MQTT\x04\xc2\x00\x3c\x00\x00\x00\x04city\x00\x02pw",
        b"\x32\xb2\x02\x00\x02up\x00\x01" + message,
        b"\x82\x09\x00\x02\x00\x04down\x01",
        b"\x40\x02\x00\x09",
        b"\xe0\x00",
    ]


def test_mqtt_refusal_and_silence_are_errors(online: EmulatedBoard) -> None:
    def refuse(connection: socket.socket) -> None:
        take(connection)
        connection.sendall(REFUSED)

    def hang_up(connection: socket.socket) -> None:
        take(connection)

    with peer(refuse, hang_up) as port:
        client = f"MQTTClient('n', '127.0.0.1', {port}).connect()"
        output = execute(online, JOIN + f"from umqtt.simple import MQTTClient\n{client}")
        assert output.endswith("MQTTException: 5\n")
        assert output.startswith("Traceback")
        assert "OSError" in execute(online, f"from umqtt.simple import MQTTClient\n{client}")


def test_mqtt_robust_connects_again(online: EmulatedBoard) -> None:
    def drop(connection: socket.socket) -> None:
        take(connection)
        connection.sendall(CONNACK)

    def speak(connection: socket.socket) -> None:
        assert take(connection)[9] & 2 == 0, "not a clean session"
        connection.sendall(CONNACK + b"\x30\x08\x00\x04downhi")
        take(connection)

    with peer(drop, speak) as port:
        output = execute(
            online,
            JOIN + "from umqtt.robust import MQTTClient\n"
            f"c = MQTTClient('n', '127.0.0.1', {port}); c.DELAY = 0\n"
            "c.set_callback(lambda topic, message: print('got', topic, message))\n"
            "c.connect(); c.wait_msg(); c.disconnect()",
        )
    assert output == "got b'down' b'hi'\n"


@pytest.fixture
def tls_files(tmp_path: Path) -> Path:
    """ca.der, server.pem and server.key of a city."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    ca = authority(ca_key, "Testville", now)
    server = broker_certificate(key.public_key(), ["127.0.0.1"], ca, ca_key, now)
    (tmp_path / "ca.der").write_bytes(ca.public_bytes(Encoding.DER))
    (tmp_path / "server.pem").write_bytes(server.public_bytes(Encoding.PEM))
    (tmp_path / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return tmp_path


def test_tls_verifies_the_citys_authority(online: EmulatedBoard, tls_files: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls_files / "server.pem", tls_files / "server.key")

    def echo(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.sendall(secure.recv(100))

    def refused(connection: socket.socket) -> None:
        with pytest.raises(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(100)

    def program(ca: bytes) -> str:
        return (
            "import socket, ssl\n"
            "context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
            "context.verify_mode = ssl.CERT_REQUIRED\n"
            f"context.load_verify_locations(cadata={ca!r})\n"
            f"line = socket.socket(); line.connect(('127.0.0.1', {port}))\n"
            "secure = context.wrap_socket(line, server_hostname='127.0.0.1')\n"
            "secure.write(b'sealed'); print(secure.read(6)); secure.close()"
        )

    stranger = authority(ec.generate_private_key(ec.SECP256R1()), "Elsewhere", datetime.now(UTC))
    with peer(echo, refused) as port:
        assert execute(online, JOIN + program((tls_files / "ca.der").read_bytes())) == "b'sealed'\n"
        output = execute(online, program(stranger.public_bytes(Encoding.DER)))
    assert "not correctly signed by the trusted CA" in output


def test_ntptime_sets_the_clock(board: EmulatedBoard) -> None:
    output = execute(
        board, JOIN + "import ntptime\nntptime.host = '10.0.0.1'\nntptime.settime()\nprint(time.time() + 946684800)"
    )
    assert int(output) == pytest.approx(WORLD.start_s + 2, abs=5)


def test_ntptime_without_answer_is_an_error(board: EmulatedBoard) -> None:
    board.radio.ntp_offset_s = None
    program = (
        JOIN + "import ntptime\nntptime.host = '10.0.0.1'\nt = time.ticks_ms()\n"
        "try: ntptime.settime()\n"
        "except OSError as error: print(error.errno, time.ticks_diff(time.ticks_ms(), t))"
    )
    code, waited_ms = execute(board, program).split()
    assert code == "116"
    assert int(waited_ms) == pytest.approx(1000, abs=100)


def test_esp_reads_the_flash_by_address(board: EmulatedBoard) -> None:
    program = "import esp; print(esp.flash_size() >> 20, hex(esp.flash_user_start()), esp.flash_read(0x9000, 4))"
    assert execute(board, program) == "4 0x200000 bytearray(b'" + "\\xff" * 4 + "')\n"


def test_lamps_keep_their_colours_and_take_their_time(board: EmulatedBoard) -> None:
    program = (
        "import machine, neopixel, time\n"
        "strip = neopixel.NeoPixel(machine.Pin(4), 8)\nstrip.fill((1, 2, 3)); strip[2] = (9, 8, 7)\n"
        "t = time.ticks_us(); strip.write(); print(strip[1], strip[2], time.ticks_diff(time.ticks_us(), t))"
    )
    *colours, took_us = execute(board, program).rsplit(maxsplit=1)
    assert colours == ["(1, 2, 3) (9, 8, 7)"]
    assert int(took_us) == pytest.approx(8 * 24 * 1.25, rel=0.2)
