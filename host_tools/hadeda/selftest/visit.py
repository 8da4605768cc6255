"""A self-test from the first line to the last; whatever breaks on the way becomes a line of it."""

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hadeda.city import City
from hadeda.clock import utc_now
from hadeda.errors import PortError, ProvisionError
from hadeda.provision.port import NodePort
from hadeda.provision.steps import standing
from hadeda.registry import Node
from hadeda.selftest import keeping, reaching, sealing, sensing
from hadeda.selftest.checks import Check, Status
from hadeda.selftest.programs import ask

Show = Callable[[Check], None]
Clock = Callable[[], datetime]
# What comes of reading an answer that is JSON and nothing that our programs say: the board may run anything
NONSENSE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, struct.error)
REACH_S = 90.0  # joining, asking for the time, four steps to the broker


def self_test(
    port_name: str, city: City, *, offline: bool = False, show: Show = lambda _: None, clock: Clock = utc_now
) -> tuple[Node, list[Check]]:
    """Test the node on `port_name` and start it again; raises PortError, and ProvisionError where it is none of ours.

    `show` is told every line as it is known; `offline` leaves the radio alone.
    """
    with NodePort(port_name) as port:
        try:
            state, node = standing(port, city)
            if state != "enrolled":
                raise ProvisionError("the board is not provisioned", "run `hadeda node provision` first")
            if node is None:
                raise ProvisionError("the board is a node of another city", "name its city with --city")
            return node, self_test_at(port, city, node, offline=offline, show=show, clock=clock)
        finally:
            port.reset()


def self_test_at(
    port: NodePort,
    city: City,
    node: Node,
    *,
    offline: bool = False,
    show: Show = lambda _: None,
    clock: Clock = utc_now,
) -> list[Check]:
    """Every line of the test of `node`, which is at this port. The node is not started again."""
    visit = _Visit(port, city, node, show, clock)
    if visit.take("configuration", visit.configuration, "provision it again"):
        visit.take("sensors", visit.sensors, "see the board's page for the wiring")
        visit.take("flash", visit.flash, "erase it and start over")
        visit.take("sealed report", visit.sealed, "provision it again")
        visit.take("network", visit.unheard if offline else visit.network, "try again with --offline for the rest")
    return visit.checks


class _Visit:
    """One test: `checks` so far, and what the node told of itself."""

    def __init__(self, port: NodePort, city: City, node: Node, show: Show, clock: Clock) -> None:
        self.checks: list[Check] = []
        self._port = port
        self._city = city
        self._node = node
        self._show = show
        self._clock = clock
        self._standing: Mapping[str, Any] = {}
        self._gone = False

    def take(self, name: str, group: Callable[[], list[Check]], advice: str) -> bool:
        """Add a group of lines, or the one that says why there are none; whether they are there."""
        checks = [Check(name, Status.SKIPPED, "the board is gone")]
        if not self._gone:
            try:
                checks = group()
            except PortError as error:
                self._gone = True
                checks = [Check(name, Status.FAIL, error.message, "plug it in again and start over")]
            except ProvisionError as error:
                checks = [Check(name, Status.FAIL, error.message, advice)]
            except NONSENSE as error:
                found = f"what the board tells makes no sense ({type(error).__name__})"
                checks = [Check(name, Status.FAIL, found, "provision it again")]
        self.checks += checks
        for check in checks:
            self._show(check)
        return bool(self._standing)

    def configuration(self) -> list[Check]:
        said = ask(self._port, "standing", "tell()")
        if self._node.revoked_at is not None:
            found = f"{self._node.name} was revoked: the city refuses its reports"
            return [Check("configuration", Status.FAIL, found, "provision it again with --replace")]
        self._standing = said
        named = f"{self._node.name}, {said['board']}, {len(said['sensors'])} sensors"
        return [Check("configuration", Status.PASS, named)]

    def sensors(self) -> list[Check]:
        return sensing.sensor_checks(self._standing, self._observe)

    def _observe(
        self, buses: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], listen_s: Sequence[int]
    ) -> dict[str, Any]:
        call = f"observe({dict(buses)!r}, {[dict(entry) for entry in entries]!r}, {list(listen_s)!r})"
        return ask(self._port, "sensing", call, max(listen_s, default=0) + sensing.PROGRAM_S)

    def flash(self) -> list[Check]:
        checks = keeping.keeping_checks(ask(self._port, "keeping", "tell()"))
        if identity := self._standing.get("identity"):
            checks.append(keeping.identity_check(identity["part"], ask(self._port, "element", "tell()")))
        return checks

    def sealed(self) -> list[Check]:
        nonce = sealing.new_nonce()
        said = ask(self._port, "sealing", f"seal({nonce.hex()!r})")
        return [sealing.sealing_check(self._city, self._node, nonce, said)]

    def unheard(self) -> list[Check]:
        """Without the radio: the clock as it was at the beginning, and nothing else."""
        said = ask(self._port, "standing", "tell()")
        skipped = [Check(name, Status.SKIPPED, "the radio was left alone") for name in reaching.RADIO]
        return [reaching.clock_check(_moment(said["unix_ms"]), None, self._clock()), *skipped]

    def network(self) -> list[Check]:
        said = ask(self._port, "reaching", "tell()", REACH_S)
        node = _moment(said["unix_ms"])
        server = None if said["ntp_ms"] is None else _moment(said["ntp_ms"])
        now = self._clock() - timedelta(milliseconds=said["since_ms"])
        return [reaching.clock_check(node, server, now), *reaching.radio_checks(self._standing, said)]


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=unix_ms)
