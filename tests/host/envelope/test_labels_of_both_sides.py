"""The CDDL has the channels of the table of labels."""

import re

import cbor2
import pycddl
import pytest

from hadeda.envelope import labels
from hadeda.paths import FIRMWARE

POLICY_CDDL = (FIRMWARE / "node" / "policy.cddl").read_text(encoding="utf-8")
REPORT_CDDL = (FIRMWARE / "node" / "report.cddl").read_text(encoding="utf-8")


def test_a_report_s_cddl_has_every_channel_and_no_other() -> None:
    air = REPORT_CDDL[REPORT_CDDL.index("air = {") :]
    assert [int(number) for number in re.findall(r"\? (\d+) => (?:statistics|\[1, wh)", air)] == sorted(labels.CHANNELS)


def test_a_policy_s_cddl_has_every_channel_and_no_other() -> None:
    schema = pycddl.Schema("start = channel\n" + POLICY_CDDL)
    for channel in labels.CHANNELS:
        schema.validate_cbor(cbor2.dumps(channel))
    for channel in (0, max(labels.CHANNELS) + 1):
        with pytest.raises(pycddl.ValidationError):
            schema.validate_cbor(cbor2.dumps(channel))
