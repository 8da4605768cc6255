"""What is wrong with a policy or floor file: every finding names file, line, table and key, and says what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hadeda.board.problems import Problem, shown
from hadeda.errors import PolicyError

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding(Problem):
    """One thing about a policy file. `line` counts from 1; None where the finding has no place in the file.

    An error keeps the policy from being signed or taken by a node; a warning says what it will cost.
    """

    line: int | None = None
    severity: Severity = "error"


class PolicyFileError(PolicyError):
    """A file that cannot be a policy or a floor, with everything that is wrong with it."""

    def __init__(self, file: Path, findings: Sequence[Finding]) -> None:
        self.file = file
        self.findings = tuple(findings)
        super().__init__("\n".join(f"{place(file, finding)}: {finding}" for finding in self.findings))


def place(file: Path, finding: Finding) -> str:
    """`policies/street.toml:12`, as editors and compilers write it."""
    return shown(file) if finding.line is None else f"{shown(file)}:{finding.line}"
