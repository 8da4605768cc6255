"""Which policies and floors a node takes, and from whom: policy.cddl, read strictly.

A policy is signed by the policy key, is for the city of that key, keeps the floor, and its version rises. A floor that
is at least as strict in everything takes the policy key alone; any other takes the release key too, for this very node,
or the cable. Nothing here changes anything: what is returned is for the key store, to be
written at once.

Imported only while something is taken: a node at work has no room for it.
"""

from micropython import const

from envelope import cbor, cose, ecdsa, keys
from envelope.errors import CborError, EnvelopeError
from envelope.labels import (
    CELLS_CLASSES,
    CELLS_DIRECTIONS,
    CELLS_SPEED_BANDS,
    CHANNEL_ENERGY,
    ENERGY_STEP,
    ENERGY_STEP_MIN,
    ENERGY_WINDOW,
    ENERGY_WINDOW_MIN,
    FLOOR_CHANNELS,
    FLOOR_ENERGY,
    FLOOR_EPSILON_DAY,
    FLOOR_EPSILON_RELEASE,
    FLOOR_K,
    FLOOR_SOURCES,
    FLOOR_VERSION,
    FLOOR_WINDOW,
    POLICY_CELLS,
    POLICY_CHANNELS,
    POLICY_CITY,
    POLICY_EPSILON_DAY,
    POLICY_EPSILON_RELEASE,
    POLICY_FOOTFALL,
    POLICY_K,
    POLICY_MAX,
    POLICY_NAME,
    POLICY_SOURCES,
    POLICY_VERSION,
    POLICY_WINDOW,
    PROFILE,
    ROLE_POLICY,
    ROLE_RELEASE,
    SET_POLICY_FLOOR,
    SET_POLICY_POLICY,
    SET_POLICY_RELEASE,
    SOURCE_FOOTFALL,
    SOURCE_PRESENCE,
    SOURCE_VISION,
)
from node.errors import PolicyRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.keystore import Secrets

    Map = dict[Any, Any]

_DAY_S = const(86400)
_WINDOW_MIN_S = const(60)
_VERSION_MAX = const(0x7FFFFFFF)
_K_MAX = const(65535)
_EPSILON_RELEASE_MAX = const(10000000)
_EPSILON_DAY_MAX = const(2000000000)
_CELLS_MAX = const(64)
_SPEED_MAX = const(300)
_NAME_MAX = const(64)
_ENERGY_STEP_MAX = const(1000000)
_CHANNELS = range(1, 12)  # labels.CHANNELS
_SOURCES = (SOURCE_FOOTFALL, SOURCE_VISION, SOURCE_PRESENCE)


def by_command(secrets: "Secrets", arguments: "Map") -> "tuple[bytes, bytes]":
    """(policy, floor) that hold after set-policy with these arguments; PolicyRefused."""
    _keys("set-policy", arguments, (), (SET_POLICY_POLICY, SET_POLICY_FLOOR, SET_POLICY_RELEASE))
    if None in arguments.values():
        raise PolicyRefused("an argument of set-policy is null")
    floor = secrets.floor
    if SET_POLICY_FLOOR in arguments:
        floor = _opened(arguments[SET_POLICY_FLOOR], "floor", secrets.authorities[ROLE_POLICY])
        wanted = read_floor(floor)
        if SET_POLICY_RELEASE in arguments:
            _check_release(arguments[SET_POLICY_RELEASE], floor, secrets)
            _check_rises(secrets.floor, floor, FLOOR_VERSION)
        elif _check_rises(secrets.floor, floor, FLOOR_VERSION):
            _check_tighter(wanted, read_floor(secrets.floor))
    elif SET_POLICY_RELEASE in arguments or SET_POLICY_POLICY not in arguments:
        raise PolicyRefused("neither policy nor floor")
    return _policy(secrets, arguments.get(SET_POLICY_POLICY), floor), floor


def by_cable(secrets: "Secrets", signed: bytes, floor: bytes) -> "tuple[bytes, bytes]":
    """(policy, floor) that hold after the cable brought these; it may loosen the floor. PolicyRefused."""
    read_floor(floor)
    _check_rises(secrets.floor, floor, FLOOR_VERSION)
    return _policy(secrets, signed, floor), floor


