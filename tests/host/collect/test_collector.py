"""The collector: stores each good report exactly once, refuses the rest with its reason, and keeps running."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from sealing import CONFIGURATION, SealingNode, dumps, enrolled, example_report
from sqlalchemy import select, update

from hadeda.city import City
from hadeda.collect import Collector, Outcome, Status
from hadeda.collect import collector as collector_module
from hadeda.envelope import labels
from hadeda.errors import CityError
from hadeda.registry import Epoch, count_reports, refused, reports, revoke

NOW = datetime(2022, 6, 1, 0, 16, tzinfo=UTC)


@pytest.fixture
def collector(city: City) -> Collector:
    return Collector(city, clock=lambda: NOW)


def window(city: City) -> tuple[int, bytes]:
    with city.database.read() as session:
        return tuple(session.execute(select(Epoch.highest, Epoch.seen).where(Epoch.state == "current")).one())


def reason(outcome: Outcome) -> str:
    assert outcome.status is not Status.STORED
    return outcome.reason


def test_a_report_is_stored_in_words_and_units(city: City, collector: Collector) -> None:
    node = enrolled(city)
    sealed = node.seal(example_report(r6={8 + 3: 2}), 0)
    outcome = collector.receive(sealed)
    assert (outcome.status, outcome.node, outcome.epoch, outcome.sequence) == (Status.STORED, "corner", 1, 0)
    (report,) = reports(city.database)
    assert (report.node, report.node_id, report.epoch, report.sequence) == ("corner", node.node_id.hex(), 1, 0)
    assert (report.window_start, report.window_s) == (datetime(2022, 6, 1, tzinfo=UTC), 900)
    assert (report.clock, report.received_at, report.sealed_bytes) == ("synchronised", NOW, len(sealed))
    assert [reading.channel for reading in report.air] == [
        "temperature", "relative_humidity", "pressure", "pm1_0", "pm2_5",
    ]  # fmt: skip
    assert (report.air[0].mean, report.air[0].minimum, report.air[0].maximum) == (18.34, 17.82, 18.95)
    assert [cell.count for cell in report.traffic] == [12, 30, 7, None, 11, 28, 9, 5]
    assert [cell.withheld for cell in report.traffic] == [None] * 3 + ["below k"] + [None] * 4
    assert (report.policy_version, report.epsilon, report.spent) == (2, 500_000, 1_500_000)
    assert (report.traffic[5].direction, report.traffic[5].speed_band_kmh) == ("receding", "30-49")
    assert [(fault.part, fault.kind, fault.count) for fault in report.faults] == [("pms5003", "bad frame", 2)]
    assert (report.health.heap_high_water_bytes, report.health.key_store) == (61_440, "file")
    assert refused(city.database) == []


def test_a_report_that_comes_again_is_counted_once_and_no_offence(city: City, collector: Collector) -> None:
    sealed = enrolled(city).seal(example_report(), 7)
    assert collector.receive(sealed).status is Status.STORED
    for _ in range(3):
        outcome = collector.receive(sealed)
        assert (outcome.status, outcome.node, outcome.sequence) == (Status.REPEATED, "corner", 7)
    assert count_reports(city.database) == 1
    assert refused(city.database) == []
    assert collector.counts == {Status.STORED: 1, Status.REPEATED: 3}


def test_a_report_that_was_lost_on_the_way_is_taken_however_many_came_after_it(
    city: City, collector: Collector
) -> None:
    node = enrolled(city)
    lost = [node.seal(example_report(), sequence) for sequence in range(300)]
    for sequence in (4_000, *range(300, 500), labels.EPOCH_MESSAGES_MAX - 1):
        assert collector.receive(node.seal(example_report(), sequence)).status is Status.STORED
    for sealed in reversed(lost):
        assert collector.receive(sealed).status is Status.STORED
    assert {collector.receive(sealed).status for sealed in lost} == {Status.REPEATED}
    assert count_reports(city.database) == 502


def test_what_was_accepted_is_remembered_beyond_the_collector(city: City, collector: Collector) -> None:
    sealed = enrolled(city).seal(example_report(), 3)
    collector.receive(sealed)
    with City.open(city.directory) as again:
        assert Collector(again).receive(sealed).status is Status.REPEATED


def test_number_and_report_are_stored_together_or_not_at_all(
    city: City, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = enrolled(city).seal(example_report(), 3)
    before = window(city)

    def power_cut(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(collector_module, "add_report", power_cut)
    with pytest.raises(KeyboardInterrupt):
        collector.receive(sealed)
    monkeypatch.undo()
    assert window(city) == before
    assert count_reports(city.database) == 0
    assert collector.receive(sealed).status is Status.STORED
    assert window(city) == (3, b"\x08")


def test_a_failing_database_is_no_verdict_on_the_message(
    city: City, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = enrolled(city).seal(example_report(), 3)

    def full(*_arguments: Any) -> None:
        raise CityError("disk full")

    monkeypatch.setattr(collector_module, "add_report", full)
    with pytest.raises(CityError):
        collector.receive(sealed)
    monkeypatch.undo()
    assert collector.receive(sealed).status is Status.STORED
    assert refused(city.database) == []


def test_a_defect_of_ours_costs_one_message_and_keeps_its_bytes(
    city: City, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = enrolled(city).seal(example_report(), 3)

    def defect(*_arguments: Any) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(collector_module, "add_report", defect)
    assert reason(collector.receive(sealed)) == "collector failed with KeyError"
    assert refused(city.database)[0].head == sealed


def bad_input(node: SealingNode) -> dict[str, bytes]:
    sealed = node.seal(example_report(), 9)
    protected, headers, ciphertext = cbor2.loads(sealed[1:])

    def swapped(**changes: bytes) -> bytes:
        names = {"kid": 4, "partial_iv": 6, "epoch": 10}
        changed = {**headers, **{names[name]: value for name, value in changes.items()}}
        return dumps(cbor2.CBORTag(16, [protected, changed, ciphertext]))

    return {
        "empty": b"",
        "truncated": sealed[:-1],
        "swapped epoch": swapped(epoch=b"\x02"),
        "swapped kid": swapped(kid=b"\0\0\0\0"),
        "swapped partial IV": swapped(partial_iv=b"\x0a"),
        "depth bomb": b"\xd0" + b"\x81" * 900,
        "length bomb": b"\xd0\x9b" + b"\xff" * 8,
        "indefinite": b"\xd0\x9f" + sealed[2:] + b"\xff",
        "a megabyte of noise": os.urandom(1_000_000),
        "tag flipped": sealed[:-1] + bytes([sealed[-1] ^ 1]),
        "high s": node.seal(example_report(), 9, high_s=True),
        "not a report": node.seal(b"\x80", 9),
        "wrong number of cells": node.seal(example_report(r5=[1, 2]), 9),
    }


def test_every_kind_of_bad_input_goes_to_quarantine_and_the_next_good_report_is_stored(
    city: City, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    node = enrolled(city)
    bad = bad_input(node)
    before = window(city)
    reasons = {name: reason(collector.receive(payload)) for name, payload in bad.items()}
    assert all(reasons.values()), reasons
    assert window(city) == before, "what is refused counts as no number"
    assert collector.receive(node.seal(example_report(), 9)).status is Status.STORED
    kept = {row.head: row for row in refused(city.database)}
    for name, payload in bad.items():
        row = kept[payload[:1024]]
        assert (row.reason, row.size) == (reasons[name], len(payload)), name
        assert reasons[name] in caplog.text
    assert count_reports(city.database) == 1


def test_each_flipped_byte_and_each_truncation_is_refused(city: City, collector: Collector) -> None:
    sealed = enrolled(city).seal(example_report(), 9)
    for index in range(0, len(sealed), 3):
        collector.receive(sealed[:index])
        collector.receive(sealed[:index] + bytes([sealed[index] ^ 0x41]) + sealed[index + 1 :])
    assert count_reports(city.database) == 0
    assert collector.receive(sealed).status is Status.STORED
    assert set(collector.counts) == {Status.STORED, Status.REJECTED}


def test_two_nodes_that_share_a_kid_are_told_apart(city: City, collector: Collector) -> None:
    first, second = enrolled(city, "first"), enrolled(city, "second")
    with city.database.write() as session:
        session.execute(update(Epoch).values(kid=b"same"))
    first.keys["kid"] = second.keys["kid"] = b"same"
    for node, name in ((first, "first"), (second, "second")):
        outcome = collector.receive(node.seal(example_report(), 0))
        assert (outcome.status, outcome.node) == (Status.STORED, name)


def test_a_revoked_node_is_refused(city: City, collector: Collector) -> None:
    node = enrolled(city)
    revoke(city.database, "corner")
    assert reason(collector.receive(node.seal(example_report(), 0))) == "node is revoked"


def test_reports_from_before_a_new_enrolment_are_still_taken(city: City, collector: Collector) -> None:
    node = enrolled(city)
    backlog = node.seal(example_report(), 0)
    nonce = os.urandom(16)
    city.enrol(node.enrol(city.collector_public, nonce), nonce, name="corner", configuration=CONFIGURATION)
    assert collector.receive(node.seal(example_report(), 0)).status is Status.STORED
    assert collector.receive(backlog).status is Status.STORED
    assert collector.receive(backlog).status is Status.REPEATED


def test_the_newest_reports_are_listed_oldest_first(city: City, collector: Collector) -> None:
    node, other = enrolled(city, "a"), enrolled(city, "b")
    for sequence in range(4):
        start = 1_654_041_600 + 900 * sequence
        collector.receive(node.seal(example_report(r1=start), sequence))
        collector.receive(other.seal(example_report(r1=start), sequence))
    assert [report.sequence for report in reports(city.database, "a", 2)] == [2, 3]
    assert len(reports(city.database)) == 8
    with pytest.raises(CityError, match="no node is called"):
        reports(city.database, "nobody")
    shortest = reports(city.database, limit=1)[0]
    assert replace(shortest, node="b") == shortest
