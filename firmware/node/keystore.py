"""Where the node's secrets are: one record, in two raw flash sectors of its own or, without those, in a file.

The record holds the committed secrets and, while the node is being enrolled, those of the enrolment that the host has
not registered yet; it is only ever replaced as a whole. In sectors the old one is erased as soon as the new one is
there. In a file an overwritten value may stay readable in flash: this is why the health report says which it is.

    record = magic (4 bytes), generation (4), length of the body (2), SHA-256 of all that and the body, body (CBOR)
"""

from hashlib import sha256

from micropython import const

from envelope import cbor
from envelope.errors import CborError
from node.errors import Unprovisioned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.flash import Files, KeyPartition

KIND_FILE = 0
KIND_SECTORS = 1

FOLDER = "/state"
_PATH = FOLDER + "/keys"
_LEFT_BY_A_POWER_CUT = _PATH + "~"

_MAGIC = b"HKR2"
_HEAD = const(10)
_BODY_AT = const(42)
_EIO = const(5)


class Pending:
    """A re-key that the city has not confirmed: what takes effect with it, None for what stays as it is.

    `ready` is the message to send, `drop_at` the epoch with whose beginning the node gives up, `command` the number
    of the command that asked for it, 0 when none did.
    """

    NAMES = ("epoch", "root", "ready", "drop_at", "authorities", "private", "public", "command")

    def __init__(
        self,
        epoch: int,
        root: bytes,
        ready: bytes,
        drop_at: int,
        authorities: "dict[int, bytes] | None" = None,
        private: "bytes | None" = None,
        public: "bytes | None" = None,
        command: int = 0,
    ) -> None:
        self.epoch = epoch
        self.root = root
        self.ready = ready
        self.drop_at = drop_at
        self.authorities = authorities
        self.private = private
        self.public = public
        self.command = command


class Secrets:
    """What a node must keep to stay who it is. Not changed in place: `changed` gives another one.

    private, public    identity key pair (32 and 65 bytes), or where the private one is (4 bytes)
    authorities        the city's public keys (65 bytes) by labels.ROLE_*
    epoch, root        number and root key (32 bytes) of the current epoch
    chain_start        number of the epoch that its chain of ratchets began with
    ceiling            highest epoch number ever announced in a ready message
    command, result    number of the last command accepted, and what became of it (labels.RESULT_*)
    window_s           commanded length of a window, 0: as configured
    rekey_due          a re-key was begun or is needed, and none has been confirmed since
    retired            kid of the epoch before: its counter is to be forgotten
    policy, floor      maps of policy.cddl that hold (CBOR), b"": none
    wish               what a dropped re-key was to bring, for the next: [authorities or None, new identity?, command]
    network            labels.SET_NETWORK_* -> what holds in place of the configuration's
    candidate          [tries left, number of the command, network] of a network that has to prove itself, else None
    """

    NAMES = (
        "private",
        "public",
        "authorities",
        "epoch",
        "root",
        "chain_start",
        "ceiling",
        "command",
        "result",
        "window_s",
        "rekey_due",
        "retired",
        "policy",
        "floor",
        "pending",
        "wish",
        "network",
        "candidate",
    )

    def __init__(
        self,
        private: bytes,
        public: bytes,
        authorities: "dict[int, bytes]",
        epoch: int,
        root: bytes,
        chain_start: int,
        ceiling: int,
        command: int = 0,
        result: int = 0,
        window_s: int = 0,
        rekey_due: bool = False,
        retired: bytes = b"",
        policy: bytes = b"",
        floor: bytes = b"",
        pending: "Pending | None" = None,
        wish: "list[Any] | None" = None,
        network: "dict[int, Any] | None" = None,
        candidate: "list[Any] | None" = None,
    ) -> None:
        self.private = private
        self.public = public
        self.authorities = authorities
        self.epoch = epoch
        self.root = root
        self.chain_start = chain_start
        self.ceiling = ceiling
        self.command = command
        self.result = result
        self.window_s = window_s
        self.rekey_due = rekey_due
        self.retired = retired
        self.policy = policy
        self.floor = floor
        self.pending = pending
        self.wish = wish
        self.network = network
        self.candidate = candidate

    def changed(self, **changes: "Any") -> "Secrets":
        """A copy with other values for the names given."""
        values: dict[str, Any] = {name: getattr(self, name) for name in Secrets.NAMES}
        values.update(changes)
        return Secrets(**values)


_PENDING_AT = Secrets.NAMES.index("pending")


