"""A program that answers questions, one line of JSON each; bytes are text behind "hex:". For every Python there is."""

import json
import sys
from binascii import hexlify, unhexlify


def dumps(value):
    """One line."""
    return json.dumps(_plain(value))


def loads(text):
    """What `dumps` was given."""
    return _bytes(json.loads(text))


def answer(functions):
    """Serve standard input until it ends: {"ask": name, "with": {...}} becomes {"is": value} or {"refused": why}."""
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        question = loads(line)
        try:
            found = {"is": functions[question["ask"]](**question["with"])}
        except Exception as error:
            found = {"refused": type(error).__name__ + ": " + str(error)}
        sys.stdout.write(dumps(found) + "\n")
        if hasattr(sys.stdout, "flush"):  # not on MicroPython, which does not buffer
            sys.stdout.flush()


def _plain(value):
    if isinstance(value, (bytes, bytearray)):
        return "hex:" + str(hexlify(value), "ascii")
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value


def _bytes(value):
    if isinstance(value, str) and value[:4] == "hex:":
        return unhexlify(value[4:])
    if isinstance(value, dict):
        return {key: _bytes(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_bytes(entry) for entry in value]
    return value