def read_policy(encoded: bytes, city: "bytes | None") -> "Map":
    """The policy's map, checked, for the city with this thumbprint; PolicyRefused."""
    if len(encoded) > POLICY_MAX:
        raise PolicyRefused(f"a policy of more than {POLICY_MAX} bytes")
    policy = _keys("policy", _content(encoded), range(POLICY_CITY, POLICY_NAME + 1), (POLICY_FOOTFALL, POLICY_SOURCES))
    if policy[POLICY_CITY] != city or not isinstance(policy[POLICY_CITY], bytes):
        raise PolicyRefused("a policy for another city")
    _range("version", policy[POLICY_VERSION], 1, _VERSION_MAX)
    _range("window", policy[POLICY_WINDOW], _WINDOW_MIN_S, _DAY_S)
    if _DAY_S % policy[POLICY_WINDOW]:
        raise PolicyRefused("a window that does not divide the day")
    _rising("channels", policy[POLICY_CHANNELS], _CHANNELS)
    _check_cells(policy[POLICY_CELLS])
    _range("k", policy[POLICY_K], 1, _K_MAX)
    _range("epsilon of a release", policy[POLICY_EPSILON_RELEASE], 1, _EPSILON_RELEASE_MAX)
    _range("epsilon of a day", policy[POLICY_EPSILON_DAY], 1, _EPSILON_DAY_MAX)
    _text("name", policy[POLICY_NAME])
    if POLICY_FOOTFALL in policy:
        footfall = _keys("footfall", policy[POLICY_FOOTFALL], (1, 2))
        _range("footfall's k", footfall[1], 1, _K_MAX)
        _range("footfall's epsilon", footfall[2], 1, _EPSILON_RELEASE_MAX)
    sources = policy.get(POLICY_SOURCES, [])
    _rising("sources", sources, _SOURCES)
    if (POLICY_FOOTFALL in policy) != (SOURCE_FOOTFALL in sources) or (POLICY_SOURCES in policy and not sources):
        raise PolicyRefused("sources and footfall do not belong together")
    return policy


def read_floor(encoded: bytes) -> "Map":
    """The floor's map, checked; PolicyRefused."""
    floor = _keys("floor", _content(encoded), range(FLOOR_WINDOW, FLOOR_VERSION + 1), (FLOOR_ENERGY,))
    _range("shortest window", floor[FLOOR_WINDOW], _WINDOW_MIN_S, _DAY_S)
    _range("smallest k", floor[FLOOR_K], 1, _K_MAX)
    _range("largest epsilon of a release", floor[FLOOR_EPSILON_RELEASE], 1, _EPSILON_RELEASE_MAX)
    _range("largest epsilon of a day", floor[FLOOR_EPSILON_DAY], 1, _EPSILON_DAY_MAX)
    _rising("channels never allowed", floor[FLOOR_CHANNELS], _CHANNELS)
    _rising("sources never allowed", floor[FLOOR_SOURCES], _SOURCES)
    _range("version", floor[FLOOR_VERSION], 1, _VERSION_MAX)
    if FLOOR_ENERGY in floor:
        energy = _keys("energy", floor[FLOOR_ENERGY], (ENERGY_WINDOW, ENERGY_STEP))
        _range("energy's shortest window", energy[ENERGY_WINDOW], ENERGY_WINDOW_MIN, _DAY_S)
        _range("energy's smallest step", energy[ENERGY_STEP], ENERGY_STEP_MIN, _ENERGY_STEP_MAX)
    return floor


def _policy(secrets: "Secrets", signed: "bytes | None", floor: bytes) -> bytes:
    """The policy that holds under `floor`: the signed one, or the one in force, if there is one."""
    public = secrets.authorities[ROLE_POLICY]
    if signed is not None:
        encoded = _opened(signed, "policy", public)
        _check_keeps(read_policy(encoded, keys.thumbprint(public)), read_floor(floor))
        _check_rises(secrets.policy, encoded, POLICY_VERSION)
        return encoded
    if secrets.policy:
        # Signed by the policy key of its day, which may not be today's
        held = _content(secrets.policy)
        _check_keeps(read_policy(secrets.policy, held.get(POLICY_CITY)), read_floor(floor))
    return secrets.policy


def _opened(signed: object, context: str, public: bytes, *bound: bytes) -> bytes:
    """The payload that this key signed as a policy, a floor or a release, `bound` to something or not."""
    payload = None
    if isinstance(signed, bytes):
        aad: list[object] = [PROFILE, context]
        aad.extend(bound)
        try:
            payload = cose.open_sign1(signed, cbor.encode(aad), ecdsa.Verifier(public))
        except EnvelopeError:
            pass
    if payload is None:
        raise PolicyRefused(f"a {context} without its signature")
    return payload


def _check_release(released: object, floor: bytes, secrets: "Secrets") -> None:
    """The release key's signature over the same floor for this node, by a key that is not the policy key."""
    public = secrets.authorities[ROLE_RELEASE]
    node_id = keys.thumbprint(secrets.public)
    if public == secrets.authorities[ROLE_POLICY] or _opened(released, "release", public, node_id) != floor:
        raise PolicyRefused("a release that is not for this floor, or by the policy key")


def _check_rises(old: bytes, new: bytes, label: int) -> bool:
    """False when it is the very same, True when its version is higher; else PolicyRefused."""
    if old == new:
        return False
    if _content(new)[label] <= _content(old).get(label, 0):
        raise PolicyRefused("a version that does not rise")
    return True


