"""The data-protection record: every provision has a row, every row has evidence that exists."""

import json
from pathlib import Path

import pytest
from policy_texts import STREET, policy
from typer.testing import CliRunner

from hadeda.board.problems import FileError
from hadeda.cli import policy as cli
from hadeda.policy import PolicyError, read_policy
from hadeda.policy.record import PRINCIPLES, RECORD_FILE, absent, has_test, load_record, render, write_record

HERE = "tests/host/policy/test_policy_record.py"


def test_every_test_and_document_is_in_the_tree() -> None:
    assert list(absent(load_record())) == []


def test_every_provision_has_a_row() -> None:
    record = load_record()
    assert {row.principle for row in record.rows} == set(PRINCIPLES)
    assert set(record.popia) == {str(section) for section in range(8, 26)}
    assert {article.partition("(")[0] for article in record.gdpr} == {"5", "25", "30", "35"}
    for law in ("popia", "gdpr", "etsi"):
        used = {provision for row in record.rows for provision in getattr(row, law)}
        assert used == set(getattr(record, law))


def test_a_row_that_names_a_test_that_is_gone_is_found(tmp_path: Path) -> None:
    text = RECORD_FILE.read_text(encoding="utf-8").replace("::test_no_plaintext_in_flash", "::test_that_was_renamed")
    file = tmp_path / "record.toml"
    file.write_text(text, encoding="utf-8")
    record = load_record(file)
    assert [item.what for item in absent(record)] == ["tests/firmware/node/test_boot.py::test_that_was_renamed"]
    with pytest.raises(PolicyError, match="test_that_was_renamed"):
        write_record(read_policy(STREET).model, record, tmp_path)


@pytest.mark.parametrize(
    ("node", "there"),
    [
        (f"{HERE}::test_every_provision_has_a_row", True),
        (f"{HERE}::test_every_provision_has_a_row[case]", True),
        (f"{HERE}::TestNothing::test_every_provision_has_a_row", False),
        (f"{HERE}::HERE", False),
        (HERE, False),
        ("tests/none.py::test_x", False),
    ],
)
def test_a_node_is_there_when_its_function_is(node: str, there: bool) -> None:
    assert has_test(Path(__file__).parents[3], node) is there


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('popia = ["22"]', 'popia = ["108"]'),
        ('principle = "openness"', 'principle = "hope"'),
        ('document = "README.md"', 'document = "README.md", person = "Somebody"'),
        ('principle = "purpose"', 'principle = "purpose"\nnote = "x"'),
    ],
)
def test_a_damaged_record_is_refused(old: str, new: str, tmp_path: Path) -> None:
    file = tmp_path / "record.toml"
    file.write_text(RECORD_FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(FileError):
        load_record(file)


def test_the_record_says_the_policys_own_numbers() -> None:
    for kind in ("md", "html"):
        text = render(read_policy(STREET).model, load_record(), kind)
        for said in ("POPIA section 10", "GDPR article 25(1)", "provision 5.8-3", "730 days", "900 s", "1.65 times"):
            assert said in text
        assert "voluntary" in text
        assert "a person has to sign" in text
        assert "{{" not in text


def test_what_a_policy_says_cannot_become_markup(tmp_path: Path) -> None:
    sly = policy(tmp_path, {"city": 'city = "<script>x</script>|y"'}).model
    for kind in ("md", "html"):
        assert "<script>" not in render(sly, load_record(), kind)


def test_the_command_writes_both(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.app, ["report", str(STREET), "--out", str(tmp_path / "record"), "--json"])
    answer = json.loads(done.stdout)
    assert [Path(name).name for name in answer["written"]] == ["street-record.html", "street-record.md"]
    assert answer["to_sign"] > 10
    assert (tmp_path / "record" / "street-record.html").read_text(encoding="utf-8").startswith("<!doctype html>")
