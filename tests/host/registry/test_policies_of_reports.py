"""Reports are read by the policy they name; what could not be made under it is refused."""

from typing import Any

import pytest
from sealing import enrolled, example_report, record_policy, signed_policy

from hadeda.city import City
from hadeda.collect import Collector, Status
from hadeda.errors import PolicyError
from hadeda.registry import count_reports, find_node, reports
from hadeda.registry.policies import newest_policy, record


def test_cells_are_named_by_the_version_of_the_report(city: City) -> None:
    node, collector = enrolled(city), Collector(city)
    record_policy(city, p2=3, p5={1: ["car", "bus"], 2: ["approaching"], 3: []})
    assert collector.receive(node.seal(example_report(r5=[-4, 20], r10=[3, 500_000, 500_000, 1]), 0)).reason == ""
    assert collector.receive(node.seal(example_report(r1=1_654_042_500), 1)).reason == ""
    new, old = reports(city.database)
    assert [(cell.road_user, cell.speed_band_kmh, cell.count, cell.withheld) for cell in new.traffic] == [
        ("car", "", None, "sensor blind"),
        ("bus", "", 20, None),
    ]
    assert (new.policy_version, old.policy_version, len(old.traffic)) == (3, 2, 8)


def test_the_city_knows_under_which_policy_a_node_counts(city: City) -> None:
    node, collector = enrolled(city), Collector(city)
    record_policy(city, p2=3)
    assert find_node(city.database, "corner").policy == 2
    collector.receive(node.seal(example_report(r10=[3, 500_000, 500_000, 1]), 5))
    collector.receive(node.seal(example_report(), 4))
    assert find_node(city.database, "corner").policy == 3, "an older report came later"
    collector.receive(node.seal(example_report(r4={}, r5=[], r10=[0, 0, 0, 1]), 6))
    assert find_node(city.database, "corner").policy == 0


def test_a_node_without_a_policy_is_heard_all_the_same(city: City) -> None:
    outcome = Collector(city).receive(enrolled(city).seal(example_report(r4={}, r5=[], r10=[0, 0, 2**31 - 1, 1]), 0))
    assert outcome.status is Status.STORED
    (report,) = reports(city.database)
    assert (report.traffic, report.policy_version, report.spent) == ((), 0, 2**31 - 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"r10": [9, 500_000, 500_000, 1]}, "policy 9 is not known"),
        ({"r5": [12] * 7}, "7 traffic cells under a policy that has 8"),
        ({"r5": [12] * 9}, "9 traffic cells under a policy that has 8"),
        ({"r5": [12] * 7 + [4]}, "below the policy's k"),
        ({"r10": [2, 500_001, 1_500_000, 1]}, "costs more than the policy allows"),
        ({"r5": [12] * 7 + [0]}, "is not a number from 1 to 2147483647"),
        ({"r5": bytes([0, 12] * 7 + [0])}, "traffic is not a row of cells"),
        ({"r10": [2, 500_000, 2**31, 1]}, "epsilon spent is not a number"),
        ({"r10": [2, 500_000, 499_999, 1]}, "epsilon of the release is not a number"),
        ({"r10": [2, 0, 500_000, 1]}, "no epsilon was spent"),
        ({"r10": [0, 0, 0, 1]}, "without a policy"),
        ({"r11": 40}, "footfall under a policy that has none"),
        ({"r11": 0}, "is not a number from 1 to 2147483647"),
    ],
)
def test_what_no_honest_node_sends_under_its_policy_is_refused(
    city: City, changes: dict[str, Any], reason: str
) -> None:
    outcome = Collector(city).receive(enrolled(city).seal(example_report(**changes), 0))
    assert outcome.status is Status.REJECTED
    assert reason in outcome.reason
    assert count_reports(city.database) == 0


def test_air_that_the_policy_does_not_allow_is_refused(city: City) -> None:
    node = enrolled(city)
    record_policy(city, p2=3, p4=[1, 2, 3])
    outcome = Collector(city).receive(node.seal(example_report(r10=[3, 500_000, 500_000, 1]), 0))
    assert outcome.reason == "air channel that the policy does not allow"


def test_a_version_is_one_policy_for_good(city: City) -> None:
    record_policy(city)
    record_policy(city)
    with pytest.raises(PolicyError, match="version 2 is another policy already"):
        record_policy(city, p6=6)
    record_policy(city, p2=5)
    with pytest.raises(PolicyError, match="version 4 is older than the city's newest, 5"):
        record_policy(city, p2=4)
    with city.database.read() as session:
        newest = newest_policy(session)
    assert newest is not None
    assert (newest.version, newest.content.k) == (5, 5)


def test_the_first_signature_of_a_policy_stays(city: City) -> None:
    first, again = signed_policy(city), signed_policy(city)
    assert first != again
    with city.database.write() as session:
        assert record(session, first, city.keyring.public(4)).signed == first
        assert record(session, again, city.keyring.public(4)).signed == first


def test_a_policy_for_another_city_is_not_recorded(city: City) -> None:
    with pytest.raises(PolicyError, match="for another city"):
        record_policy(city, p1=bytes(32))
