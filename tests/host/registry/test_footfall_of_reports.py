"""Field 11: bits or a reason, only under a policy that has footfall, and never shown without what it means."""

from typing import Any

import pycddl
import pytest
from sealing import dumps, enrolled, example_report, record_policy

from hadeda.city import City
from hadeda.cli.reports import draw
from hadeda.collect import Collector, Status
from hadeda.collect.explain import inside
from hadeda.collect.footfall import MEANING
from hadeda.envelope import Count, parse_report, parse_sealed
from hadeda.errors import Rejected
from hadeda.paths import FIRMWARE
from hadeda.registry import reports

LISTENING = {"p2": 3, "p10": {1: 10, 2: 500_000}, "p11": [1]}
PRIVACY = [3, 1_000_000, 1_000_000, 1]
CDDL = pycddl.Schema((FIRMWARE / "node" / "report.cddl").read_text())


@pytest.mark.parametrize(
    ("field", "footfall"),
    [
        (270, Count(270)),
        (10, Count(10)),
        (-1, Count(None, "below k")),
        (-2, Count(None, "no budget")),
        (-3, Count(None, "not allowed")),
        (-4, Count(None, "sensor blind")),
    ],
)
def test_it_is_stored_as_it_was_said(city: City, field: int, footfall: Count) -> None:
    node, collector = enrolled(city), Collector(city)
    record_policy(city, **LISTENING)
    said = example_report(r10=PRIVACY, r11=field)
    CDDL.validate_cbor(dumps(said))
    assert collector.receive(node.seal(said, 0)).status is Status.STORED
    assert [report.footfall for report in reports(city.database)] == [footfall]


def test_who_does_not_listen_says_nothing_of_it(city: City) -> None:
    assert Collector(city).receive(enrolled(city).seal(example_report(), 0)).status is Status.STORED
    assert [report.footfall for report in reports(city.database)] == [None]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"r11": 270}, "footfall under a policy that has none"),
        ({"r10": PRIVACY, "r11": 9}, "footfall below the policy's k"),
        ({"r10": [3, 0, 0, 1], "r5": [-4] * 8, "r11": 270}, "no epsilon was spent"),
        ({"r10": [3, 0, 0, 1], "r5": [-4] * 8, "r11": -1}, "no epsilon was spent"),
        ({"r10": [0, 0, 0, 1], "r4": {}, "r5": [], "r11": -4}, "without a policy"),
        ({"r10": [3, 1_000_001, 1_000_001, 1], "r11": 270}, "costs more than the policy allows"),
    ],
)
def test_what_no_honest_node_sends_is_refused(city: City, changes: dict[str, Any], reason: str) -> None:
    node = enrolled(city)
    record_policy(city, **LISTENING)
    outcome = Collector(city).receive(node.seal(example_report(**changes), 0))
    assert outcome.status is Status.REJECTED
    assert reason in outcome.reason


@pytest.mark.parametrize("field", [0, -5, 2**31, None, "270", [270], b"\x01"])
def test_other_types_and_ranges_are_no_report(field: object) -> None:
    said = dumps(example_report(r10=PRIVACY, r11=field))
    with pytest.raises(Rejected):
        parse_report(said)


def test_wherever_it_is_shown_it_is_said_what_it_is(city: City) -> None:
    node, collector = enrolled(city), Collector(city)
    record_policy(city, **LISTENING)
    sealed = node.seal(example_report(r10=PRIVACY, r11=270), 0)
    collector.receive(sealed)
    shown = [field for layer in inside(city, parse_sealed(sealed)) for field in layer.fields]
    assert ("about 313", MEANING) in [(field.value, field.meaning) for field in shown]
    table = draw(reports(city.database), 1)
    assert MEANING in str(table.caption)
    assert any("footfall" in str(column.header) for column in table.columns)
    assert draw([], 0).caption is None
