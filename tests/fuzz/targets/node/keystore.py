"""The key store's record as a file, as a sector, and as the body of a record whose checksum is right."""

from hashlib import sha256

from firmware.fakes import Flash
from firmware.key_sectors import SIZE, KeySectors
from node_stage import PEN

from node.errors import Unprovisioned
from node.keystore import Pending, Secrets, open_keystore

PATH = "/state/keys"
HEAD = 42


def one_input(data):
    taken = _in_file(data)
    taken = _in_sector(data) or taken
    return _in_file(_record(data)) or taken


def _in_file(record):
    flash = Flash()
    flash.files[PATH] = record
    return _load(open_keystore(flash, None))


def _in_sector(record):
    empty = b"\xff" * SIZE
    sectors = KeySectors(sectors=(empty, (record + empty)[:SIZE]))
    return _load(open_keystore(sectors.flash, sectors))


def _load(keystore):
    keystore.load_pending_enrolment()
    try:
        keystore.load()
    except Unprovisioned:
        return False
    return True


def _record(body):
    head = b"HKR2" + bytes(4) + len(body).to_bytes(2, "big") if len(body) < 65536 else b""
    return head + sha256(head + body).digest() + body


def seeds():
    flash = Flash()
    keystore = open_keystore(flash, None)
    secrets = Secrets(bytes(32), bytes(65), PEN.authorities, 1, bytes(32), 1, 1, policy=b"p", floor=b"f")
    keystore.save(secrets)
    whole = flash.files[PATH]
    pending = Pending(65, bytes(32), b"ready", 70, PEN.authorities, bytes(32), bytes(65), 4)
    keystore.save(secrets.changed(pending=pending, wish=[None, True, 3]))
    sectors = KeySectors()
    open_keystore(sectors.flash, sectors).save(secrets)
    in_sector = [bytes(sector[:600]) for sector in sectors.sectors if sector[0] != 0xFF]
    return [whole, whole[HEAD:], flash.files[PATH][HEAD:]] + in_sector  # noqa: RUF005 (MicroPython)
