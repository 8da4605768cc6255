"""What the documents name is there, and the figures they show are what the commands say."""

import re
from pathlib import Path

import pytest
from policy_texts import STREET
from typer.testing import CliRunner

from hadeda.bench import figures
from hadeda.cli import policy as cli
from hadeda.paths import ROOT
from hadeda.policy import read_policy
from hadeda.policy.record import has_test
from hadeda.policy.schema import decimal_text
from hadeda.policy.street import Street
from hadeda.policy.utility import utility
from hadeda.scenario import World

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_every_test_that_a_document_names_is_in_the_tree(document: Path) -> None:
    named = re.findall(r"`([\w/]+\.py::\w+)`", document.read_text(encoding="utf-8"))
    assert [node for node in named if not has_test(ROOT / "tests", node)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_every_file_that_a_document_links_to_is_there(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_claims_about_privacy_name_their_tests() -> None:
    for name, least in (("README.md", 6), ("docs/privacy.md", 12)):
        assert len(re.findall(r"\.py::test_\w+`", (ROOT / name).read_text(encoding="utf-8"))) >= least


def test_the_utility_table_is_what_the_command_finds() -> None:
    policy = read_policy(STREET).model
    text = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    for row in utility(policy, Street.of(policy, World()), [500_000, 1_000_000, 2_000_000], 50):
        errors = [f"{100 * error.median:.1f} ({100 * error.noise_alone:.1f})" for error in row.error.values() if error]
        cells = [row.cell, decimal_text(row.epsilon_micro), f"{100 * row.released:.0f} %", *errors]
        assert f"| {' | '.join(cells)} |" in text


@pytest.mark.parametrize(("command", "picture"), [("utility", "utility.svg"), ("explain", "explained.svg")])
def test_a_picture_of_a_policy_is_the_commands(command: str, picture: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.app, [command, str(STREET), "--picture", str(tmp_path / picture)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / picture).read_bytes() == (ROOT / "docs" / picture).read_bytes()


def test_every_figure_of_the_bench_has_its_line_in_the_document() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for name, what in {**figures.SUBJECTS, **figures.BYTES}.items():
        assert f"| {what} (`{name}`) |" in text
