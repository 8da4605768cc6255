"""What the self-test makes of what a node tells: figures on the edge, faults of every kind, advice that fits."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hadeda.envelope import labels
from hadeda.selftest.checks import Check, Status
from hadeda.selftest.keeping import ERASURES, identity_check, keeping_checks, nvs_erasures
from hadeda.selftest.reaching import WEAKEST_DBM, clock_check, radio_checks
from hadeda.selftest.sensing import sensor_checks

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
STANDING = {"ssid": "street", "host": "broker.example", "port": 8883, "ntp": "time.example"}
REACHED = {"wifi": 0, "level_dbm": -61, "ntp_ms": 0, "broker": "", "failed": "", "errno": None}
KEPT = {"bytes": 2 << 20, "free": 1 << 20, "kept": "", "nvs": [], "keys": 1}
# Made by esp-idf-nvs-partition-gen 0.3.0: the header of the first page of a partition, and a page that was not used yet
NVS_PAGE = bytes.fromhex("feffffff00000000feffffffffffffffffffffffffffffffffffffff842dbab9")
NVS_EMPTY = b"\xff" * 32
BUSES = {
    "i2c0": {"kind": "i2c", "id": 0, "scl": 9, "sda": 8, "freq": 100000},
    "uart1": {"kind": "uart", "id": 1, "tx": 17, "rx": 18, "baudrate": 9600},
    "uart2": {"kind": "uart", "id": 2, "tx": 4, "rx": 5, "baudrate": 115200},
    "loop": {"kind": "gpio", "pin": 34, "pull": "external"},
}
BME280 = {"part": "bme280", "bus": "i2c0", "address": 0x76, "period_s": 10}
WEATHER = {"1": [3, 2000, 2100, 2050], "2": [3, 5000, 5100, 5050], "3": [3, 101300, 101310, 101305]}


def radio(**said: Any) -> dict[str, Check]:
    return {check.name: check for check in radio_checks(STANDING, REACHED | said)}


def page(number: int) -> bytes:
    """A full page of ESP-IDF's NVS with this sequence number."""
    body = struct.pack("<IB19s", number, 0xFE, b"\xff" * 19)
    return struct.pack("<I", 0xFFFFFFFC) + body + struct.pack("<I", zlib.crc32(body, 0xFFFFFFFF))


def key_head(generation: int) -> str:
    return (b"HKR2" + generation.to_bytes(4, "big") + b"\x01\x00").hex()


def sense(entries: Sequence[Mapping[str, Any]], sensors: Sequence[Any], **buses: Any) -> list[Check]:
    """The lines of a node whose sensors and buses tell this."""
    used = {name: BUSES[name] for name in buses}

    def observe(_buses: object, _entries: object, _listen: object) -> dict[str, Any]:
        return {"sensors": sensors, "buses": buses}

    return sensor_checks({"sensors": entries, "buses": used}, observe)


def i2c(seen: dict[str, int], errors: int = 0) -> dict[str, Any]:
    return {"seen": seen, "scans": 20, "transfers": 80, "errors": errors, "heard": None}


def air(readings: dict[str, list[int]], faults: dict[str, int]) -> dict[str, Any]:
    return {"kind": "air", "channels": [1, 2, 3], "readings": readings, "faults": faults}


def test_everything_in_reach_passes() -> None:
    assert {check.status for check in radio().values()} == {Status.PASS}


@pytest.mark.parametrize(
    ("status", "says"), [(201, "no network street in reach"), (202, "street refuses the node"), (1001, "within 20 s")]
)
def test_no_wifi_says_why_and_skips_the_rest(status: int, says: str) -> None:
    checks = radio(wifi=status)
    assert checks["wifi"].status == Status.FAIL
    assert says in checks["wifi"].found
    assert checks["wifi"].advice
    assert {check.status for name, check in checks.items() if name != "wifi"} == {Status.SKIPPED}


