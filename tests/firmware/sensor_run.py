"""Runs one driver on a bus with one part, in time that moves by itself."""

import asyncio

from firmware.fakes import Output, SelfRunningClock

from busio import I2C


def run(module, make_part, address, seconds, period_s=10, prepare=None, during=None):
    """Returns (readings, faults, error it ended with, the part) after so many seconds."""

    async def scene():
        clock = SelfRunningClock()
        part = make_part(clock)
        if prepare is not None:
            prepare(part)
        driver = module.open({"address": address, "period_s": period_s}, I2C(part, clock), clock)
        out = Output()
        task = asyncio.create_task(driver.run(out))
        error = None
        until_ms = clock.now_ms + 1000 * seconds
        for _ in range(20000):
            await asyncio.sleep(0)
            if during is not None:
                during(part, out)
            if clock.now_ms > until_ms or task.done():
                break
        try:
            task.cancel()
            await task
        except asyncio.CancelledError:
            pass
        except Exception as raised:
            error = raised
        return out.readings, out.faults, error, part

    return asyncio.run(scene())


def stuck(level):
    """Damage: the data line is held."""

    def damage(wire):
        for i in range(len(wire)):
            wire[i] = level

    return damage


def flipping(random, one_in=10):
    """Damage: one bit of an answer in so many flips."""

    def flip(wire):
        if random.below(one_in) == 0:
            wire[random.below(len(wire))] ^= 1 << random.below(8)

    return flip
