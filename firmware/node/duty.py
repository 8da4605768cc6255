"""The end of a window on a node that sleeps deeply: report it, talk to the city where that is due, begin the next one.

The stages are the pipeline's. What differs: the open window is in RTC memory, samples are taken between sleeps
(node/nap.py), and the radio is on after every so many windows only, for one try.
"""

import asyncio

from micropython import const

from envelope.labels import CHANNEL_ENERGY
from node import kept, nap
from node.boots import DEEP_SLEEP
from node.channel import Channel
from ports import sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.pipeline import Pipeline
    from ports.clock import Clock

_LOOK_MS = const(1000)


async def turn(pipeline: "Pipeline", config: "Any", clock: "Clock") -> None:
    """From the end of one window, or a start, into the next one and to sleep."""
    window = kept.decode(sleep.take_back()) if sleep.woke() else None
    rest = 1
    if window is None:
        await pipeline.sender.synchronise()
        pipeline.watchdog.feed()
    else:
        _resume(pipeline, window, clock.unix_s())
        pipeline.close(window)
        rest = window.rest - 1
        if not rest:
            rest = config["radio_every"] if await _session(pipeline, clock) else 1
    following = _open(pipeline, rest)
    if window is None:
        print(f"hadeda: running, {pipeline.store.waiting} reports waiting")
    await nap.sample_into(following, pipeline.sampler, len(config["sensors"]), clock)
    following.beside = _beside(pipeline, clock.unix_s())
    nap.sleep_on(following, config, clock)


def _beside(pipeline: "Pipeline", now_s: int) -> "list[Any]":
    """What the node has in memory beside the window: cause, debts, what went out when, how well it knows the time."""
    sender, time_sync, owed = pipeline.sender, pipeline.time_sync, pipeline.owed
    up_s = time_sync.uptime_s()
    return [
        now_s,
        pipeline.boots.cause,
        [list(owed.answer) if owed.answer else None, owed.echo],
        [[epoch, number, up_s - at_s, trial] for epoch, number, at_s, trial in sender.route.sent],
        [sender.deaf, sender.sent, sender.base, sender.silent, sender.patience],
        [None if time_sync.set_at_s is None else up_s - time_sync.set_at_s, time_sync.set_by],
    ]


def _resume(pipeline: "Pipeline", window: kept.Kept, now_s: int) -> None:
    """All of it, and the window, as they were, so many seconds older."""
    sender, time_sync, owed, boots = pipeline.sender, pipeline.time_sync, pipeline.owed, pipeline.boots
    kept_s, cause, (answer, owed.echo), sent, sending, (age_s, time_sync.set_by) = window.beside
    then_s = time_sync.uptime_s() - (now_s - kept_s)
    owed.answer = tuple(answer) if answer else None
    sender.route.sent = [(epoch, number, then_s - ago_s, trial) for epoch, number, ago_s, trial in sent]
    sender.deaf, sender.sent, sender.base, sender.silent, sender.patience = sending
    time_sync.set_at_s = None if age_s is None else then_s - age_s
    if boots.cause == DEEP_SLEEP:
        boots.cause = cause
    minimiser = pipeline.minimiser
    minimiser.open(pipeline.drbg)
    for channel in window.channels:
        if channel in minimiser.channels:
            minimiser.channels[channel] = window.channels[channel]
    for code in window.faults:
        minimiser.faults[code] = window.faults[code]
    pipeline.timetable.follow(window.end_s())


def _open(pipeline: "Pipeline", rest: int) -> kept.Kept:
    window = pipeline.open()
    slot_s = pipeline.sender.slot_ms // 1000 if rest == 1 else 0
    end_s = window.until_s()
    following = kept.Kept(window.start_s, end_s, window.quality, rest, end_s + slot_s)
    policy = pipeline.policy
    # Energy is told by node/energy.py's rules only, which need a node that stays awake
    channels = policy.channels if policy else ()
    following.channels = {channel: Channel() for channel in channels if channel != CHANNEL_ENERGY}
    return following


async def _session(pipeline: "Pipeline", clock: "Clock") -> bool:
    """Reports and letters; False when one is left that the broker did not acknowledge."""
    task = asyncio.create_task(pipeline.sender.session())
    while not task.done():
        await clock.sleep_ms(_LOOK_MS)
        if pipeline.sender.alive():
            pipeline.watchdog.feed()
    done: bool = await task
    return done
