"""A floor file, as an officer or an accident writes it: a floor, or PolicyError with every problem of the file."""

from on_disk import read_back

from hadeda.errors import PolicyError
from hadeda.paths import ROOT
from hadeda.policy.files import read_floor


def one_input(data: bytes) -> bool:
    return read_back(data, "floor.toml", read_floor, PolicyError)


def seeds() -> list[bytes]:
    return [(ROOT / "policies" / "floor.toml").read_bytes()]
