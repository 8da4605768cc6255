"""A compiled policy or floor: what `hadeda policy` and the registry read back, or PolicyError."""

from host.sealing import dumps, floor_map, policy_map

from hadeda.errors import PolicyError
from hadeda.policy.compiled import decompile, decompile_floor


def one_input(data: bytes) -> bool:
    taken = False
    for read in (decompile, decompile_floor):
        try:
            read(data)
            taken = True
        except PolicyError:
            pass
    return taken


def seeds() -> list[bytes]:
    policies = (policy_map(bytes(32)), policy_map(bytes(32), p4=[], p10={1: 20, 2: 100_000}, p11=[1]))
    return [*map(dumps, policies), dumps(floor_map()), dumps(floor_map(f5=[1, 2], f6=[]))]
