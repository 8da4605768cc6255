"""Node and host have one table of labels, and the CDDL has its channels."""

import re
import runpy

import cbor2
import pycddl
import pytest

from hadeda.envelope import labels
from hadeda.paths import FIRMWARE

POLICY_CDDL = (FIRMWARE / "node" / "policy.cddl").read_text(encoding="utf-8")
REPORT_CDDL = (FIRMWARE / "node" / "report.cddl").read_text(encoding="utf-8")


def test_the_table_is_the_same_on_both_sides() -> None:
    node = runpy.run_path(str(FIRMWARE / "envelope" / "labels.py"))
    host = vars(labels)
    names = {name for table in (node, host) for name in table if name.isupper()}
    assert len(names) > 100
    assert {name: node.get(name) for name in names} == {name: host.get(name) for name in names}


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
