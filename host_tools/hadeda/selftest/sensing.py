"""Judges what the sensors said: does each one answer, is it the declared part, is what it says plausible?"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from hadeda.board.parts import load_parts
from hadeda.envelope import labels
from hadeda.selftest.checks import Check, Status

# So long a part that speaks by itself is listened to: its driver has asked several times by then whether it is there
STREAM_S: Final = 12
SPARE_S: Final = 12  # beyond warming up and the readings, for a driver that starts again
READINGS: Final = 3
TORN_FRAMES: Final = 1  # the first one may have begun before anybody listened
PROGRAM_S: Final = 30  # beyond listening: imports, scans
# What can be outdoors, in the channels' own units: a lamp post between the Dead Sea and La Paz, in any weather
PLAUSIBLE: Final = {
    "temperature": (-50.0, 65.0),
    "relative_humidity": (1.0, 100.0),
    "pressure": (50_000.0, 109_000.0),
    "pm1_0": (0.0, 1000.0),
    "pm2_5": (0.0, 1000.0),
    "pm10": (0.0, 1000.0),
}
FAULTS: Final = {
    labels.FAULT_NO_ANSWER: "does not answer",
    labels.FAULT_BUS_HUNG: "holds the bus",
    labels.FAULT_BAD_FRAME: "sends damaged frames",
    labels.FAULT_IMPLAUSIBLE: "is not what it should be, or says what cannot be",
    labels.FAULT_DRIVER: "made its driver fail",
}

# Runs firmware/selftest/sensing.py: buses, sensors and seconds to listen to each -> what it tells
Observe = Callable[[Mapping[str, Any], Sequence[Mapping[str, Any]], Sequence[int]], dict[str, Any]]


def sensor_checks(configuration: Mapping[str, Any], observe: Observe) -> list[Check]:
    """A line for each declared sensor and each bus; those that fail are tried at each other's place."""
    buses = configuration["buses"]
    entries = [_brisk(entry) for entry in configuration["sensors"]]
    said = observe(buses, entries, [listening_s(entry) for entry in entries])
    checks = [_judged(entry, buses, one, said) for entry, one in zip(entries, said["sensors"], strict=True)]
    failing = [
        index
        for index, check in enumerate(checks)
        if check.status == Status.FAIL and _somebody_may_be_on(said["buses"].get(entries[index].get("bus"), {}))
    ]
    for first, second in combinations(failing, 2):
        if exchanged := _exchanged(buses, entries[first], entries[second]):
            places, pair = exchanged
            there = observe(places, pair, [listening_s(entry) for entry in pair])
            if all(
                _judged(entry, places, one, there).status == Status.PASS
                for entry, one in zip(pair, there["sensors"], strict=True)
            ):
                checks[first] = _swapped(checks[first], pair[0], entries[first], entries[second])
                checks[second] = _swapped(checks[second], pair[1], entries[second], entries[first])
    told = _without_element(configuration.get("identity"), buses, said["buses"])
    return checks + [_bus(name, bus, told.get(name, {})) for name, bus in sorted(buses.items())]


def _without_element(
    identity: Mapping[str, Any] | None, buses: Mapping[str, Any], told: Mapping[str, Any]
) -> dict[str, Any]:
    """What buses tell, but for a secure element: asleep it does not answer, and scanning for others can wake it."""
    found = dict(told)
    for name, bus in buses.items():
        if identity and bus["kind"] == "i2c" and bus["id"] == identity["id"] and name in told:
            address = load_parts()[identity["part"]].address[0].value
            seen = {each: count for each, count in told[name]["seen"].items() if int(each) != address}
            found[name] = {**told[name], "seen": seen}
    return found


def listening_s(entry: Mapping[str, Any]) -> int:
    """How long to wait for a sensor at most."""
    part = load_parts()[entry["part"]]
    if part.streams:
        return STREAM_S
    return part.warm_up_s + READINGS * int(entry["period_s"]) + SPARE_S


