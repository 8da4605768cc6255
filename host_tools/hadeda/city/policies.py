"""A city's policy and floor: what it starts with, what it signs, what nodes are given over the cable and over the air.

    policy.toml  floor.toml              the city's own, to be edited; both start as those of the project
    policy.toml.signed                   what `hadeda policy sign` made of the first

What new nodes are given is the newest policy in the registry, and the floor of floor.toml.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from hadeda.board.problems import shown
from hadeda.envelope import labels
from hadeda.errors import CityError, PolicyError
from hadeda.policy.compiled import Compiled, compile_floor, compile_policy, decompile_floor
from hadeda.policy.files import FILE_MAX, FLOOR_FILE, POLICIES, Read, read_floor, read_policy
from hadeda.policy.floors import loosened, require_kept
from hadeda.policy.problems import PolicyFileError
from hadeda.policy.schema import Floor, Policy
from hadeda.policy.signing import SIGNED_SUFFIX, sign_floor, sign_policy, sign_release, verify_policy
from hadeda.registry.database import Database
from hadeda.registry.nodes import Node
from hadeda.registry.policies import PolicyRow, newest_policy, record

if TYPE_CHECKING:
    from hadeda.city.city import City
    from hadeda.city.keyring import Keyring

POLICY_FILE: Final = "policy.toml"
STARTING_POLICY: Final = POLICIES / "street.toml"
STARTING_FLOOR: Final = POLICIES / FLOOR_FILE
SIGN1_HEAD: Final = bytes([0xC0 | labels.TAG_SIGN1])


@dataclass(frozen=True)
class Given:
    """What a node is given at the cable: the signed policy, what it says, and the floor's CBOR."""

    signed: bytes
    policy: Compiled
    floor: bytes


def begin(folder: Path, name: str, keyring: "Keyring", database: Database, now: datetime) -> None:
    """Write the starting policy and floor of the city `name` into its new folder, and sign the policy."""
    (folder / POLICY_FILE).write_text(_starting_policy(name), encoding="utf-8")
    (folder / FLOOR_FILE).write_text(STARTING_FLOOR.read_text(encoding="utf-8"), encoding="utf-8")
    signed = sign_policy(read_policy(folder / POLICY_FILE).model, keyring.private(labels.ROLE_POLICY))
    (folder / (POLICY_FILE + SIGNED_SUFFIX)).write_bytes(signed)
    with database.write() as session:
        record(session, signed, keyring.public(labels.ROLE_POLICY), now)


def _starting_policy(name: str) -> str:
    """The project's street policy, for the city `name` and from its own folder."""
    text = STARTING_POLICY.read_text(encoding="utf-8").replace("policies/street.toml", POLICY_FILE)
    lines = text.splitlines(keepends=True)
    (place,) = (number for number, line in enumerate(lines) if line.startswith("city ="))
    lines[place] = f"city = {json.dumps(name, ensure_ascii=False)}\n"
    return "".join(lines)


def sign(city: "City", policy: Read[Policy], now: datetime | None = None) -> PolicyRow:
    """Sign a policy for this city and record it: new nodes are given it from now on. Raises PolicyError, CityError.

    What is recorded already keeps its first signature, and needs no key.
    """
    if policy.model.city != city.settings.name:
        what = f"it is for the city {policy.model.city!r}, this is {city.settings.name!r}"
        finding = policy.finding("", "city", what, "name the right city, or use its own folder")
        raise PolicyFileError(policy.file, [finding])
    compiled = compile_policy(policy.model, city.keyring.thumbprint(labels.ROLE_POLICY))
    with city.database.read() as session:
        known = session.get(PolicyRow, policy.model.version)
    if known is not None and known.compiled == compiled:
        return known
    signed = sign_policy(policy.model, city.keyring.private(labels.ROLE_POLICY))
    with city.database.write() as session:
        return record(session, signed, city.keyring.public(labels.ROLE_POLICY), now)


def for_provisioning(city: "City", policy_file: Path | None = None, floor_file: Path | None = None) -> Given:
    """What a node is given: the signed policy and the floor of these files, else the city's own. Raises PolicyError."""
    public = city.keyring.public(labels.ROLE_POLICY)
    if policy_file is not None:
        signed = read_signed(policy_file)
        with city.database.write() as session:
            record(session, signed, public)
    else:
        signed = _newest(city).signed
    try:
        policy = verify_policy(signed, public)
    except PolicyError as error:
        what = "the newest policy was not signed by the city's present policy key"
        raise PolicyError(what, "give it a higher version and sign it again") from error
    floor = read_floor(floor_file or city.directory / FLOOR_FILE).model
    require_kept(policy, floor, "sign one that keeps it, or give another --floor")
    return Given(signed, policy, compile_floor(floor))


