"""The envelope, host side: open what nodes seal. COSE_Sign1 inside COSE_Encrypt0, deterministic CBOR, profile hadeda-1.

    message = parse_sealed(payload)                          # what anyone can see: kid, epoch, sequence
    opened = open_report(message, candidates, recipient)     # AEAD, signature, padding, report; raises Rejected

The node seals with code of its own; the two sides share `labels.py` and the test vectors, nothing else.
"""

from hadeda.envelope.cose import SealedMessage, parse_sealed
from hadeda.envelope.enrolment import Enrolment, open_enrolment
from hadeda.envelope.keys import EpochKeys, epoch_keys, next_root, root_key, thumbprint
from hadeda.envelope.opening import Candidate, Opened, open_report
from hadeda.envelope.report import AirReading, Fault, Health, Report, parse_report

__all__ = [
    "AirReading",
    "Candidate",
    "Enrolment",
    "EpochKeys",
    "Fault",
    "Health",
    "Opened",
    "Report",
    "SealedMessage",
    "epoch_keys",
    "next_root",
    "open_enrolment",
    "open_report",
    "parse_report",
    "parse_sealed",
    "root_key",
    "thumbprint",
]
