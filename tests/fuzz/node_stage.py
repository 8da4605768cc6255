"""A node that has just started, for targets: the same one for every input, whatever the input before it did.

Its signatures are believed, so that an input gets behind them: who guesses has the city's keys, or a bug to thank.
"""

from firmware.city_pen import Led, Node, Pen

from envelope import aes_ccm, cbor, cose, ecdsa, labels
from node.commands import Commands
from node.letters import Mailbox
from node.report import Owed

PEN = Pen()
NUMBER = 1
_NODE = Node(PEN)
_FILES, _VALUES = dict(_NODE.flash.files), dict(_NODE.flash.values)
_SIGN1 = cbor.encode({labels.HEADER_ALG: labels.ALG_ESP256})
_ENCRYPT0 = cbor.encode({labels.HEADER_ALG: labels.ALG_AES_CCM_16_128_128})


class _Believes:
    """In place of envelope.ecdsa.Verifier."""

    def __init__(self, _public, _comb=b""):
        pass

    def verify(self, _message, signature):
        return len(signature) == labels.SIGNATURE_SIZE


class believing:
    """Within it every signature holds."""

    def __enter__(self):
        self._verifier = ecdsa.Verifier
        ecdsa.Verifier = _Believes

    def __exit__(self, _kind, _error, _trace):
        ecdsa.Verifier = self._verifier


class Stage:
    """A node with its mailbox and its command table."""

    def __init__(self):
        _NODE.flash.files, _NODE.flash.values = dict(_FILES), dict(_VALUES)
        _NODE.retained.data = b""
        self.flash, self.retained = _NODE.flash, _NODE.retained
        self.keychain = _NODE.boot()
        self.owed = Owed()
        self.commands = Commands(self.keychain, self.owed, _NODE.drbg, Led(), _nothing, _no_comb)
        self.commands.report_now = _nothing
        self.mailbox = Mailbox(
            self.keychain, self.commands, self.owed, _NODE.drbg, "hadeda/down", _no_comb, _ignored, _ignored
        )
        (self.topic,) = self.mailbox.topics()

    def letter(self, signed):
        """The message around a COSE_Sign1, sealed with this node's key."""
        made, epoch = self.keychain.epoch_keys, self.keychain.epoch
        number = bytes((NUMBER,))
        aad = cose.enc_structure(_ENCRYPT0, cose.external_aad(labels.DIRECTION_DOWN, epoch, made.kid, number))
        nonce = made.iv_down[:-1] + bytes((made.iv_down[-1] ^ NUMBER,))
        sealed = aes_ccm.encrypt(made.k_down, nonce, signed, aad, labels.TAG_SIZE)
        headers = {
            labels.HEADER_KID: made.kid,
            labels.HEADER_PARTIAL_IV: number,
            labels.HEADER_EPOCH: bytes((epoch,)),
        }
        return cbor.encode(cbor.Tag(labels.TAG_ENCRYPT0, [_ENCRYPT0, headers, sealed]))


def signed(payload):
    """A COSE_Sign1 around these bytes, for a node that believes it."""
    return cbor.encode(cbor.Tag(labels.TAG_SIGN1, [_SIGN1, {}, payload, bytes(labels.SIGNATURE_SIZE)]))


def _ignored(*_told):
    pass


def _nothing():
    pass


def _no_comb(_public):
    return b""
