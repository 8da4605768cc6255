"""A message sealed as reports are, with the node's own keys and one of its sequence numbers, for the host at the cable.

Its direction is one that no collector opens, and what is in it is no report: it cannot be stored as one.
"""

import json
from binascii import hexlify, unhexlify

from envelope import cbor, ecdsa
from envelope.labels import DIRECTION_SELF_TEST, PRIVATE_KEY_SIZE, SELF_TEST_NONCE
from node.keychain import Keychain
from node.keystore import open_keystore
from node.randomness import Randomness
from node.seal import Sealer
from ports import entropy, power, radio
from ports.flash import Files, KeyPartition, Nvs


def seal(nonce_hex: str) -> None:
    """Print {"sealed": the message around the host's nonce, hexadecimal, "kernel": labels.KERNEL_*}."""
    ecdsa.use_kernel()
    nvs = Nvs()
    keystore = open_keystore(Files(), KeyPartition.find())
    keychain = Keychain(keystore, nvs, power.Retained())
    private = keychain.secrets.private
    if len(private) < PRIVATE_KEY_SIZE:  # where a key is, in a chip
        from elements import signer

        signer.use(keystore, private[1:])
    radio.noise_on()
    try:
        randomness = Randomness(nvs, entropy.noise, power.serial())
    finally:
        radio.noise_off()
    payload = cbor.encode({SELF_TEST_NONCE: unhexlify(nonce_hex)})
    (sealed,) = Sealer(keychain, randomness, DIRECTION_SELF_TEST).seal(payload)
    print("SELFTEST", json.dumps({"sealed": hexlify(sealed).decode(), "kernel": ecdsa.kernel}))
