"""Lets a node live on after a power cut until all is done, and says what does not hold of what it must hold then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from flash_image import key_sectors, node_secrets
from power_cuts import Survivor
from sqlalchemy import select
from whole_cycle import NAME, POLICY, WINDOWS_MAX, all_done, live_until, live_windows

from hadeda.collect.collector import Status
from hadeda.emulator.flash import SECTOR
from hadeda.envelope import labels, open_report, parse_sealed
from hadeda.errors import Rejected
from hadeda.registry.commands import RESULTS, commands
from hadeda.registry.epochs import Chain, Epoch, candidates, keys_of, standing
from hadeda.registry.nodes import select_node
from hadeda.registry.reports import ReportRow, StoredReport, reports
from hadeda.simulate.invariants.numbers_once import NumbersOnce
from hadeda.simulate.mqtt_packets import Message
from hadeda.simulate.sealed_in_flash import sealed_in
from hadeda.simulate.street import Street

SLICE = 12  # bytes of plaintext that no flash has by chance
WITHOUT_POWER_US = 7_000_000
Rules = tuple[bytes, bytes]  # policy and floor


@dataclass(frozen=True)
class Judge:
    """`factory` is a flash with the firmware and no keys; the node goes from the `old` rules to the `new` floor."""

    factory: bytes
    old: Rules
    new_floor: bytes

    def __call__(self, survivor: Survivor) -> list[str]:
        """What does not hold."""
        street = survivor.street
        found = list(self._rules(survivor.image, street))
        if found:
            return found
        numbers = _numbers_so_far(survivor)
        power_us = survivor.at_us + WITHOUT_POWER_US
        street.agenda.at(power_us, 0, lambda: street.posts[0].power_on(power_us))
        live_windows(street, 2)
        begun = datetime.fromtimestamp(street.start_s + power_us / 1e6, UTC)
        if not any(report.window_start >= begun for report in _stored(street)):
            found.append("no report of the two windows after the cut")
        if not live_until(street, all_done, WINDOWS_MAX):
            found.append("the cycle was not finished")
        street.posts[0].power_off()
        final = street.posts[0].emulated.flash.image()
        found += _accounts(survivor, numbers, final)
        found += self._ends(street, final)
        found += _ledger(_stored(street))
        found += _readable(street, [self._written(survivor.image, street), self._written(final, street)])
        if found:
            found += map(str, street.trace.before(1 << 62, 20))
        return found

    def _rules(self, image: bytes, street: Street) -> Iterator[str]:
        """One whole record of keys, with the old policy and floor or with the new ones."""
        secrets = node_secrets(image, street.wanted.board)
        held = secrets["policy"], secrets["floor"]
        if held != self.old and (held[0] == self.old[0] or held[1] != self.new_floor):
            yield "the node holds half of the new rules"

    def _ends(self, street: Street, final: bytes) -> Iterator[str]:
        """Commands done once, rules new, keys the same on both sides."""
        secrets = node_secrets(final, street.wanted.board)
        if secrets["policy"] == self.old[0] or secrets["floor"] != self.new_floor:
            yield "the new policy and floor are not there"
        if secrets["ceiling"] >= 2 * labels.REKEY_JUMP:
            yield f"two rotations: epochs up to {secrets['ceiling']} were announced"
        with street.city.database.read() as session:
            node = select_node(session, NAME)
            for command in commands(session, node):
                if command.result != labels.RESULT_DONE:
                    yield f"{command.operation_name} is {RESULTS.get(command.result, command.state)}"
            if standing(session, node).epoch != secrets["epoch"]:
                yield f"the city is in epoch {standing(session, node).epoch}, the node in {secrets['epoch']}"
            if secrets["root"] not in {chain.root_key for chain in session.scalars(select(Chain))}:
                yield "the city has another root key than the node"
        if _stored(street)[-1].policy_version != POLICY:
            yield "the last report does not name the new policy"

    def _written(self, image: bytes, street: Street) -> bytes:
        """What the node has written outside its key sectors."""
        keys = image.index(key_sectors(image, street.wanted.board))
        return b"".join(
            image[at : at + SECTOR]
            for at in range(0, len(image), SECTOR)
            if at not in (keys, keys + SECTOR) and image[at : at + SECTOR] != self.factory[at : at + SECTOR]
        )


def _stored(street: Street) -> list[StoredReport]:
    return reports(street.city.database, NAME)


def _numbers_so_far(survivor: Survivor) -> NumbersOnce:
    """The invariant that has heard all messages before the cut, told of those that wait in the flash."""
    (numbers,) = [found for found in survivor.street.invariants if isinstance(found, NumbersOnce)]
    _tell(numbers, survivor.street, survivor.image)
    return numbers


def _tell(numbers: NumbersOnce, street: Street, image: bytes) -> None:
    """Of what was not heard yet and is genuine: half a copy of a report may lie there, too."""
    for sealed in set(sealed_in(image)).difference(numbers._seen.values()):
        with suppress(Rejected):
            _payload(street, sealed)
            numbers._message(Message(street.city.settings.broker.topic, sealed))


def _payload(street: Street, sealed: bytes) -> bytes:
    """What a report says; raises Rejected."""
    message = parse_sealed(sealed)
    with street.city.database.read() as session:
        return open_report(message, candidates(session, message.kid, message.epoch)).payload


def _accounts(survivor: Survivor, numbers: NumbersOnce, final: bytes) -> Iterator[str]:
    """No number twice, no report twice, none lost without a gap, every window sealed or open at a cut."""
    street, before, after = survivor.street, survivor.before, survivor.street.posts[0]
    _tell(numbers, street, final)
    if numbers.reused:
        yield f"{numbers.reused} messages repeat the number of another one"
    stored = street.stored_numbers()
    starts = [report.window_start for report in _stored(street)]
    if len(stored) != len(set(stored)) or len(starts) != len(set(starts)):
        yield "a report or a window is stored twice"
    sealed = set(before.sealed.numbers) | set(after.sealed.numbers)
    missing = sealed.difference(stored)
    if len(missing) > street.gaps_of(after):
        yield f"{len(missing)} sealed reports never came, {street.gaps_of(after)} are in gaps"
    opened, cuts = before.windows.opened + after.windows.opened, before.windows.cuts + after.windows.cuts
    if not 0 <= opened - len(sealed) <= cuts:
        yield f"{opened} windows were opened, {len(sealed)} sealed, {cuts} cut"
    if street.count(Status.REJECTED):
        yield f"the city refused {street.count(Status.REJECTED)} messages"


def _ledger(stored: list[StoredReport]) -> Iterator[str]:
    """What was spent is never given back: it rises by what each release cost, at least."""
    spent = 0
    for report in stored:
        if report.spent < spent + report.epsilon:
            yield f"{report.spent} is spent after {spent} and a release of {report.epsilon}"
        spent = report.spent


def _readable(street: Street, written: list[bytes]) -> Iterator[str]:
    """No key and no plaintext anywhere but in the key sectors."""
    secrets = node_secrets(street.posts[0].emulated.flash.image(), street.wanted.board)
    looked_for: set[bytes] = {secrets["private"], secrets["root"]}
    with street.city.database.read() as session:
        for chain, epoch in session.execute(select(Chain, Epoch).join(Epoch, Epoch.chain == Chain.id)):
            if epoch.material is not None:
                keys = keys_of(chain, epoch)
                looked_for |= {keys.key_up, keys.iv_up, keys.key_down, keys.iv_down}
        for sealed in session.scalars(select(ReportRow.sealed)):
            looked_for |= _slices(_payload(street, sealed))
    found = [piece.hex() for piece in looked_for if any(piece in flash for flash in written)]
    if found:
        yield f"keys or plaintext in flash: {found}"


def _slices(payload: bytes) -> set[bytes]:
    """A report in pieces of SLICE bytes, but for those that are just zeros."""
    cut = (payload[at : at + SLICE] for at in range(0, len(payload) - SLICE + 1, SLICE))
    return {piece for piece in cut if len(set(piece)) >= SLICE // 2}