def _brisk(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The sensor, read as often as its part allows: nobody waits ten minutes for three readings."""
    part = load_parts()[entry["part"]]
    return {**entry, "period_s": 0 if part.streams else part.min_period_s}


def _place(entry: Mapping[str, Any]) -> str:
    if "bus" not in entry:
        return "on the chip"
    return f"on {entry['bus']}" + (f" at 0x{entry['address']:02x}" if "address" in entry else "")


def _judged(
    entry: Mapping[str, Any], buses: Mapping[str, Any], said: Mapping[str, Any], told: Mapping[str, Any]
) -> Check:
    name = f"sensor {entry['part']} {_place(entry)}"
    bus = told["buses"].get(entry.get("bus"), {})
    faults = {int(kind): count for kind, count in said["faults"].items()}
    levels = bus.get("levels")
    if levels and not (all(levels) and faults):
        return _contact(name, levels)
    torn = faults.get(labels.FAULT_BAD_FRAME, 0)
    if torn <= TORN_FRAMES:
        faults.pop(labels.FAULT_BAD_FRAME, None)
    if faults:
        found = ", ".join(f"{FAULTS.get(kind, f'fault {kind}')} ({count}x)" for kind, count in sorted(faults.items()))
        return Check(name, Status.FAIL, found, _advice(entry, buses, bus, faults))
    if said["channels"]:
        return _readings(name, said)
    if said["kind"] == "radio":
        return Check(name, Status.NOT_KNOWN, "it listens only under a policy that has a use for it")
    heard = bus.get("heard")
    if not heard:
        return Check(name, Status.FAIL, "says nothing", _advice(entry, buses, bus, {labels.FAULT_NO_ANSWER: 1}))
    return Check(name, Status.PASS, f"answers ({heard} bytes in {STREAM_S} s)")


def _contact(name: str, levels: Sequence[int]) -> Check:
    """A contact does not say who it is, nor that it is there: at rest it is as silent as an empty street."""
    low, high = levels
    if not low:
        advice = "check its supply, the cable, which contact is used; a cut cable reads so"
        return Check(name, Status.FAIL, f"does not come to rest: high at each of {high} looks", advice)
    if not high:
        found = f"at rest at each of {low} looks: whether it would tell of anybody is not known"
        return Check(name, Status.NOT_KNOWN, found, "have somebody pass it during the test")
    return Check(name, Status.PASS, f"goes high and comes to rest ({high} of {low + high} looks high)")


def _readings(name: str, said: Mapping[str, Any]) -> Check:
    words, wrong = [], []
    for channel in said["channels"]:
        what, unit, scale = labels.CHANNELS[channel]
        if str(channel) not in said["readings"]:
            wrong.append(f"no {what}")
            continue
        least, most, last = (number / scale for number in said["readings"][str(channel)][1:])
        words.append(f"{what} {last:g} {unit}")
        low, high = PLAUSIBLE.get(what, (least, most))
        if not low <= least <= most <= high:
            wrong.append(f"{what} of {least:g} to {most:g} {unit} is not between {low:g} and {high:g}")
    if wrong:
        return Check(name, Status.FAIL, ", ".join(wrong), "compare with another instrument; replace the part")
    return Check(name, Status.PASS, ", ".join(words))


def _advice(
    entry: Mapping[str, Any], buses: Mapping[str, Any], bus: Mapping[str, Any], faults: Mapping[int, int]
) -> str:
    """What to do about a sensor that fails, as far as its bus tells."""
    wiring = buses.get(entry.get("bus", ""), {})
    if wiring.get("kind") == "uart":
        if bus.get("heard") and labels.FAULT_NO_ANSWER in faults:
            return f"something speaks there that is no {entry['part']}: see which part is on {entry['bus']}"
        return f"check its supply and the wires to TX {wiring['tx']} and RX {wiring['rx']} (crossed?)"
    if wiring.get("kind") != "i2c":
        return "see the wiring on the board's page"
    seen = {int(address) for address in bus.get("seen", {})}
    if entry["address"] in seen:
        if labels.FAULT_IMPLAUSIBLE in faults:
            return f"another part answers at 0x{entry['address']:02x}: see what is soldered in, replace it"
        return "its wires are bad: shorten them, check the pull-ups"
    known = {each.value: each.wire_to for each in load_parts()[entry["part"]].address}
    for address in sorted(seen & set(known)):
        return (
            f"somebody answers at 0x{address:02x}: wire the address pin to {known.get(entry['address'], 'its place')}"
        )
    others = ", ".join(f"0x{address:02x}" for address in sorted(seen)) or "nobody"
    return (
        f"check its supply and the wires to SCL {wiring['scl']} and SDA {wiring['sda']}; on that bus answers: {others}"
    )


def _exchanged(
    buses: Mapping[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    """Buses and sensors as they would be with both parts at each other's place; None where they cannot be."""
    first, second = one.get("bus"), other.get("bus")
    if first is None or second is None or buses[first]["kind"] != buses[second]["kind"] or one["part"] == other["part"]:
        return None
    if buses[first]["kind"] == "gpio":  # a level is nobody's in particular
        return None
    if buses[first]["kind"] == "uart":
        speeds = {first: buses[second]["baudrate"], second: buses[first]["baudrate"]}
        places = {name: {**buses[name], "baudrate": baudrate} for name, baudrate in speeds.items()}
    else:
        places = {name: dict(buses[name]) for name in (first, second)}
    pair = [{**one, "bus": second}, {**other, "bus": first}]
    if "address" in one and first == second:
        pair[0]["address"], pair[1]["address"] = other["address"], one["address"]
    return places, pair


def _somebody_may_be_on(bus: Mapping[str, Any]) -> bool:
    """False for an I2C bus on which nobody answers. On a UART, whoever speaks at another rate is not heard."""
    return bool(bus.get("seen", True))


def _swapped(check: Check, found: Mapping[str, Any], entry: Mapping[str, Any], other: Mapping[str, Any]) -> Check:
    """`found` is the sensor `entry` where it did answer, `other` what was to be there."""
    what = "address pins" if entry["bus"] == other["bus"] else "plugs"
    return Check(
        check.name,
        Status.FAIL,
        f"answers {_place(found)}, where {other['part']} should be",
        f"exchange the {what} of {entry['part']} and {other['part']}",
    )


def _bus(name: str, bus: Mapping[str, Any], said: Mapping[str, Any]) -> Check:
    """Errors on the bus, counted."""
    title = f"bus {name}"
    if bus["kind"] == "i2c":
        scans = said["scans"]
        rare = [f"0x{int(a):02x} in {count}" for a, count in said["seen"].items() if count != scans]
        found = f"{said['errors']} errors in {said['transfers']} transfers, {scans} scans"
        if rare:
            found += f" (of which {', '.join(rare)})"
        if said["errors"] or rare:
            return Check(title, Status.FAIL, found, "see the sensors on it; shorten the wires, check the pull-ups")
        return Check(title, Status.PASS, found)
    heard = said.get("heard")
    if heard is None:
        return Check(title, Status.NOT_KNOWN, "it has no errors that could be counted")
    return Check(
        title, Status.NOT_KNOWN, f"{heard} bytes; the chip counts no framing errors, its sensor damaged frames"
    )
