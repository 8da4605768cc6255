"""Opening a locked node: what is on the cable may be anything, and gets no signature but the one that is meant."""

import os
import pty
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sealing import enrolled

from hadeda.city import City
from hadeda.envelope import cose, labels
from hadeda.errors import PortError, ProvisionError
from hadeda.provision import lock
from hadeda.registry import find_node

CHALLENGE = bytes(range(16))


class Device:
    """Something on a cable: says `answers` to one `hadeda?` after the other, the last again and again."""

    def __init__(self, *answers: tuple[bytes, bytes], opens: bool = False) -> None:
        self.answers = list(answers)
        self.heard = b""
        self.signed: list[bytes] = []
        self._opens = opens
        self._ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self._theirs = theirs
        self.port = os.ttyname(theirs)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def _live(self) -> None:
        while not self._over.is_set():
            if not select.select([self._ours], [], [], 0.05)[0]:
                continue
            self.heard += os.read(self._ours, 4096)
            *lines, self.heard = self.heard.replace(b"\r", b"\n").split(b"\n")
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        if line == b"hadeda?" and self.answers:
            node_id, challenge = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            os.write(self._ours, f"hadeda: challenge {node_id.hex()} {challenge.hex()}\n".encode())
        elif line.startswith(b"open "):
            self.signed.append(bytes.fromhex(line[5:].decode()))
            os.write(
                self._ours, b"hadeda: opened\nhadeda: open for 600 s\n" if self._opens else b"hadeda: not opened\n"
            )

    @contextmanager
    def plugged_in(self) -> Iterator["Device"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join()
            os.close(self._ours)
            os.close(self._theirs)


def node_id(city: City, name: str) -> bytes:
    return bytes.fromhex(find_node(city.database, name).node_id)


@pytest.fixture
def street(city: City) -> City:
    """A city with two nodes."""
    enrolled(city, "corner")
    enrolled(city, "bridge")
    return city


def test_the_answer_is_signed_by_the_command_key_for_this_node_and_this_purpose(street: City) -> None:
    corner = node_id(street, "corner")
    with Device((corner, CHALLENGE), opens=True).plugged_in() as device:
        opened = lock.open_port(device.port, street)
    assert (opened.node.name, opened.seconds) == ("corner", 600)
    message = cose.parse_sign1(device.signed[0])
    assert message.payload == CHALLENGE
    aad = lock.sealing.strict_cbor.encode([labels.PROFILE, "open", corner])
    cose.verify(message, aad, street.keyring.public(labels.ROLE_COMMAND))


def test_what_says_to_be_the_node_that_was_named_and_then_another_gets_nothing(street: City) -> None:
    corner, bridge = node_id(street, "corner"), node_id(street, "bridge")
    with (
        Device((corner, CHALLENGE), (bridge, CHALLENGE)).plugged_in() as device,
        pytest.raises(ProvisionError, match="says to be corner, and then another"),
    ):
        lock.open_port(device.port, street, find_node(street.database, "corner"))
    assert device.signed == []


def test_another_node_than_the_one_that_was_named_gets_nothing(street: City) -> None:
    with (
        Device((node_id(street, "bridge"), CHALLENGE)).plugged_in() as device,
        pytest.raises(ProvisionError, match="is bridge: nothing was signed"),
    ):
        lock.open_port(device.port, street, find_node(street.database, "corner"))
    assert device.signed == []


def test_a_node_of_another_city_gets_nothing(street: City) -> None:
    with (
        Device((bytes(32), CHALLENGE)).plugged_in() as device,
        pytest.raises(ProvisionError, match="is not of this city"),
    ):
        lock.open_port(device.port, street)
    assert device.signed == []


def test_a_node_that_does_not_take_the_key_is_told_so(street: City) -> None:
    with (
        Device((node_id(street, "corner"), CHALLENGE)).plugged_in() as device,
        pytest.raises(ProvisionError, match="corner does not take this city's command key"),
    ):
        lock.open_port(device.port, street)
    assert len(device.signed) == 1


def test_a_port_where_nobody_answers_is_given_up(street: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE_S", 0.5)
    with Device().plugged_in() as device, pytest.raises(PortError, match="no locked node answers"):
        lock.open_port(device.port, street)
