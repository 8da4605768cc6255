# mypy: ignore-errors
"""MicroPython that prints what a node sends for one window: the plaintext report, and the packet it goes out in."""

import sys
from binascii import hexlify

from envelope import cose, ecdsa, keys, labels
from envelope.drbg import Drbg
from node import mqtt, report
from node.minimise import Aggregates

TOPIC = "hadeda/up"
EPOCH = 365  # a node that has ratcheted for a year
SEQUENCE = 95  # the last window of its day
USUAL = (
    {1: [90, 1834, 52, 61], 2: [90, 6120, 210, 180], 3: [90, 101325, 12, 9], 5: [88, 81, 20, 33], 6: [88, 123, 41, 77]},
    [12, 30, 7, labels.WITHHELD_BELOW_K, 11, 28, 9, labels.WITHHELD_BELOW_K],
)
# Smog beside a motorway and the sun coming out: numbers as long as they get, but pressure moves by less than 256 Pa
LONGEST = (
    {
        1: [90, 4345, 1123, 1145],
        2: [90, 10000, 4500, 0],
        3: [90, 101325, 250, 250],
        5: [90, 9999, 9990, 9999],
        6: [90, 9999, 9990, 9999],
    },
    [2210] * 8,
)

drbg = Drbg(bytes(range(32)), b"hadeda bench")
private, public = ecdsa.make_key(drbg)
party = keys.thumbprint(public)
privacy = [2, 500000, 47500000, labels.UNIT_PASSAGE_WINDOW]
air, counts = USUAL if sys.argv[1] == "usual" else LONGEST
plain = report.encode(1654041600, 900, 2, Aggregates(air, counts, {}), privacy, [1, 120, 1, 300], [35040, 300])
epoch_keys = keys.epoch(bytes(32), EPOCH)
sealed = cose.seal(plain, epoch_keys, EPOCH, labels.DIRECTION_UP, SEQUENCE, party, party, private, drbg)
for part in (plain, sealed, mqtt.publish_packet(TOPIC, sealed, 1)):
    print(hexlify(part).decode())