@pytest.mark.parametrize(
    ("dbm", "status"),
    [(WEAKEST_DBM, Status.PASS), (WEAKEST_DBM - 1, Status.FAIL), (None, Status.NOT_KNOWN)],
)
def test_radio_level(dbm: int | None, status: Status) -> None:
    assert radio(level_dbm=dbm)["radio level"].status == status


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (
            {"broker": "connect", "errno": 111},
            "no broker that the node trusts answers at broker.example:8883 (refused)",
        ),
        ({"broker": "connect", "errno": -0x2700}, "its certificate is not of this city's authority"),
        ({"broker": "connect", "failed": "TimeoutError()"}, "(TimeoutError())"),
        ({"broker": "login", "failed": "the broker refused: not authorised"}, "refuses the node's login"),
        ({"broker": "answer", "failed": "TimeoutError()"}, "took the login, and says no more"),
    ],
)
def test_a_broker_that_is_not_reached_is_named_with_the_reason(said: dict[str, Any], found: str) -> None:
    check = radio(**said)["broker"]
    assert check.status == Status.FAIL
    assert found in check.found
    assert check.advice


def test_a_time_server_that_is_not_there() -> None:
    assert radio(ntp_ms=None)["time server"].status == Status.FAIL
    (check,) = (c for c in radio_checks({**STANDING, "ntp": ""}, REACHED) if c.name == "time server")
    assert check.status == Status.SKIPPED


@pytest.mark.parametrize(("off_s", "status"), [(-60, Status.PASS), (61, Status.FAIL), (-86400 * 400, Status.FAIL)])
def test_a_clock_is_right_by_this_computer_where_no_server_answers(off_s: int, status: Status) -> None:
    check = clock_check(NOW + timedelta(seconds=off_s), None, NOW)
    assert check.status == status
    assert bool(check.advice) == (status == Status.FAIL)


def test_where_a_time_server_and_this_computer_differ_either_will_do() -> None:
    there = NOW - timedelta(days=400)
    assert clock_check(there, there, NOW).status == Status.PASS
    assert "400 days behind this computer's" in clock_check(there, there, NOW).found
    assert clock_check(NOW, there, NOW).status == Status.PASS
    assert clock_check(NOW - timedelta(days=200), there, NOW).status == Status.FAIL


def test_wear_of_nvs_is_read_from_its_page_numbers() -> None:
    assert nvs_erasures([NVS_PAGE] + [NVS_EMPTY] * 5) == 0
    assert nvs_erasures([page(599), page(598), NVS_EMPTY, NVS_EMPTY, NVS_EMPTY, NVS_EMPTY]) == 100


@pytest.mark.parametrize("header", [NVS_EMPTY, b"\x01\x00\x00\x00HNVS" + bytes(24), NVS_PAGE[:31] + b"\0"])
def test_what_is_no_page_of_nvs_tells_nothing(header: bytes) -> None:
    assert nvs_erasures([header] * 6) is None
    assert nvs_erasures([]) is None


def test_wear_of_the_key_sectors_is_counted_by_their_records() -> None:
    _, wear, keys = keeping_checks({**KEPT, "records": [key_head(7), "ff" * 10]})
    assert (wear.status, keys.status) == (Status.PASS, Status.PASS)
    assert "keys: about 4, nvs: not known, files: not known" in wear.found


def test_a_worn_out_flash_fails_before_it_forgets() -> None:
    _, wear, _ = keeping_checks({**KEPT, "records": [key_head(2 * ERASURES), "ff" * 10]})
    assert wear.status == Status.FAIL


def test_keys_in_a_file_and_half_erased_sectors_fail() -> None:
    _, wear, keys = keeping_checks({**KEPT, "records": [], "keys": 0})
    assert (wear.status, keys.status) == (Status.NOT_KNOWN, Status.FAIL)
    assert "hadeda board flash" in keys.advice
    assert keeping_checks({**KEPT, "records": [key_head(7), key_head(6)]})[2].status == Status.FAIL


@pytest.mark.parametrize(("said", "status"), [({"kept": "OSError(5,)"}, Status.FAIL), ({"free": 1000}, Status.FAIL)])
def test_a_flash_that_does_not_keep_or_is_full(said: dict[str, Any], status: Status) -> None:
    flash, *_ = keeping_checks({**KEPT, "records": [], **said})
    assert flash.status == status
    assert flash.advice


def test_a_sensor_that_answers_says_what_it_reads() -> None:
    sensor, bus = sense([BME280], [air(WEATHER, {})], i2c0=i2c({"118": 20}))
    assert (sensor.status, bus.status) == (Status.PASS, Status.PASS)
    assert "temperature 20.5 degC" in sensor.found
    assert bus.found == "0 errors in 80 transfers, 20 scans"


