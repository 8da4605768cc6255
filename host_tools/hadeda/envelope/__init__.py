"""The envelope, host side: open what nodes seal, seal what they open. COSE, deterministic CBOR, profile hadeda-1.

    message = parse_sealed(payload)                  # what anyone can see: kid, epoch, sequence
    opened = open_report(message, candidates)        # AEAD, signature, padding, report; raises Rejected
    ready = open_rekey(parse_rekey(payload), collector_keys, identity_of)
    sealed = seal_letter(keys, epoch, number, receipt_key, node_id, Letter(heard, command))

The node seals with code of its own; the two sides share `labels.py` and the test vectors, nothing else.
"""

from hadeda.envelope.cose import SealedMessage, parse_sealed
from hadeda.envelope.enrolment import Enrolment, open_enrolment
from hadeda.envelope.keys import EpochKeys, epoch_keys, next_root, root_key, thumbprint
from hadeda.envelope.opening import Candidate, Opened, Unopened, open_report
from hadeda.envelope.ready import Ready, RekeyMessage, open_rekey, parse_rekey
from hadeda.envelope.report import AirReading, Answer, Count, Fault, Health, Outbox, Privacy, Report, parse_report
from hadeda.envelope.sealing import Command, Letter, seal_letter, sign_command

__all__ = [
    "AirReading",
    "Answer",
    "Candidate",
    "Command",
    "Count",
    "Enrolment",
    "EpochKeys",
    "Fault",
    "Health",
    "Letter",
    "Opened",
    "Outbox",
    "Privacy",
    "Ready",
    "RekeyMessage",
    "Report",
    "SealedMessage",
    "Unopened",
    "epoch_keys",
    "next_root",
    "open_enrolment",
    "open_rekey",
    "open_report",
    "parse_rekey",
    "parse_report",
    "parse_sealed",
    "root_key",
    "seal_letter",
    "sign_command",
    "thumbprint",
]
