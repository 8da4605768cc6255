"""What the city may make the node do: a closed table. A command is signed by the city's command key, for this node.

Every number is executed at most once: it is in the key store before anything happens, and only higher ones are taken
after it. A refused command changes nothing else: it cannot run later, when its arguments would be allowed.
"""

from micropython import const

from envelope import cbor, cose, ecdsa
from envelope.errors import CborError, KeyInvalid, Rejected
from envelope.labels import (
    COMMAND_ARGUMENTS,
    COMMAND_LAST_EPOCH,
    COMMAND_NUMBER,
    COMMAND_NUMBER_MAX,
    COMMAND_OPERATION,
    OPERATION_REPORT_NOW,
    OPERATION_ROTATE,
    PROFILE,
    PUBLIC_KEY_SIZE,
    RESULT_DONE,
    RESULT_REFUSED,
    RESULT_UNSUPPORTED,
    ROLE_COMMAND,
    ROLE_RELEASE,
    ROLES,
    ROTATE_IDENTITY,
    ROTATE_KEYS,
    SEALED_MAX,
)
from node.seldom import seldom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeGuard

    from envelope.drbg import Drbg
    from envelope.p256_comb import Comb
    from node.keychain import Keychain
    from node.report import Owed
    from ports.led import Led

_DAY_S = const(86400)
_BLINK_S = const(60)
# The city may be so many messages behind when it writes a letter with a command
_STALE_AFTER = const(128)


def is_uint(value: object) -> "TypeGuard[int]":
    """Tell whether a decoded CBOR item is an unsigned integer (true is none)."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class Commands:
    """Executes commands. `led` is None where the board has none.

    `reset` starts the board again; it is called when the session is over. `report_now` seals and stores a report
    without readings: the pipeline's, set when there is one. `comb` gives the comb of a public key, empty without.
    """

    def __init__(
        self,
        keychain: "Keychain",
        owed: "Owed",
        drbg: "Drbg",
        led: "Led | None",
        reset: "Callable[[], None]",
        comb: "Callable[[bytes], Comb]",
    ) -> None:
        self.keychain = keychain
        self.owed = owed
        self._drbg = drbg
        self.led = led
        self._reset = reset
        self._comb = comb
        self.reset_due = False
        self.report_now: Callable[[], None] | None = None

    def take(self, message: bytes, heard: int) -> "tuple[int, int] | None":
        """Execute a command that came in a letter, unless it was, is too late, or the letter stale.

        Returns the answer that is owed now and whenever the same letter is seen again, None when there is none.
        Raises Rejected for what the city's command key did not sign for this node.
        """
        number, operation, last_epoch, arguments = self._open(message)
        keychain = self.keychain
        if number == keychain.command:
            if self._on_trial(number):
                return None
            self.owed.answer = number & 0xFFFF, keychain.result
            return self.owed.answer
        if number < keychain.command or keychain.epoch > last_epoch or heard + _STALE_AFTER < keychain.spent:
            print("hadeda: command is over")
            return None
        if operation == OPERATION_ROTATE:
            result = self._rotate(number, arguments)
        else:
            with seldom("node.orders") as orders:
                result = orders.carry_out(self, number, operation, arguments)
        if result in (RESULT_REFUSED, RESULT_UNSUPPORTED):
            keychain.accept_command(number, result)
        if self._on_trial(number):
            return None  # what becomes of it, nobody knows yet
        answer = number & 0xFFFF, result
        # The extra report took its own answer along
        if operation != OPERATION_REPORT_NOW or answer[1] != RESULT_DONE:
            self.owed.answer = answer
        return answer

    def session_over(self) -> None:
        """Start the board again when a command wants that."""
        if self.reset_due:
            self.reset_due = False
            self.keychain.finish_command(RESULT_DONE)
            self._reset()

    def _open(self, message: bytes) -> "tuple[int, int, int, dict[Any, Any]]":
        """(number, operation, last epoch, arguments), signed by the command key for this node; else Rejected."""
        keychain = self.keychain
        public = keychain.authorities[ROLE_COMMAND]
        verifier = ecdsa.Verifier(public, self._comb(public))
        payload = cose.open_sign1(message, cbor.encode([PROFILE, "command", keychain.node_id]), verifier)
        command: Any = None
        try:
            command = cbor.decode(payload, max_bytes=SEALED_MAX)
        except CborError:
            pass
        if not isinstance(command, dict) or len(command) != 4:
            raise Rejected("not a command")
        number = command.get(COMMAND_NUMBER)
        operation = command.get(COMMAND_OPERATION)
        last_epoch = command.get(COMMAND_LAST_EPOCH)
        arguments = command.get(COMMAND_ARGUMENTS)
        if not is_uint(number) or not 0 < number <= COMMAND_NUMBER_MAX or not is_uint(operation):
            raise Rejected("number or operation of a command")
        if not is_uint(last_epoch) or not isinstance(arguments, dict):
            raise Rejected("last epoch or arguments of a command")
        return number, operation, last_epoch, arguments

    def _rotate(self, number: int, arguments: "dict[Any, Any]") -> int:
        """A fresh key agreement, with new keys of the city or a new identity of the node where it says so."""
        keys = arguments.get(ROTATE_KEYS)
        for argument in arguments:
            if argument not in (ROTATE_KEYS, ROTATE_IDENTITY):
                return RESULT_REFUSED
        if ROTATE_KEYS in arguments and not _are_public_keys(keys):
            return RESULT_REFUSED
        new_identity = ROTATE_IDENTITY in arguments
        if new_identity and (not is_uint(arguments[ROTATE_IDENTITY]) or arguments[ROTATE_IDENTITY] != 1):
            return RESULT_REFUSED
        try:
            self.keychain.begin_rekey(self._drbg, keys, new_identity, number)
        except KeyInvalid:
            return RESULT_REFUSED
        return RESULT_DONE

    def _on_trial(self, number: int) -> bool:
        """Tell whether the network that this command brought has to prove itself still."""
        candidate = self.keychain.secrets.candidate
        return candidate is not None and candidate[1] == number


def _are_public_keys(keys: object) -> bool:
    """Tell whether it is a map of roles to keys of the right size; whether they are points, the keychain finds out."""
    if not isinstance(keys, dict) or not keys:
        return False
    for role in keys:
        # The key without which no floor is loosened is not the command key's to give away: only the cable's
        if (
            role not in ROLES
            or role == ROLE_RELEASE
            or not isinstance(keys[role], bytes)
            or len(keys[role]) != PUBLIC_KEY_SIZE
        ):
            return False
    return True
