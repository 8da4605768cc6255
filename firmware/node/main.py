"""Boot: have the node put together and run it; unprovisioned and not locked, hand the board to the REPL."""

import asyncio

from micropython import const

from node.boots import Boots
from node.errors import NodeError, Unprovisioned
from node.seldom import seldom
from ports import power
from ports.clock import Clock
from ports.flash import Files, Nvs

_PAUSE_BEFORE_RESET_MS = const(10000)
_GARBAGE_BYTES = const(8192)
_LISTEN_MS = const(30000)


def start(locked: bool = False) -> None:
    """Run the node until somebody at the REPL interrupts it. Ctrl-C keeps the watchdog quiet for them.

    A locked one raises whatever ends it.
    """
    try:
        asyncio.run(_run(locked))
    except (NodeError, KeyboardInterrupt) as error:
        if locked:
            raise
        leave(error)
    finally:
        asyncio.new_event_loop()


def leave(error: BaseException) -> None:
    """Hand the board to the REPL."""
    if isinstance(error, Unprovisioned):
        print(f"hadeda: not provisioned ({error}), waiting at the REPL")
    elif isinstance(error, NodeError):
        print("hadeda: stopped:", error)
    else:
        if power.Watchdog.started:
            from ports import maintenance

            maintenance.hold()
        print("hadeda: interrupted")
    with seldom("node.crashes") as crashes:
        crashes.leave(power)


async def _run(locked: bool = False) -> None:
    files = Files()
    clock = Clock()
    boots = None
    try:
        if locked:
            from node import lock

            asyncio.create_task(lock.listen(clock))  # noqa: RUF006 (the loop keeps it)
        with seldom("node.build") as build:
            config, damage = await build.configuration(files, clock)
            power.collect_every(_GARBAGE_BYTES)
            boots = Boots(Nvs(), power)
            boots.spare(damage)
            pipeline = build.build(config, files, clock, boots)
        if "radio_every" in config and not boots.safe:
            from ports import sleep

            if locked and not sleep.woke():
                await clock.sleep_ms(_LISTEN_MS)  # asleep it hears nobody: after a reset it can be opened
                pipeline.watchdog.feed()
            with seldom("node.duty") as duty:
                await duty.turn(pipeline, config, clock)
        del config, build  # the stages have what they need of it
        if boots.safe:
            print("hadeda: safe mode, sensors are off:", boots.safe)
        await pipeline.sender.synchronise()
        pipeline.watchdog.feed()
        print(f"hadeda: running, {pipeline.store.waiting} reports waiting")
        await pipeline.run()
    except (NodeError, asyncio.CancelledError):
        raise
    except Exception as error:  # a node on a lamp post starts again rather than stopping
        print("hadeda: starting again after:", repr(error))
        power.Watchdog()  # it may not have come to that
        await clock.sleep_ms(_PAUSE_BEFORE_RESET_MS)
        (boots.fail if boots is not None else power.reset)()
