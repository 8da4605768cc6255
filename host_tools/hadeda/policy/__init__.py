"""Policies and floors: what a node may count and say, written by a person, compiled, signed and explained."""

from hadeda.errors import PolicyError
from hadeda.policy.compiled import Compiled, compile_floor, compile_policy, decompile, floor_map
from hadeda.policy.files import Read, floor_beside, read_floor, read_policy
from hadeda.policy.problems import Finding, PolicyFileError
from hadeda.policy.schema import Floor, Policy
from hadeda.policy.signing import sign_policy, verify_policy

__all__ = [
    "Compiled",
    "Finding",
    "Floor",
    "Policy",
    "PolicyError",
    "PolicyFileError",
    "Read",
    "compile_floor",
    "compile_policy",
    "decompile",
    "floor_beside",
    "floor_map",
    "read_floor",
    "read_policy",
    "sign_policy",
    "verify_policy",
]