class KeyStore:
    """The record's contents. `kind` is KIND_FILE or KIND_SECTORS."""

    def __init__(self, record: "_FileRecord | _SectorRecord") -> None:
        self._record = record
        self.kind = record.kind

    def load(self) -> Secrets:
        """The committed secrets; Unprovisioned when there are none (or they are damaged)."""
        secrets = self._read()[0]
        if secrets is None:
            raise Unprovisioned("no committed identity")
        return secrets

    def save(self, secrets: Secrets) -> None:
        """Replace the committed secrets; after a power cut it is the old ones or these. OSError: the old ones stay."""
        self._write(secrets, self._read()[1])

    def load_pending_enrolment(self) -> "Secrets | None":
        return self._read()[1]

    def save_pending_enrolment(self, secrets: Secrets) -> None:
        """Keep the secrets of an enrolment that the host has not registered yet, beside the committed ones."""
        self._write(self._read()[0], secrets)

    def commit(self) -> None:
        """Make the pending enrolment the node's and erase what was; nothing happens when there is none."""
        pending = self._read()[1]
        if pending is not None:
            self._write(pending, None)

    def take_over(self, other: "KeyStore") -> None:
        """Commit what `other` has committed, if anything: it is newer, for a node that has sectors writes no file."""
        committed = other._read()[0]
        if committed is not None:
            self._write(committed, None)

    def _read(self) -> "tuple[Secrets | None, Secrets | None]":
        try:
            rows: Any = cbor.decode(self._record.read() or b"\x82\xf6\xf6")
            return _from_row(rows[0]), _from_row(rows[1])
        except (CborError, LookupError, TypeError):  # whole, but of another firmware
            return None, None

    def _write(self, committed: "Secrets | None", enrolment: "Secrets | None") -> None:
        self._record.replace(cbor.encode([_to_row(committed), _to_row(enrolment)]))


def open_keystore(files: "Files", partition: "KeyPartition | None") -> KeyStore:
    """The node's key store: the partition where there is one. What was in a file until then moves there."""
    in_file = _FileRecord(files)
    if partition is None:
        return KeyStore(in_file)
    keystore = KeyStore(_SectorRecord(partition))
    keystore.take_over(KeyStore(in_file))
    in_file.erase()
    return keystore


class _FileRecord:
    kind = KIND_FILE

    def __init__(self, files: "Files") -> None:
        self._files = files

    def read(self) -> "bytes | None":
        """The body, None when there is none that is whole."""
        return _unpack(self._files.read(_PATH) or b"")[1]

    def replace(self, body: bytes) -> None:
        self._files.make_folder(FOLDER)
        self._files.write(_PATH, _pack(0, body))

    def erase(self) -> None:
        for path in (_LEFT_BY_A_POWER_CUT, _PATH):
            self._files.remove(path)


class _SectorRecord:
    """Two sectors, one of them erased: the new record is written there and read back before the old one is erased."""

    kind = KIND_SECTORS

    def __init__(self, partition: "KeyPartition") -> None:
        self._partition = partition

    def read(self) -> "bytes | None":
        """The body, None when there is none that is whole; an erasure that a power cut interrupted is finished."""
        _, sector, body = self._newest()
        if body is not None:
            self._erase(1 - sector)
        return body

    def replace(self, body: bytes) -> None:
        generation, sector, _ = self._newest()
        if not self._wrote(1 - sector, _pack(generation + 1, body)):
            self._erase(1 - sector)
            raise OSError(_EIO)
        self._erase(sector)

    def _wrote(self, sector: int, record: bytes) -> bool:
        """Write a record and read it back. True when it is there, whatever flash said on the way."""
        try:
            self._partition.replace(sector, record)
        except OSError:
            pass
        try:
            return self._partition.read(sector, len(record)) == record
        except OSError:
            return False

    def _newest(self) -> "tuple[int, int, bytes | None]":
        """(generation, sector, body) of the record that counts; (0, 1, None) when there is none."""
        newest: tuple[int, int, bytes | None] = (0, 1, None)
        for sector in (0, 1):
            size = _BODY_AT + int.from_bytes(self._partition.read(sector, _HEAD)[-2:], "big")
            if size <= self._partition.SECTOR_SIZE:
                generation, body = _unpack(self._partition.read(sector, size))
                if body is not None and generation > newest[0]:
                    newest = generation, sector, body
        return newest

    def _erase(self, sector: int) -> None:
        """Erase a sector that does not count any more; where flash refuses, every later read tries again."""
        try:
            if not self._partition.erased(sector):
                self._partition.erase(sector)
        except OSError as error:
            print("hadeda: old keys not erased yet:", repr(error))


def _head(generation: int, body: bytes) -> bytes:
    """What stands before the body; with as few copies of it as can be, for they are large and the heap is not."""
    head = _MAGIC + generation.to_bytes(4, "big") + len(body).to_bytes(2, "big")
    digest = sha256(head)
    digest.update(body)
    return head + digest.digest()


def _pack(generation: int, body: bytes) -> bytes:
    return _head(generation, body) + body


def _unpack(record: bytes) -> "tuple[int, bytes | None]":
    """(generation, body) of a whole record, (0, None) of anything else."""
    generation = int.from_bytes(record[4:8], "big")
    body = record[_BODY_AT:]
    return (generation, body) if record[:_BODY_AT] == _head(generation, body) else (0, None)


def _to_row(secrets: "Secrets | None") -> "list[object] | None":
    if secrets is None:
        return None
    row = [getattr(secrets, name) for name in Secrets.NAMES]
    if secrets.pending is not None:
        row[_PENDING_AT] = [getattr(secrets.pending, name) for name in Pending.NAMES]
    return row


def _from_row(row: "Any") -> "Secrets | None":
    if row is None:
        return None
    if row[_PENDING_AT] is not None:
        row[_PENDING_AT] = Pending(*row[_PENDING_AT])
    return Secrets(*row)
