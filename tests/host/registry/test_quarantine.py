"""The quarantine: reason and bytes are kept, and noise cannot fill a disk."""

import os
from datetime import UTC, datetime, timedelta

from hadeda.city import City
from hadeda.registry import refused
from hadeda.registry.quarantine import add_refused

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def put(city: City, reason: str, payload: bytes, minute: int, rows_max: int = 5) -> None:
    with city.database.write() as session:
        add_refused(session, reason, payload, NOON + timedelta(minutes=minute), rows_max)


def test_reason_size_time_and_bytes_are_kept(city: City) -> None:
    put(city, "because", b"\x00bytes", 1)
    (row,) = refused(city.database)
    assert (row.reason, row.size, row.count, row.head) == ("because", 6, 1, b"\x00bytes")
    assert row.first_at == row.last_at == NOON + timedelta(minutes=1)


def test_the_same_again_is_counted_not_kept_twice(city: City) -> None:
    put(city, "replayed", b"x", 1)
    put(city, "replayed", b"x", 2)
    put(city, "revoked", b"x", 3)
    rows = {row.reason: row for row in refused(city.database)}
    assert (rows["replayed"].count, rows["revoked"].count) == (2, 1)
    assert rows["replayed"].last_at > rows["replayed"].first_at


def test_a_long_message_is_cut_and_its_size_told(city: City) -> None:
    put(city, "too long", os.urandom(1_000_000), 1)
    (row,) = refused(city.database)
    assert (row.size, len(row.head)) == (1_000_000, 1024)


def test_junk_does_not_push_out_what_was_genuine(city: City) -> None:
    with city.database.write() as session:
        for index in range(7):
            add_refused(session, "held", bytes([index]), NOON + timedelta(minutes=index), 5, authentic=True)
    for index in range(100, 120):
        put(city, "noise", bytes([index]), index)
    kept = {row.head[0] for row in refused(city.database)}
    assert kept == {2, 3, 4, 5, 6, 115, 116, 117, 118, 119}


def test_above_the_cap_the_longest_unseen_go(city: City) -> None:
    for index in range(8):
        put(city, "noise", bytes([index]), index)
        put(city, "noise", b"\x00", index)  # seen again and again: it stays
    kept = [row.head[0] for row in refused(city.database)]
    assert len(kept) == 5
    assert 0 in kept
    assert 1 not in kept
