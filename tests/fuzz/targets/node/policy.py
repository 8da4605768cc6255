"""A policy or a floor that somebody signed: taken when it can be right, else PolicyRefused."""

from firmware.city_pen import floor_map
from node_stage import PEN

from envelope import cbor, keys, labels
from node.accept import read_floor, read_policy
from node.errors import PolicyRefused
from node.policy import Policy

CITY = keys.thumbprint(PEN.authorities[labels.ROLE_POLICY])


def one_input(data):
    policy = _read(read_policy, data, CITY)
    floor = _read(read_floor, data)
    if policy is not None:
        Policy(policy, floor_map())
    if floor is not None:
        Policy(PEN.policy_map(), floor)
    return policy is not None or floor is not None


def _read(read, *arguments):
    try:
        return read(*arguments)
    except PolicyRefused:
        return None


def seeds():
    footfall = {1: 20, 2: 100000}
    maps = (
        PEN.policy_map(),
        PEN.policy_map(channels=[], footfall=footfall, sources=[labels.SOURCE_FOOTFALL]),
        PEN.policy_map(sources=[labels.SOURCE_VISION]),
        floor_map(),
        floor_map(channels=[1, 2], sources=[]),
    )
    return [cbor.encode(content) for content in maps]
