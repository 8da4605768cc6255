"""Enrolment, called by the host over the REPL while it provisions the node; it prints one line a call.

    begin(host_entropy_hex, nonce_hex)    ENROL <enrolment message>     identity and root key made, kept as pending
    commit()                              ENROLLED <node id>            after the host has registered the node
    renew()                               RENEWED <policy version>      the configuration's policy and floor taken
    status()                              STATUS unprovisioned | pending <node id> | enrolled <node id>

Aborted in between, the node stays what it was. A policy or floor that the node does not take is PolicyRefused. Private
keys are never printed.
"""

from binascii import hexlify, unhexlify

from micropython import const

from envelope import cbor, cose, ecdh, ecdsa, keys, labels, p256
from node import VERSION, accept, counter, keystore, ledger, store
from node import config as configuration
from node.errors import NodeError, Unprovisioned
from node.keystore import Secrets
from node.policy import in_force
from node.randomness import Randomness
from ports import entropy, power, radio
from ports.flash import Files, KeyPartition, Nvs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.keystore import KeyStore

NONCE_SIZE = 16
HOST_ENTROPY_MIN = 32
_FIRST_EPOCH = const(1)


def begin(host_entropy_hex: str, nonce_hex: str) -> None:
    """Make a new identity for /config.cbor's city and print the enrolment message."""
    host_entropy = unhexlify(host_entropy_hex)
    nonce = unhexlify(nonce_hex)
    if len(host_entropy) < HOST_ENTROPY_MIN or len(nonce) != NONCE_SIZE:
        raise NodeError(f"begin needs {HOST_ENTROPY_MIN} bytes of entropy and a nonce of {NONCE_SIZE}")
    files = Files()
    config = configuration.load(files)
    radio.noise_on()
    try:
        randomness = Randomness(Nvs(), entropy.noise, power.serial(), host_entropy)
    finally:
        radio.noise_off()
    node_keys = _keystore(files)
    if "identity" in config:
        from elements import claim, signer

        signer.use(node_keys, claim.place(config))
    secrets, message = make(config["board"], config["authorities"], nonce, randomness)
    policy, floor = accept.by_cable(secrets, config["policy"], config["floor"])
    node_keys.save_pending_enrolment(secrets.changed(policy=policy, floor=floor))
    print("ENROL", hexlify(message).decode())


def make(board: str, authorities: "dict[int, bytes]", nonce: bytes, randomness: Randomness) -> "tuple[Secrets, bytes]":
    """Return (secrets of a new identity, enrolment message); the ephemeral key is forgotten here.

    KeyInvalid when a key of `authorities` (labels.ROLE_* -> 65 bytes) is no point of the curve.
    """
    for role in authorities:
        p256.decode(authorities[role])
    drbg = randomness.drbg
    private, public = cose.signer.make_key(drbg)
    ephemeral_private, ephemeral_public = ecdsa.make_key(drbg)
    collector = authorities[labels.ROLE_COLLECTOR]
    collector_id = keys.thumbprint(collector)
    z = ecdh.agree(ephemeral_private, collector, drbg)
    root = keys.root(z, nonce, keys.thumbprint(public), collector_id)
    payload = cbor.encode(
        {
            labels.ENROL_IDENTITY: public,
            labels.ENROL_EPHEMERAL: ephemeral_public,
            labels.ENROL_BOARD: board,
            labels.ENROL_FIRMWARE: VERSION,
            labels.ENROL_NONCE: nonce,
            labels.ENROL_COLLECTOR: collector_id,
        }
    )
    secrets = Secrets(private, public, authorities, _FIRST_EPOCH, root, _FIRST_EPOCH, _FIRST_EPOCH)
    return secrets, cose.enrol(payload, private, drbg)


def commit() -> None:
    """Make the pending enrolment the node's. Calling it again changes nothing."""
    files = Files()
    nvs = Nvs()
    node_keys = _keystore(files)
    pending = node_keys.load_pending_enrolment()
    if pending is None:
        print("ENROLLED", _node_id(node_keys.load()))
        return
    try:
        old = node_keys.load()
    except Unprovisioned:
        old = None
    store.erase(files)  # another city could not open what waits there, and this one has revoked who sealed it
    counter.create(nvs, _kid(pending))
    if old is None:
        ledger.create(nvs, keys.thumbprint(pending.public))
    else:
        ledger.carry_over(nvs, keys.thumbprint(old.public), keys.thumbprint(pending.public))
    node_keys.commit()
    store.restart(nvs)
    if old is not None and _kid(old) != _kid(pending):
        counter.forget(nvs, _kid(old))
    print("ENROLLED", _node_id(pending))


def renew() -> None:
    """Take the configuration's policy, floor and network into the enrolled node.

    Over the cable a floor may be loosened.
    """
    files = Files()
    config = configuration.load(files)
    node_keys = _keystore(files)
    secrets = node_keys.load()
    policy, floor = accept.by_cable(secrets, config["policy"], config["floor"])
    old = secrets.policy, secrets.floor, secrets.network, secrets.candidate
    if old != (policy, floor, None, None):
        secrets = secrets.changed(policy=policy, floor=floor, network=None, candidate=None)
        node_keys.save(secrets)
    print("RENEWED", _version(secrets))


def status() -> None:
    """Print where the node stands."""
    node_keys = _keystore(Files())
    pending = node_keys.load_pending_enrolment()
    if pending is not None:
        print("STATUS pending", _node_id(pending))
        return
    try:
        print("STATUS enrolled", _node_id(node_keys.load()))
    except Unprovisioned:
        print("STATUS unprovisioned")


def _keystore(files: Files) -> "KeyStore":
    return keystore.open_keystore(files, KeyPartition.find())


def _kid(secrets: Secrets) -> bytes:
    return keys.epoch(secrets.root, secrets.epoch).kid


def _version(secrets: Secrets) -> str:
    policy = in_force(secrets)
    return str(policy.version) if policy is not None else "0"


def _node_id(secrets: Secrets) -> str:
    return hexlify(keys.thumbprint(secrets.public)).decode()
