"""One line of a self-test."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check came out. Only `FAIL` makes a self-test fail."""

    PASS = "pass"
    FAIL = "fail"
    SKIPPED = "skipped"
    NOT_KNOWN = "not known"  # only silicon, or nobody, could tell


@dataclass(frozen=True)
class Check:
    """What was looked at, how it came out, what was found, and what to do about a fail."""

    name: str
    status: Status
    found: str
    advice: str = ""
