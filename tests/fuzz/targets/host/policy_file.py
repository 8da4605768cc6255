"""A policy file, as an officer or an accident writes it: a policy, or PolicyError with every problem of the file."""

from on_disk import read_back

from hadeda.errors import PolicyError
from hadeda.paths import ROOT
from hadeda.policy.files import read_policy


def one_input(data: bytes) -> bool:
    return read_back(data, "policy.toml", read_policy, PolicyError)


def seeds() -> list[bytes]:
    return [file.read_bytes() for file in sorted((ROOT / "policies").glob("*.toml")) if file.name != "floor.toml"]
