"""The bench table: every row has every key, `met` follows value and target, the wire row counts real bytes."""

import json
from pathlib import Path

import cbor2
import pytest
from typer.testing import CliRunner

from hadeda.bench import board_life, plain_formats, table
from hadeda.bench.build import Yardstick
from hadeda.bench.conditions import Conditions
from hadeda.bench.row import Row, Target
from hadeda.bench.rows import flash, sealing, wire
from hadeda.bench.sent_report import sent_report
from hadeda.cli import bench
from hadeda.envelope import labels, parse_sealed

KEYS = {"name", "value", "unit", "peer", "peer_value", "target", "met", "how"}
QUICK = Conditions(True, lambda _line: None)


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (5, None, True), (None, None, False), (None, Target("<=", 9), False),
        (9, Target("<=", 9), True), (10, Target("<=", 9), False),
        (9, Target("<", 9), False), (8, Target("<", 9), True),
        (0.6, Target(">=", 0.6), True), (0.3, Target(">=", 0.6), False),
    ],
)  # fmt: skip
def test_met_follows_value_and_target(value: float | None, target: Target | None, met: bool) -> None:
    assert Row("it", value, "s", "by hand", target).met is met


@pytest.mark.parametrize(("value", "target"), [(18, Target("<=", 9)), (0.3, Target(">=", 0.6))])
def test_a_missed_target_says_by_how_much(value: float, target: Target) -> None:
    assert str(Row("it", value, "s", "by hand", target).answer()["how"]).startswith("missed by a factor of 2. ")


def test_the_command_says_json_alone_on_stdout_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "FAST", ("wire", "flash"))
    picture = tmp_path / "bench.svg"
    done = CliRunner().invoke(bench.app, ["--quick", "--json", "--picture", str(picture)])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert "What Hadeda costs" in done.stderr
    assert len(rows) == len(wire.PEERS) + 2
    for row in rows:
        assert set(row) == KEYS
        relation, _, bound = row["target"].partition(" ")
        assert row["met"] is (relation == "stated" or Target(relation, float(bound)).holds(row["value"]))
        assert row["how"]
        assert (row["peer"] is None) is (row["peer_value"] is None)
    assert b"SenML CBOR: " in picture.read_bytes()


def test_a_sealed_report_is_smaller_than_the_plain_one_of_others() -> None:
    rows = {row.peer: row for row in wire.rows(QUICK)}
    sent = sent_report()
    assert parse_sealed(sent.sealed).sequence == 95
    assert sent.packet.endswith(sent.sealed)
    assert rows["plain JSON"].value == len(sent.packet)
    assert all(row.met for row in rows.values()), rows
    assert rows[None].value == len(sent_report("longest").sealed)


def test_the_plain_formats_say_what_the_report_says() -> None:
    report = sent_report().report
    plain = json.loads(plain_formats.plain_json(report))
    assert (plain["start"], plain["window"], plain["traffic"]) == (report.start_s, 900, [12, 30, 7, -1, 11, 28, 9, -1])
    assert plain["air"]["temperature"] == [90, 18.34, 17.82, 18.95]
    pack = json.loads(plain_formats.senml_json(report))
    numbers = 4 * len(report.air) + len(report.traffic) + 2 + 4 + 3 + 2  # window and clock, health, privacy, outbox
    assert (len(pack), pack[0]["bt"], pack[0]["v"]) == (numbers, report.start_s, 18.34)
    packed = cbor2.loads(plain_formats.senml_cbor(report))
    assert [float(record[2]) for record in packed] == [float(record["v"]) for record in pack]


def test_the_firmware_is_every_module_that_is_shipped() -> None:
    (row,) = flash.rows(QUICK)
    assert row.met
    assert row.value is not None
    assert row.value > 50_000


def test_the_node_and_the_formats_have_the_same_channels_and_reasons() -> None:
    assert set(plain_formats.AIRROHR) < {name for name, _unit, _scale in labels.CHANNELS.values()}
    assert {unit for _name, unit, _scale in labels.CHANNELS.values()} == set(plain_formats.SENML_UNITS)


def test_what_a_board_tells_of_its_life_is_read() -> None:
    said = """
bench module asyncio 3120
bench module node.build 2384
hadeda: running, 0 reports waiting
bench first 32942 2428886
bench module node.sntp 1056
bench heap 120576 115584
bench kept asyncio
bench kept sys
bench heap 123312 116576
"""
    life = board_life.read(said)
    assert life == board_life.Life(
        ["asyncio", "node.build"], {"asyncio": 3120, "sys": 0}, 32942, 2428886, 123312, 116576
    )


def sealing_rows(**figures: int) -> dict[str, Row]:
    """The rows of sealing where the yardstick has measured this."""
    conditions = Conditions(True, lambda _line: None)
    vars(conditions)["yardstick"] = Yardstick(Path("firmware.elf"), "1.25.0", "12.2.0", "7.2.22", "-Os")
    vars(conditions)["peer"] = {"mbedtls_sign": [6_400_000], "mbedtls_verify": [21_300_000]}
    vars(conditions)["sealing"] = {name: [value] for name, value in figures.items()}
    return {row.name: row for row in sealing.rows(conditions)}


def test_a_kernel_has_its_rows_where_it_is_measured() -> None:
    without = sealing_rows(sign=10_000_000, seal=11_000_000, cbor_encode=500_000)
    assert (without["sign, bytecode"].value, without["sign, bytecode"].met) == (10_000_000, False)
    assert without["seal one report, bytecode"].value == 11_500_000
    assert (without["sign, RISC-V kernel"].value, without["sign, RISC-V kernel"].met) == (None, False)
    with_one = sealing_rows(sign_kernel=1_000_000)
    assert with_one["sign, RISC-V kernel"].met
    assert with_one["sign, RISC-V kernel"].peer_value == 6_400_000


def test_what_a_seal_takes_beside_its_signature_is_the_difference() -> None:
    row = sealing_rows(seal_kernel=2_000_000, sign_kernel=1_480_000)[
        "sign and encrypt, beside the signature, RISC-V kernel"
    ]
    assert (row.value, row.met) == (520_000, True)