@pytest.mark.parametrize("channel", ["1", "2", "3"])
def test_what_cannot_be_outdoors_is_not_plausible(channel: str) -> None:
    odd = {"1": [3, 6000, 7000, 6500], "2": [3, 0, 0, 0], "3": [3, 40000, 40001, 40000]}
    sensor, _ = sense([BME280], [air({**WEATHER, channel: odd[channel]}, {})], i2c0=i2c({"118": 20}))
    assert sensor.status == Status.FAIL
    assert "is not between" in sensor.found


def test_a_channel_that_says_nothing_is_missed() -> None:
    sensor, _ = sense([BME280], [air({"1": WEATHER["1"], "3": WEATHER["3"]}, {})], i2c0=i2c({"118": 20}))
    assert (sensor.status, sensor.found) == (Status.FAIL, "no relative_humidity")


@pytest.mark.parametrize(
    ("seen", "fault", "advice"),
    [
        ({}, labels.FAULT_NO_ANSWER, "SCL 9 and SDA 8; on that bus answers: nobody"),
        ({"72": 20}, labels.FAULT_NO_ANSWER, "on that bus answers: 0x48"),
        ({"119": 20}, labels.FAULT_NO_ANSWER, "somebody answers at 0x77: wire the address pin to GND"),
        ({"118": 20}, labels.FAULT_IMPLAUSIBLE, "another part answers at 0x76"),
        ({"118": 20}, labels.FAULT_BUS_HUNG, "its wires are bad"),
    ],
)
def test_advice_about_a_sensor_fits_what_its_bus_does(seen: dict[str, int], fault: int, advice: str) -> None:
    sensor, _ = sense([BME280], [air({}, {str(fault): 2})], i2c0=i2c(seen))
    assert sensor.status == Status.FAIL
    assert advice in sensor.advice


def test_an_address_that_answers_now_and_then_is_an_error_of_the_bus() -> None:
    _, bus = sense([BME280], [air(WEATHER, {})], i2c0=i2c({"118": 17}))
    assert bus.status == Status.FAIL
    assert "0x76 in 17" in bus.found


def test_a_secure_element_that_scanning_wakes_is_no_error_of_the_bus() -> None:
    identity = {"part": "atecc608", "id": 0, "scl": 9, "sda": 8}
    told = {"i2c0": i2c({"118": 20, "96": 7})}
    configuration = {"sensors": [BME280], "buses": {"i2c0": BUSES["i2c0"]}}
    observed = {"sensors": [air(WEATHER, {})], "buses": told}
    for there, status in ((identity, Status.PASS), (None, Status.FAIL)):
        *_, bus = sensor_checks({**configuration, "identity": there}, lambda *_: observed)
        assert bus.status == status


OURS = {"chip": ["ours", "0123456789abcdefee"], "slot": 2, "failed": ""}


@pytest.mark.parametrize(
    ("said", "status", "found"),
    [
        ({}, Status.PASS, "in slot 2 of the ATECC608 0123456789abcdefee, which is locked"),
        ({"chip": ["absent", "1"]}, Status.FAIL, "no ATECC608 answers"),
        ({"chip": ["foreign", "01"]}, Status.FAIL, "the ATECC608 that answers is not one that was made ready"),
        ({"chip": ["halfway", "01"]}, Status.FAIL, "the ATECC608 that answers is not one that was made ready"),
        ({"slot": None}, Status.FAIL, "in the flash, not in the ATECC608"),
        ({"failed": "it has another key"}, Status.FAIL, "ATECC608 0123456789abcdefee: it has another key"),
    ],
)
def test_the_identity_key_in_a_chip(said: dict[str, Any], status: Status, found: str) -> None:
    check = identity_check("atecc608", {**OURS, **said})
    assert (check.status, check.found) == (status, found)
    assert bool(check.advice) == (status is Status.FAIL)


def test_one_torn_frame_is_none_too_many() -> None:
    radar = {"part": "ld2451", "bus": "uart2", "period_s": 0}
    line = {"heard": 3000, "transfers": None, "errors": None}
    for count, status in ((1, Status.PASS), (2, Status.FAIL)):
        said = {"kind": "traffic", "channels": [], "readings": {}, "faults": {str(labels.FAULT_BAD_FRAME): count}}
        assert sense([radar], [said], uart2=line)[0].status == status