def _newest(city: "City") -> PolicyRow:
    with city.database.read() as session:
        row = newest_policy(session)
    if row is None:
        raise PolicyError(
            f"{city.settings.name} has signed no policy", f"`hadeda policy sign {city.directory / POLICY_FILE}` does"
        )
    return row


def read_signed(file: Path) -> bytes:
    """What `hadeda policy sign` wrote; raises PolicyError. Its signature is not looked at."""
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_MAX)
    except OSError as error:
        raise PolicyError(f"{shown(file)} cannot be read ({error.strerror})", "name a signed policy") from error
    if not content.startswith(SIGN1_HEAD):
        raise PolicyError(f"{shown(file)} is not a signed policy", "give what `hadeda policy sign` wrote: FILE.signed")
    return content


def set_policy(city: "City", node: Node, signed: bytes | None, floor: Floor | None) -> dict[int, Any]:
    """The arguments of the command set-policy for `node`, with every signature they need.

    Raises PolicyError or CityError for what the node would refuse, and where a key that it takes is not at hand.
    """
    arguments: dict[int, Any] = {}
    policy = _in_force(city, node)
    held = decompile_floor(node.floor) if node.floor else None
    if signed is not None:
        policy = _for_node(city, node, signed)
        arguments[labels.SET_POLICY_POLICY] = signed
    if floor is not None:
        _refuse_old(node, floor, held)
        if policy is not None:
            require_kept(policy, floor, "bring a policy that keeps it in the same command")
        arguments |= _signed_floor(city, node, floor, held)
    elif policy is not None and held is not None:
        require_kept(policy, held, f"{node.name} would refuse it; loosen its floor with --floor, or over the cable")
    if not arguments:
        raise CityError("set-policy needs a policy or a floor", "give FILE.signed, --floor FILE.toml, or both")
    return arguments


def _in_force(city: "City", node: Node) -> Compiled | None:
    """The policy that the node was last known to count under."""
    with city.database.read() as session:
        row = session.get(PolicyRow, node.policy)
    return None if row is None else row.content


def _for_node(city: "City", node: Node, signed: bytes) -> Compiled:
    """The policy in `signed`, recorded, if the key that `node` knows signed it."""
    thumb = bytes.fromhex(node.authorities[str(labels.ROLE_POLICY)])
    public = city.keyring.entry(labels.ROLE_POLICY, thumb).public
    if thumb != city.keyring.thumbprint(labels.ROLE_POLICY):
        try:
            verify_policy(signed, public)
        except PolicyError as error:
            raise CityError(
                f"{node.name} does not know the city's present policy key", f"`hadeda keys rotate {node.name}` tells it"
            ) from error
    with city.database.write() as session:
        policy = record(session, signed, public).content
    if policy.version < node.policy:
        raise PolicyError(
            f"{node.name} counts under version {node.policy} already and takes no older one",
            f"give the policy a version above {node.policy}",
        )
    return policy


def _refuse_old(node: Node, floor: Floor, held: Floor | None) -> None:
    if held is not None and (floor.version < held.version or (floor.version == held.version and floor != held)):
        raise PolicyError(
            f"{node.name} holds version {held.version} of its floor and takes only a higher one",
            "raise `version` in the floor's file",
        )


def _signed_floor(city: "City", node: Node, floor: Floor, held: Floor | None) -> dict[int, Any]:
    """The floor, signed by the policy key, and by the release key too where it may be looser than the node's."""
    policy_key = _key(city, node, labels.ROLE_POLICY)
    arguments = {labels.SET_POLICY_FLOOR: sign_floor(floor, policy_key)}
    looser = ["what it holds is not known"] if held is None else loosened(floor, held)
    if looser:
        try:
            release_key = _key(city, node, labels.ROLE_RELEASE)
        except CityError as error:
            raise CityError(
                f"the floor is looser than {node.name}'s ({'; '.join(looser)}) and takes the release key beside the "
                f"policy key ({error.message})",
                error.hint,
            ) from error
        arguments[labels.SET_POLICY_RELEASE] = sign_release(floor, release_key, bytes.fromhex(node.node_id))
    return arguments


def _key(city: "City", node: Node, role: int) -> ec.EllipticCurvePrivateKey:
    """The private key of `role` that the node knows."""
    return city.keyring.private(role, bytes.fromhex(node.authorities[str(role)]))
