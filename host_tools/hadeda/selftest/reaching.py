"""Judges the clock and the way to the city: Wi-Fi, radio level, time server, broker."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from hadeda.selftest.checks import Check, Status

CLOCK_OFF_S: Final = 60.0
WEAKEST_DBM: Final = -80  # below it a window's report takes several tries
# network.STAT_* of MicroPython's ESP32 port
_NO_AP_FOUND: Final = {201, 210, 211, 212}
_REFUSED: Final = {202, 203, 204}
RADIO: Final = ("wifi", "radio level", "time server", "broker")

# errno of the ESP32 port (lwIP's, mbedTLS's) -> what it means of a broker
_WHY: Final = {
    104: "it hung up",
    111: "refused",
    113: "no way there",
    116: "no answer",
    118: "no way there",
    -202: "nobody knows that name",
    -0x2700: "its certificate is not of this city's authority, or not for that name",
}

_BROKER_ADVICE: Final = {
    "connect": "start it (`hadeda city mosquitto`); check city.toml's host and port, the firewall, its certificate",
    "login": "check its password file against the city's secrets.toml; provision the node again after a change",
    "answer": "look at the broker's log",
}


def clock_check(node: datetime, server: datetime | None, now: datetime) -> Check:
    """The node's calendar beside this computer's, which has set it, and a time server's, which will.

    All three were looked at in the same moment. Where the two differ the node is right with either of them.
    """
    clocks = {"this computer's": now} | ({"the time server's": server} if server is not None else {})
    beside = ", ".join(f"{_apart(node, other)} {whose}" for whose, other in clocks.items())
    found = f"{node.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {beside}"
    if any(abs((node - other).total_seconds()) <= CLOCK_OFF_S for other in clocks.values()):
        return Check("clock", Status.PASS, found)
    return Check("clock", Status.FAIL, found, "provision it again: that sets it; name a time server in city.toml, ntp")


def _apart(one: datetime, other: datetime) -> str:
    seconds = (one - other).total_seconds()
    size = f"{abs(seconds):.1f} s" if abs(seconds) < 86400 else f"{abs(seconds) / 86400:.0f} days"
    return f"{size} {'ahead of' if seconds > 0 else 'behind'}"


def radio_checks(standing: Mapping[str, Any], said: Mapping[str, Any]) -> list[Check]:
    """Wi-Fi, its level, the time server and the broker: `said` is what firmware/selftest/reaching.py tells."""
    if said["wifi"]:
        why = Check("wifi", Status.FAIL, *_not_joined(standing["ssid"], said["wifi"]))
        return [why] + [Check(name, Status.SKIPPED, "the node is in no network") for name in RADIO[1:]]
    joined = Check("wifi", Status.PASS, f"joined {standing['ssid']}")
    return [joined, _level(said["level_dbm"]), _time_server(standing["ntp"], said["ntp_ms"]), _broker(standing, said)]


def _not_joined(ssid: str, status: int) -> tuple[str, str]:
    if status in _NO_AP_FOUND:
        return f"no network {ssid} in reach", "bring the node nearer, or name another in city.toml; see --offline"
    if status in _REFUSED:
        return f"{ssid} refuses the node", "check wifi_password in the city's secrets.toml, then provision it again"
    return f"{ssid} was not joined within 20 s", f"status {status}: check the access point and the antenna"


def _level(dbm: int | None) -> Check:
    if dbm is None:
        return Check("radio level", Status.NOT_KNOWN, "the chip does not say")
    if dbm < WEAKEST_DBM:
        return Check("radio level", Status.FAIL, f"{dbm} dBm", "turn the antenna, or bring an access point nearer")
    return Check("radio level", Status.PASS, f"{dbm} dBm here; at the lamp post it is another one")


def _time_server(host: str, ntp_ms: int | None) -> Check:
    if not host:
        return Check("time server", Status.SKIPPED, "city.toml names none: letters set the clock")
    if ntp_ms is None:
        return Check("time server", Status.FAIL, f"{host} does not answer", "check ntp in city.toml and UDP port 123")
    return Check("time server", Status.PASS, f"{host} answers")


def _broker(standing: Mapping[str, Any], said: Mapping[str, Any]) -> Check:
    where = f"{standing['host']}:{standing['port']}"
    if not said["broker"]:
        return Check("broker", Status.PASS, f"{where} takes the node's login and answers")
    what = {
        "connect": f"no broker that the node trusts answers at {where}",
        "login": f"{where} answers, and refuses the node's login",
        "answer": f"{where} took the login, and says no more",
    }[said["broker"]]
    why = _WHY.get(said["errno"], said["failed"])
    return Check("broker", Status.FAIL, f"{what} ({why})", _BROKER_ADVICE[said["broker"]])
