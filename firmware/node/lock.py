"""A locked node's ear at the serial port: one line asks for a challenge, another answers it. Only locked nodes have it.

    hadeda?                  ->  hadeda: challenge <node id> <challenge>
    open <signed challenge>  ->  hadeda: open for 600 s, and the REPL; or hadeda: not opened

A challenge is good for one answer, within two minutes, in the life in which it was drawn.
"""

from micropython import const

from node.seldom import seldom
from ports.console import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ports.clock import Clock

_ASKS = b"hadeda?"
_ANSWERS = b"open "
_PERIOD_MS = const(500)
_VALID_MS = const(120000)
_PAUSE_MS = const(10000)  # after a wrong answer: checking one keeps the node from its work


async def listen(clock: "Clock") -> None:
    """Until the node is opened: that ends in a soft reset."""
    lines = Lines()
    challenge = b""
    drawn_ms = 0
    while True:
        await clock.sleep_ms(_PERIOD_MS)
        if challenge and clock.ticks_diff(clock.ticks_ms(), drawn_ms) > _VALID_MS:
            challenge = b""
        try:
            line = lines.next()
            if line == _ASKS:
                if not challenge:
                    drawn_ms = clock.ticks_ms()
                with seldom("node.opening") as opening:
                    challenge = opening.challenge(challenge)
            elif line.startswith(_ANSWERS) and challenge:
                answered, challenge = challenge, b""
                with seldom("node.opening") as opening:
                    opening.answer(line[len(_ANSWERS) :], answered)
                await clock.sleep_ms(_PAUSE_MS)
        except Exception as error:  # no keys to be read, no memory: the next one may do
            print("hadeda: not opened:", repr(error))
            await clock.sleep_ms(_PAUSE_MS)
