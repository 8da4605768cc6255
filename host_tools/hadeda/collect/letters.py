"""Letters: what the city has to say to a node, and where it is published.

    postings = due_letters(session, city, node, now)     # in the transaction of the node's message
    for topic, payload in postings: ...                  # publish retained; an empty payload clears the topic

A letter is due
    - under the newest re-key that the node asked for: opening it tells the node that the city has the new keys;
    - under the current epoch, while a command waits or a challenge has not been echoed, sealed anew after each message;
      and as a receipt, which lets the node forget reports, with every RECEIPT_EVERY of them and the first of an epoch:
      checking a letter costs the node more than sealing a report. Under the next epoch, too, where windows are so long
      that the node would be there before it has read this one. Elsewhere that would only show the broker which two keys
      follow each other;
    - under the current epoch, while the node's newest report has a clock that nobody keeps, or one that is ahead of
      ours: the letter says when that report came.
A letter of an epoch that is over stays where it is until the next sweep, so that what is taken back does not follow
what is written to the next key.
It needs the receipt key that the node knows, and no other. Without it reports are taken all the same.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from hadeda.city import City
from hadeda.envelope import Letter, labels, seal_letter
from hadeda.envelope.report import CLOCK_WORDS
from hadeda.errors import CityError, Rejected
from hadeda.registry.commands import waiting
from hadeda.registry.epochs import Chain, Epoch, EpochState, current_chain, epoch_of, keys_of, pending_chains
from hadeda.registry.nodes import Node
from hadeda.registry.numbers import next_number
from hadeda.registry.reports import newest_report, window_s

log = logging.getLogger("hadeda.collect")

# (topic, payload): to be published retained
Posting = tuple[str, bytes]

# A message that is repeated gets no new letter sooner: a replay must not use up numbers faster than time passes
REST: Final = timedelta(minutes=1)
DAY_S: Final = 86_400
FEW_WINDOWS: Final = 4  # an epoch
RECEIPT_EVERY: Final = 4  # reports; a node waits twice as many sessions before it sends again
SWEEP_AFTER: Final = timedelta(hours=1)
# Words of a clock that waits for somebody to set it, and how far ahead of ours one that was set may be
UNKEPT_CLOCKS: Final = (CLOCK_WORDS[labels.CLOCK_NEVER], CLOCK_WORDS[labels.CLOCK_FREE_RUNNING])
AHEAD_MAX: Final = timedelta(minutes=5)


def topic_of(city: City, kid: bytes) -> str:
    """Where a node listens in the epoch with this kid."""
    return f"{city.settings.broker.down}/{kid.hex()}"


def due_letters(
    session: Session, city: City, node: Node, now: datetime, *, repeated: bool = False, missed: bool = False
) -> list[Posting]:
    """What to publish for `node` now: its letters, and b"" where one stands that is due no more.

    `repeated`: its message may be one that anybody sends again and again; a letter that was sealed just now stands.
    `missed`: it is a report that was stored before, so its node has no receipt for it.
    Letter numbers move on in the caller's transaction; publish after the commit.
    """
    postings, due, number = [], set(), 0
    for chain, epoch, letter, errand in _due(session, node):
        if not errand and not receipt_due(epoch, letter.through, missed):
            if epoch.lettered_at is not None and not epoch.errand:
                due.add(epoch.id)
            continue
        if repeated and epoch.lettered_at is not None and abs(now - epoch.lettered_at) < REST:
            due.add(epoch.id)
            continue
        number = max(number + 1, next_number(epoch.letter, now))  # one in two mailboxes would tie them together
        try:
            payload = _sealed(city, chain, epoch, letter, number)
        except (CityError, Rejected) as error:
            log.error("no letter to %s: %s", node.name, getattr(error, "reason", error))
            continue
        epoch.lettered_at, epoch.receipt, epoch.errand = now, letter.through, errand
        due.add(epoch.id)
        postings.append((topic_of(city, epoch.kid), payload))
    standing = select(Epoch).where(Epoch.node == node.id, Epoch.lettered_at.is_not(None))
    for epoch in session.scalars(standing):
        if epoch.id not in due and (epoch.state != EpochState.PAST or node.revoked_at is not None):
            epoch.lettered_at = None
            postings.append((topic_of(city, epoch.kid), b""))
    session.flush()
    return postings


def sweep(session: Session, city: City, now: datetime) -> list[Posting]:
    """Take back, all at once, the letters of epochs that have been over for an hour, whosever they are."""
    over = select(Epoch).where(Epoch.lettered_at.is_not(None), Epoch.closed_at <= now - SWEEP_AFTER)
    found = list(session.scalars(over.where(Epoch.state.not_in((EpochState.CURRENT, EpochState.PENDING)))))
    for epoch in found:
        epoch.lettered_at = None
    return sorted((topic_of(city, epoch.kid), b"") for epoch in found)


def receipt_due(epoch: Epoch, through: int, missed: bool = False) -> bool:
    """Whether a letter that is nothing but a receipt up to `through` is worth sealing."""
    return through > 0 and (missed or through - epoch.receipt >= RECEIPT_EVERY)


def only_receipts(session: Session, node: Node, epoch: Epoch) -> bool:
    """Whether receipts under `epoch` are all that is due for a node now, and no other letter of it stands."""
    due = [(its.id, errand) for _chain, its, _letter, errand in _due(session, node)]
    standing = select(Epoch.id).where(Epoch.node == node.id, Epoch.lettered_at.is_not(None))
    others = session.scalars(standing.where(Epoch.id != epoch.id, Epoch.state != EpochState.PAST)).first()
    return due == [(epoch.id, False)] and not epoch.errand and others is None


def seal_receipt(city: City, chain: Chain, epoch: Epoch, sequence: int, through: int, now: datetime) -> Posting:
    """The receipt up to `through` for the node whose newest message is `sequence`; notes in `epoch` that it stands."""
    payload = _sealed(city, chain, epoch, Letter(sequence + 1, through=through), next_number(epoch.letter, now))
    epoch.lettered_at, epoch.receipt, epoch.errand = now, through, False
    return topic_of(city, epoch.kid), payload


def _due(session: Session, node: Node) -> Iterator[tuple[Chain, Epoch, Letter, bool]]:
    """The letters for a node, and whether each asks for something: it is due in any case."""
    if node.revoked_at is not None:
        return
    for chain in pending_chains(session, node)[:1]:
        head = epoch_of(session, chain, chain.head)
        yield chain, head, Letter(head.highest + 1, challenge=node.held, through=node.through), True
    commands = waiting(session, node)
    chain = current_chain(session, node)
    newest = newest_report(session, epoch_of(session, chain, chain.head))
    clock_is_off = newest is not None and is_clock_off(
        newest.clock, newest.window_start, newest.window_s, newest.received_at
    )
    following = 1 if FEW_WINDOWS * window_s(session, node) >= DAY_S else 0
    for number in range(chain.head, chain.head + following + 1):
        epoch = epoch_of(session, chain, number)
        # In order: a node takes no command below the last one it took
        command = commands[0].signed if commands and number <= commands[0].last_epoch else None
        errand = command is not None or node.held is not None
        heard_s = None
        if number == chain.head:
            errand = errand or clock_is_off
            heard_s = int(newest.received_at.timestamp()) if errand and newest is not None else None
        yield chain, epoch, Letter(epoch.highest + 1, command, node.held, node.through, heard_s), errand


def is_clock_off(clock: str, window_start: datetime, window_s: int, received_at: datetime) -> bool:
    """Whether the clock that a report was made with needs our help."""
    return clock in UNKEPT_CLOCKS or window_start + timedelta(seconds=window_s) > received_at + AHEAD_MAX


def _sealed(city: City, chain: Chain, epoch: Epoch, letter: Letter, number: int) -> bytes:
    receipt_key = city.keyring.private(labels.ROLE_RECEIPT, bytes.fromhex(chain.authorities[str(labels.ROLE_RECEIPT)]))
    sealed = seal_letter(keys_of(chain, epoch), epoch.number, number, receipt_key, bytes.fromhex(chain.node_id), letter)
    epoch.letter = number
    return sealed
