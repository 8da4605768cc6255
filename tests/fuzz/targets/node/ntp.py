"""A time server's answer: a time from 2021 on that the node's reports have room for, or ProtocolError."""

from node.errors import ProtocolError
from node.sntp import EARLIEST_S, answer_ms

COOKIE = b"8 random"


def one_input(data):
    try:
        unix_ms = answer_ms(data, COOKIE)
    except ProtocolError:
        return False
    if not EARLIEST_S * 1000 <= unix_ms < (1 << 33) * 1000:
        raise AssertionError("a time that cannot be")
    return True


def seeds():
    return [_answer(0xE6000000), _answer(0xFFFFFFFF), _answer(5), _answer(0xE6000000) + bytes(20)]


def _answer(seconds):
    return b"\x24\x02\x00\xec" + bytes(20) + COOKIE + bytes(8) + seconds.to_bytes(4, "big") + b"\x80\x00\x00\x00"
