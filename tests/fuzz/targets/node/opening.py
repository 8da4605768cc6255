"""A line that is to open a locked node's serial port: the command key's answer, or nothing."""

from binascii import hexlify

from firmware import board_fakes
from node_stage import PEN

from envelope import ecdsa, labels
from node import opening

assert board_fakes  # puts machine and esp32 in place
NODE_ID = bytes(32)
DRAWN = bytes(range(16))
KEY = ecdsa.Verifier(PEN.authorities[labels.ROLE_COMMAND])


def one_input(data):
    opening.opens(data, DRAWN, NODE_ID, KEY)
    return opening.opens(hexlify(data), DRAWN, NODE_ID, KEY)


def seeds():
    return [PEN.sign(DRAWN, "open", labels.ROLE_COMMAND, NODE_ID)]