def test_a_radar_that_says_nothing_fails_and_a_part_that_listens_by_radio_is_not_known() -> None:
    radar = {"part": "ld2451", "bus": "uart2", "period_s": 0}
    footfall = {"part": "ble_footfall", "period_s": 0}
    line = {"heard": 0, "transfers": None, "errors": None}
    quiet = {"channels": [], "readings": {}, "faults": {}}
    checks = sense([radar, footfall], [{"kind": "traffic", **quiet}, {"kind": "radio", **quiet}], uart2=line)
    assert [check.status for check in checks[:2]] == [Status.FAIL, Status.NOT_KNOWN]


def test_two_sensors_that_fail_for_different_reasons_are_not_called_swapped() -> None:
    particles = {"part": "pms5003", "bus": "uart1", "period_s": 10}
    radar = {"part": "ld2451", "bus": "uart2", "period_s": 0}
    tried = []

    def observe(buses: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], _s: object) -> dict[str, Any]:
        tried.append([(entry["part"], entry["bus"], buses[entry["bus"]]["baudrate"]) for entry in entries])
        faulty = {"channels": [4], "readings": {}, "faults": {"1": 2}}
        return {
            "sensors": [{"kind": "air", **faulty}, {"kind": "traffic", **faulty}],
            "buses": {name: {"heard": 0} for name in buses},
        }

    checks = sensor_checks({"sensors": [particles, radar], "buses": {n: BUSES[n] for n in ("uart1", "uart2")}}, observe)
    assert tried[1] == [("pms5003", "uart2", 9600), ("ld2451", "uart1", 115200)]
    assert all("exchange" not in check.advice for check in checks)


CONTACT = {"part": "td136", "bus": "loop", "period_s": 0}


def contact(levels: list[int], **faults: int) -> dict[str, Check]:
    said = {"kind": "traffic", "channels": [], "readings": {}, "faults": {kind[1:]: n for kind, n in faults.items()}}
    figures = {"transfers": None, "errors": None, "heard": None, "levels": levels}
    return {check.name: check for check in sense([CONTACT], [said], loop=figures)}


@pytest.mark.parametrize(
    ("levels", "faults", "status", "says"),
    [
        ([120, 0], {}, Status.NOT_KNOWN, "at rest at each of 120 looks: whether it would tell of anybody is not known"),
        ([108, 12], {}, Status.PASS, "goes high and comes to rest (12 of 120 looks high)"),
        ([0, 120], {}, Status.FAIL, "does not come to rest: high at each of 120 looks"),
        ([0, 120], {"f1": 2}, Status.FAIL, "does not come to rest"),
        ([60, 60], {"f1": 1}, Status.FAIL, "does not answer (1x)"),
    ],
)
def test_a_contact_passes_only_when_it_was_seen_to_change(
    levels: list[int], faults: dict[str, int], status: Status, says: str
) -> None:
    checks = contact(levels, **faults)
    check = checks["sensor td136 on loop"]
    assert check.status == status
    assert says in check.found
    assert (check.advice != "") == (status != Status.PASS)
    assert checks["bus loop"].status == Status.NOT_KNOWN


def test_two_contacts_that_fail_are_not_tried_at_each_other_s_place() -> None:
    """A level is nobody's in particular: whatever hangs there would fit anywhere."""
    asked = []

    def observe(_buses: object, entries: Sequence[object], _listen: object) -> dict[str, Any]:
        asked.append(entries)
        said = {"kind": "traffic", "channels": [], "readings": {}, "faults": {"1": 1}}
        return {"sensors": [said] * 2, "buses": {name: {"levels": [0, 120]} for name in ("loop", "door")}}

    entries = [CONTACT, {"part": "hc_sr501", "bus": "door", "period_s": 0}]
    plain = {"kind": "gpio", "pin": 27, "pull": "internal"}
    checks = sensor_checks({"sensors": entries, "buses": {"loop": BUSES["loop"], "door": plain}}, observe)
    assert [check.status for check in checks[:2]] == [Status.FAIL] * 2
    assert len(asked) == 1
