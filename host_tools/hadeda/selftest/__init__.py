"""The self-test of a provisioned node at its cable: what its programs tell (firmware/selftest), judged line by line."""

from hadeda.selftest.checks import Check, Status
from hadeda.selftest.visit import self_test, self_test_at

__all__ = ["Check", "Status", "self_test", "self_test_at"]
