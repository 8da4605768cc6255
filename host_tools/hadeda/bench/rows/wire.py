"""What a 15-minute report takes on the wire, against the same content in formats that neither sign nor encrypt.

All are published alike: MQTT 3.1.1, QoS 1, the same topic. Counted is the whole PUBLISH packet, which is what TCP
carries; what comes before and after it (connect, TLS, acknowledgement) is the same whatever the body is.
"""

from typing import Final

from hadeda.bench.conditions import Conditions
from hadeda.bench.plain_formats import plain_json, senml_cbor, senml_json, sensor_community
from hadeda.bench.row import Row, Target
from hadeda.bench.sent_report import SentReport, sent_report

SEALED_MAX: Final = 256  # bytes, of a report with eight cells
UNIT: Final = "bytes"
WHAT: Final = "five channels (n, mean, min, max), eight cells, health, privacy, outbox"
PEERS: Final = {
    "plain JSON": (plain_json, "no white space, a list for each channel and one for the cells, the same content"),
    "SenML JSON": (senml_json, "RFC 8428, a record for each number, base name and base time, the same content"),
    "SenML CBOR": (senml_cbor, "RFC 8428 section 6, decimal fractions where shorter, the same content"),
    "Sensor.Community": (
        sensor_community,
        "reconstructed from the source of the airrohr firmware (opendata-stuttgart/sensors-software, version 2020-133: "
        "data_first_part and its value_type and value pairs, written without spaces), with its names for a PMS5003 and "
        "a BME280, and not captured from a node; it has the five means and four figures of its own, no n, minimum, "
        "maximum, traffic, time or privacy; who sends it stands in HTTP headers, which are left out",
    ),
}


def rows(_conditions: Conditions) -> list[Row]:
    """A row for each peer, and one for the longest report."""
    usual, longest = sent_report(), sent_report("longest")
    return [*(_against(name, usual) for name in PEERS), _longest(longest)]


def _against(name: str, sent: SentReport) -> Row:
    write, form = PEERS[name]
    size = len(sent.packet) - len(sent.sealed) + len(write(sent.report))
    how = (
        f"a report of {WHAT}, made by the node's code: {len(sent.plain)} bytes, sealed {len(sent.sealed)}; "
        f"each in one MQTT PUBLISH (QoS 1, same topic), all counted. {name}: {form}, neither signed nor encrypted"
    )
    target = Target("<", size) if name == "plain JSON" else None
    return Row(f"report on the wire, against {name}", len(sent.packet), UNIT, how, target, name, size)


def _longest(sent: SentReport) -> Row:
    how = (
        "eight counts above 255, other numbers as long as they get (pressure within 255 Pa of its mean, no fault): "
        f"{len(sent.plain)} bytes, padded, signed and encrypted; without MQTT. The design's bound"
    )
    return Row("sealed report, longest numbers", len(sent.sealed), UNIT, how, Target("<=", SEALED_MAX))
