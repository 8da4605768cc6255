"""What `hadeda node selftest` does, and what provisioning does of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import typer

from hadeda.city import City
from hadeda.cli import output
from hadeda.provision.lock import lock_at
from hadeda.provision.port import NodePort, only_one_in_sight
from hadeda.registry import Node
from hadeda.selftest import Check, Status, self_test, self_test_at

_COLOURS: Final = {Status.PASS: "green", Status.FAIL: "bold red", Status.SKIPPED: "yellow", Status.NOT_KNOWN: "yellow"}


def test(port: str | None, city_dir: Path | None, offline: bool, as_json: bool) -> None:
    """Test the node, say every line as it is known; exit status 1 where one fails."""
    port = port or only_one_in_sight()
    with City.open(city_dir) as city:
        node, checks = self_test(port, city, offline=offline, show=(lambda _: None) if as_json else show)
    record = {"node": node.name, "node_id": node.node_id, "board": node.board, **describe(checks)}
    output.emit(record, as_json, lambda: f"{node.name}: {verdict(checks)}")
    if failed(checks):
        raise typer.Exit(1)


def show(check: Check, *, stderr: bool = False) -> None:
    """One line, and below a fail what to do about it."""
    from rich.text import Text

    said = "".join(sign if sign.isprintable() else "?" for sign in f"{check.name}: {check.found}")  # a board said it
    line = Text.assemble((f"{check.status:<10}", _COLOURS[check.status]), said)
    if check.advice:
        line.append(f"\n{'':<10}-> {check.advice}")
    output.console(stderr=stderr).print(line, soft_wrap=True)


def describe(checks: Sequence[Check]) -> dict[str, Any]:
    """The lines for scripts."""
    lines = [{"check": c.name, "status": str(c.status), "found": c.found, "advice": c.advice} for c in checks]
    return {"passed": not failed(checks), "checks": lines}


def failed(checks: Sequence[Check]) -> int:
    """How many fail."""
    return sum(check.status == Status.FAIL for check in checks)


def verdict(checks: Sequence[Check]) -> str:
    """The whole in a few words."""
    bad, good = failed(checks), sum(check.status == Status.PASS for check in checks)
    if bad:
        return f"self-test FAILED in {bad} of {len(checks)} lines"
    return f"self-test passed, {good} lines; {len(checks) - good} skipped or not known"


@dataclass
class Visit:
    """What is done with a node that is enrolled and does not run yet: its self-test, and its lock if nothing failed."""

    city: City
    selftest: bool
    offline: bool
    lock: bool
    checks: list[Check] = field(default_factory=list)
    locked: bool = False

    def __call__(self, at: NodePort, node: Node) -> None:
        """Test it, and lock it."""
        if self.selftest:
            output.say("testing the node")
            show_it = partial(show, stderr=True)
            self.checks += self_test_at(at, self.city, node, offline=self.offline, show=show_it)
        if self.lock and not failed(self.checks):
            lock_at(at, node, self.city)
            self.locked = True

    def record(self) -> dict[str, Any]:
        """For scripts."""
        return {"selftest": describe(self.checks) if self.selftest else None, "locked": self.locked}

    def words(self) -> str:
        """The end of a sentence about the node."""
        return (", locked" if self.locked else "") + (f"; {verdict(self.checks)}" if self.selftest else "")
