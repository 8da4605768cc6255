"""The chip that has the identity key: is it there, is it ours, and is its key the one that the node reports with?"""

import json

from elements import claim, signer
from elements.atecc608 import Atecc608
from envelope import cose  # noqa: F401 (what lies deepest comes first)
from envelope.errors import FaultDetected
from envelope.labels import PRIVATE_KEY_SIZE
from node import config as configuration
from node import keystore
from ports import element
from ports.flash import Files, KeyPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def tell() -> None:
    """Print {"chip": its state and serial number as claim.tell() says them, "slot", "failed": "" or what the key did}.

    `slot` is null where the identity key is in flash.
    """
    files = Files()
    node_keys = keystore.open_keystore(files, KeyPartition.find())
    private = node_keys.load().private
    place = claim.place(configuration.load(files))
    said: dict[str, Any] = {"chip": claim.standing(Atecc608(element.open_bus(place), element.wait_ms))}
    said["slot"] = private[0] if len(private) < PRIVATE_KEY_SIZE else None
    said["failed"] = ""
    if said["slot"] is not None:
        try:
            signer.use(node_keys, private[1:]).check(private)
        except FaultDetected as error:
            said["failed"] = str(error)
    print("SELFTEST", json.dumps(said))
