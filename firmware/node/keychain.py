"""The node's keys as they live: ratcheted, renewed by a fresh key agreement, confirmed by the city, erased.

Nothing here asks what time it is: an epoch ends when a day's worth of sequence numbers is spent. Every change is one
replacement of the record in the key store, made before it takes effect in memory. The counter of an epoch exists
before the record that makes the epoch current, and goes after it: no counter is ever begun twice for a key in use.
"""

from micropython import const

from envelope import cose, keys, labels, p256
from envelope.errors import KeyInvalid
from node import counter, ledger
from node.counter import Counter
from node.errors import CounterLost
from node.keystore import Pending
from node.seldom import seldom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envelope.drbg import Drbg
    from envelope.keys import EpochKeys
    from node.keystore import KeyStore, Secrets

_DAY_S = const(86400)


class Keychain:
    """The committed keys. `nvs` has get, set and erase, `retained` (RTC memory) has read and write.

    Raises Unprovisioned when the key store holds none. A counter that is lost or damaged costs the epoch, never the
    node: it ratchets at once and wants a re-key. Every method that changes something raises OSError when flash does
    not take it; the node's memory then stays as it was.

    secrets      the record as it stands in the key store; read it, never change it
    epoch_keys   keys of the current epoch (kid, k_up, iv_up, k_down, iv_down)
    node_id      thumbprint of the identity key, 32 bytes: sender of reports, recipient of letters
    collector_id thumbprint of the collector's key, 32 bytes: recipient of reports
    """

    def __init__(self, keystore: "KeyStore", nvs: "Any", retained: "Any") -> None:
        self._keystore = keystore
        self._nvs = nvs
        self._retained = retained
        secrets = keystore.load()
        if secrets.retired:
            counter.forget(nvs, secrets.retired)  # in case the power failed before that
        self._use(secrets, keys.epoch(secrets.root, secrets.epoch))
        try:
            self._counter = Counter(nvs, retained, self.epoch_keys.kid)
        except CounterLost as error:
            print(f"hadeda: epoch {secrets.epoch} ends: {error}")
            self._enter(self._ratcheted(rekey_due=True))

    @property
    def epoch(self) -> int:
        """Number of the current epoch."""
        return self.secrets.epoch

    @property
    def authorities(self) -> "dict[int, bytes]":
        """labels.ROLE_* -> public key of the city (65 bytes), as they hold for the current epoch."""
        return self.secrets.authorities

    @property
    def command(self) -> int:
        """Number of the last command accepted, 0 when there was none. Only higher ones may be executed."""
        return self.secrets.command

    @property
    def result(self) -> int:
        """labels.RESULT_* of that command."""
        return self.secrets.result

    @property
    def spent(self) -> int:
        """How many sequence numbers of the current epoch are spent."""
        return self._counter.spent

    def spend(self) -> int:
        """Return the next sequence number, spent already. Read epoch and keys after it: a full epoch is left here."""
        if self._counter.spent >= labels.EPOCH_MESSAGES_MAX:
            self.ratchet()
        return self._counter.spend()

    def window_s(self, configured: int) -> int:
        """The length of a window in seconds: as commanded, or as configured when nobody did."""
        return self.secrets.window_s or configured

    def ratchet(self) -> None:
        """Begin the next epoch of this chain and erase the root key of the last; an overdue re-key is dropped."""
        self._enter(self._ratcheted())

    def ratchet_if_due(self, window_s: int) -> bool:
        """Ratchet when a day's worth of numbers is spent, at one a window of `window_s`. True when it did."""
        due = self.spent * window_s >= _DAY_S
        if due:
            self.ratchet()
        return due

    @property
    def rekey_wanted(self) -> bool:
        """True when the node should begin a re-key by itself: nothing is pending, and one is due."""
        secrets = self.secrets
        aged = secrets.epoch - secrets.chain_start >= labels.REKEY_EVERY
        return secrets.pending is None and (secrets.rekey_due or aged)

    def begin_rekey(
        self, drbg: "Drbg", keys: "dict[int, bytes] | None" = None, new_identity: bool = False, command: int = 0
    ) -> None:
        """Agree on the root key of a new chain and keep it as pending, in place of what was pending or wished for.

        `keys` are the city's keys to know from then on, by role (those not in it stay); KeyInvalid when a role is
        unknown or a key is no point of the curve, FaultDetected when a computation failed its check: nothing has
        changed then. Call it with the radio on. A `command` that is new is accepted and done in the same write.
        """
        old = self.secrets
        authorities = None
        if keys is not None:
            for role in keys:
                if role not in labels.ROLES:
                    raise KeyInvalid("no such role")
                p256.decode(keys[role])
            authorities = dict(old.authorities)
            authorities.update(keys)
        private, public = cose.signer.make_key(drbg) if new_identity else (None, None)
        epoch = max(old.epoch, old.ceiling) + labels.REKEY_JUMP
        with seldom("node.ready", "envelope.ecdh", "envelope.ecdh_es") as ready:
            root, message = ready.make(old, epoch, authorities or old.authorities, private, public, command, drbg)
        drop_at = old.epoch + labels.REKEY_GRACE
        pending = Pending(epoch, root, message, drop_at, authorities, private, public, command)
        changed = old.changed(pending=pending, ceiling=epoch, rekey_due=True, wish=None)
        if command > old.command:
            changed = changed.changed(command=command, result=labels.RESULT_DONE)
        self._save(changed)

    def renew(self, drbg: "Drbg") -> None:
        """Begin the re-key that is wanted, with all that the last one was to bring if it was dropped."""
        keys, new_identity, command = self.secrets.wish or (None, False, 0)
        self.begin_rekey(drbg, keys, new_identity, command)

    def pending_ready(self) -> "bytes | None":
        """The ready message to send first in every session, the same bytes each time; None when nothing is pending."""
        pending = self.secrets.pending
        return None if pending is None else pending.ready

    def pending_keys(self) -> "tuple[int, EpochKeys] | None":
        """(number, keys) of the pending epoch. A letter that opens under them is the city's word: confirm().

        It is for `pending_node_id` and from `pending_authorities`: under that epoch everything new holds already.
        """
        pending = self.secrets.pending
        return None if pending is None else (pending.epoch, keys.epoch(pending.root, pending.epoch))

    @property
    def pending_node_id(self) -> bytes:
        """Recipient of letters under the pending epoch: thumbprint of the identity that comes with it."""
        pending = self.secrets.pending
        if pending is None or pending.public is None:
            return self.node_id
        return keys.thumbprint(pending.public)

    @property
    def pending_authorities(self) -> "dict[int, bytes]":
        """The city's keys by role, as they hold under the pending epoch (its receipt key signs those letters)."""
        pending = self.secrets.pending
        return (pending and pending.authorities) or self.secrets.authorities

    def confirm(self) -> None:
        """Make the pending epoch, identity and authorities current, erase the old ones: one write."""
        old = self.secrets
        pending = old.pending
        if pending is None:
            return
        if pending.public is not None:
            ledger.carry_over(self._nvs, self.node_id, keys.thumbprint(pending.public))
        self._enter(
            old.changed(
                private=pending.private or old.private,
                public=pending.public or old.public,
                authorities=pending.authorities or old.authorities,
                epoch=pending.epoch,
                root=pending.root,
                chain_start=pending.epoch,
                rekey_due=False,
                pending=None,
            )
        )

    def accept_command(self, number: int, result: int = labels.RESULT_INTERRUPTED) -> None:
        """Persist a command's number before it is executed, with the result that holds until finish_command()."""
        self._save(self.secrets.changed(command=number, result=result))

    def finish_command(self, result: int) -> None:
        """Persist the result (labels.RESULT_*) of the command accepted last."""
        self._save(self.secrets.changed(result=result))

    def set_window_s(self, seconds: int, command: int) -> None:
        """Persist the commanded length of a window (checked by the caller); the command is done in the same write."""
        self._save(self.secrets.changed(window_s=seconds, command=command, result=labels.RESULT_DONE))

    def set_policy(self, policy: bytes, floor: bytes, command: int) -> None:
        """Persist a policy and a floor that node.accept let in; the command is done in the same write."""
        self._save(self.secrets.changed(policy=policy, floor=floor, command=command, result=labels.RESULT_DONE))

    def keep(self, **changes: "Any") -> None:
        """Persist other values of the record: what a command brought, with its number and result in the same write."""
        self._save(self.secrets.changed(**changes))

    def _ratcheted(self, **changes: "Any") -> "Secrets":
        old = self.secrets
        epoch = old.epoch + 1
        pending = old.pending
        if pending is not None and epoch >= pending.drop_at:
            changes["wish"] = [pending.authorities, pending.private is not None, pending.command]
            pending = None
        return old.changed(epoch=epoch, root=keys.next_root(old.root), pending=pending, **changes)

    def _enter(self, secrets: "Secrets") -> None:
        """Make these secrets with their new epoch current. The order is the rule of this module."""
        epoch_keys = keys.epoch(secrets.root, secrets.epoch)
        retired = self.epoch_keys.kid
        secrets = secrets.changed(retired=b"" if retired == epoch_keys.kid else retired)
        counter.create(self._nvs, epoch_keys.kid)
        numbers = Counter(self._nvs, self._retained, epoch_keys.kid)
        self._keystore.save(secrets)
        self._counter = numbers
        self._use(secrets, epoch_keys)
        if secrets.retired:
            counter.forget(self._nvs, secrets.retired)

    def _save(self, secrets: "Secrets") -> None:
        self._keystore.save(secrets)
        self.secrets = secrets

    def _use(self, secrets: "Secrets", epoch_keys: "EpochKeys") -> None:
        self.secrets = secrets
        self.epoch_keys = epoch_keys
        self.node_id = keys.thumbprint(secrets.public)
        self.collector_id = keys.thumbprint(secrets.authorities[labels.ROLE_COLLECTOR])
