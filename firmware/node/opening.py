"""Opens a locked node's serial port to whoever has the city's command key. Imported only while somebody asks for it.

What is signed is the challenge, for this node and for this purpose alone: COSE_Sign1, external_aad = [profile, "open",
node id]. That it is opened is in NVS before it is: the city hears of it with the next report.
"""

from binascii import hexlify, unhexlify

from envelope import cbor, cose, ecdsa, keys
from envelope.errors import EnvelopeError
from envelope.labels import OPEN_CHALLENGE_SIZE, PROFILE, ROLE_COMMAND
from node import combs
from node.keystore import open_keystore
from node.randomness import Randomness
from node.seldom import seldom
from ports import entropy, power
from ports.flash import Files, KeyPartition, Nvs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.keystore import Secrets


def challenge(drawn: bytes) -> bytes:
    """Print the challenge that was drawn and is not answered yet, else a new one; returns it."""
    secrets = _secrets()
    if not drawn:
        drawn = Randomness(Nvs(), entropy.noise, power.serial()).drbg.generate(OPEN_CHALLENGE_SIZE)
    print("hadeda: challenge", hexlify(keys.thumbprint(secrets.public)).decode(), hexlify(drawn).decode())
    return drawn


def answer(line: bytes, drawn: bytes) -> None:
    """Open the port if the line is the command key's signature over the challenge; that is not returned from."""
    files = Files()
    secrets = _secrets()
    public = secrets.authorities[ROLE_COMMAND]
    if not opens(line, drawn, keys.thumbprint(secrets.public), ecdsa.Verifier(public, combs.read(files, public))):
        print("hadeda: not opened")
        return
    with seldom("node.crashes") as crashes:
        crashes.opened(Nvs(), power)
    print("hadeda: opened")
    with seldom("ports.maintenance") as maintenance:
        maintenance.open_up()


def opens(line: bytes, drawn: bytes, node_id: bytes, command_key: "ecdsa.Verifier") -> bool:
    """Tell whether a line (hexadecimal) is the command key's answer to this challenge, for this node."""
    try:
        message = unhexlify(line)
        return cose.open_sign1(message, cbor.encode([PROFILE, "open", node_id]), command_key) == drawn
    except (ValueError, EnvelopeError):
        return False


def _secrets() -> "Secrets":
    return open_keystore(Files(), KeyPartition.find()).load()