def _check_keeps(policy: "Map", floor: "Map") -> None:
    """PolicyRefused, naming it, for what is below the floor."""
    footfall = policy.get(POLICY_FOOTFALL)
    # Who passes with a phone is in a cell and in the sketch: what one release costs is both
    epsilon = policy[POLICY_EPSILON_RELEASE] + (footfall[2] if footfall is not None else 0)
    for what, keeps in (
        ("window", policy[POLICY_WINDOW] >= floor[FLOOR_WINDOW]),
        ("k", policy[POLICY_K] >= floor[FLOOR_K]),
        ("epsilon of a release", epsilon <= floor[FLOOR_EPSILON_RELEASE]),
        ("epsilon of a day", policy[POLICY_EPSILON_DAY] <= floor[FLOOR_EPSILON_DAY]),
        ("channels", not set(policy[POLICY_CHANNELS]) & set(floor[FLOOR_CHANNELS])),
        ("sources", not set(policy.get(POLICY_SOURCES, ())) & set(floor[FLOOR_SOURCES])),
        ("energy", CHANNEL_ENERGY not in policy[POLICY_CHANNELS] or _energy(floor)[0] <= policy[POLICY_WINDOW]),
        ("footfall's k", footfall is None or footfall[1] >= floor[FLOOR_K]),
    ):
        if not keeps:
            raise PolicyRefused(f"below the floor: {what}")


def _check_tighter(floor: "Map", old: "Map") -> None:
    """PolicyRefused unless every value is at least as strict as before."""
    if (
        floor[FLOOR_WINDOW] < old[FLOOR_WINDOW]
        or floor[FLOOR_K] < old[FLOOR_K]
        or floor[FLOOR_EPSILON_RELEASE] > old[FLOOR_EPSILON_RELEASE]
        or floor[FLOOR_EPSILON_DAY] > old[FLOOR_EPSILON_DAY]
        or set(old[FLOOR_CHANNELS]) - set(floor[FLOOR_CHANNELS])
        or set(old[FLOOR_SOURCES]) - set(floor[FLOOR_SOURCES])
        or _energy(floor)[0] < _energy(old)[0]
        or _energy(floor)[1] < _energy(old)[1]
    ):
        raise PolicyRefused("a looser floor without the release key's signature")


def _energy(floor: "Map") -> "tuple[int, int]":
    """(shortest window, smallest step) in which energy may be told: beyond all bounds where it never may."""
    energy = floor.get(FLOOR_ENERGY, {})
    return energy.get(ENERGY_WINDOW, _DAY_S + 1), energy.get(ENERGY_STEP, _ENERGY_STEP_MAX + 1)


def _check_cells(cells: "Any") -> None:
    _keys("cells", cells, (CELLS_CLASSES, CELLS_DIRECTIONS, CELLS_SPEED_BANDS))
    for label in (CELLS_CLASSES, CELLS_DIRECTIONS):
        names = cells[label]
        if not isinstance(names, list) or not names:
            raise PolicyRefused("cells without classes or directions")
        for name in names:
            _text("class or direction", name)
        if len(set(names)) != len(names):
            raise PolicyRefused("cells name something twice")
    edges = cells[CELLS_SPEED_BANDS]
    _rising("speed bands", edges, range(1, _SPEED_MAX + 1))
    if len(cells[CELLS_CLASSES]) * len(cells[CELLS_DIRECTIONS]) * (len(edges) + 1) > _CELLS_MAX:
        raise PolicyRefused(f"more than {_CELLS_MAX} cells")


def _content(encoded: bytes) -> "Map":
    """The map of this encoding, an empty one when it is none."""
    content: Any = None
    try:
        content = cbor.decode(encoded)
    except CborError:
        pass
    return content if isinstance(content, dict) else {}


def _keys(what: str, content: "Any", required: "Any", optional: "tuple[int, ...]" = ()) -> "Map":
    """The map, if it has the keys it must have and no other."""
    if not isinstance(content, dict):
        raise PolicyRefused(f"{what} is no map")
    for key in content:
        if key not in required and key not in optional:
            raise PolicyRefused(f"{what} has an unknown key {key!r}")
    for key in required:
        if key not in content:
            raise PolicyRefused(f"{what} lacks key {key}")
    return content


def _range(what: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise PolicyRefused(f"{what} is not between {low} and {high}")


def _text(what: str, value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= _NAME_MAX:
        raise PolicyRefused(f"{what} is no text of 1 to {_NAME_MAX} characters")


def _rising(what: str, values: object, allowed: "Any") -> None:
    """A list of integers out of `allowed`, each once, in order."""
    last = 0
    if not isinstance(values, list):
        raise PolicyRefused(f"{what} is no list")
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or value <= last or value not in allowed:
            raise PolicyRefused(f"{what} has {value!r}, or not in order")
        last = value
