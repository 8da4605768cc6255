"""Fifth stage: the outbox is sent, oldest first. What the broker has acknowledged stays until the city's receipt.

Sessions start at a fixed slot after each window, whatever happened in the street. A session that fails is tried again
after a pause that doubles, with jitter, up to a quarter of an hour. The city's letters are read in the same session,
but nothing that comes down may keep a report from going up: what goes wrong with a letter stays with the letter, and
after a try that failed while the node listened, the next one only talks.

What the broker has acknowledged is sent again, as it is, when eight sessions in a row moved no receipt, then after
sixteen more, up to sixty-four. None of that is remembered over a reset: what has no receipt is sent once more then.

A thousand nodes may come back at the same moment. Each publishes once a second on average and sixty times a session at
the most, so they are a thousand messages a second at the worst, and a node with a backlog of a day is through after
two windows, one with a month after half a day.
"""

import asyncio

from micropython import const

from node import mqtt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.letters import Mailbox
    from node.randomness import Randomness
    from node.route import Route
    from node.store import Store
    from node.time_sync import TimeSync
    from ports.clock import Clock
    from ports.radio import Radio

_SLOT_FIRST_MS = const(2000)
_SLOT_LAST_MS = const(60000)
_PAUSE_FIRST_MS = const(5000)
_PAUSE_LONGEST_MS = const(900000)
_CONNECT_MS = const(30000)
_ANSWER_MS = const(20000)
_CLOSE_MS = const(2000)
_KEEP_ALIVE_S = const(60)
SESSION_MAX = 60  # reports
_BREATH_MS = const(1000)  # between two reports, on average
_PATIENCE_FIRST = const(8)  # sessions without a new receipt; the city writes one every fourth report
_PATIENCE_LAST = const(64)
# Beyond the time-out of its step, nothing takes the sender longer: computing, flash and the radio's own patience
_GRACE_MS = const(120000)


class Sender:
    """Sends in a task of its own; `slot_ms` after a window it starts."""

    def __init__(
        self,
        clock: "Clock",
        radio: "Radio",
        route: "Route",
        store: "Store",
        time_sync: "TimeSync",
        randomness: "Randomness",
        mailbox: "Mailbox",
        window_s: int,
    ) -> None:
        self._clock = clock
        self._radio = radio
        self.route = route
        self._limit_ms = self._step_ms = 0
        self._store = store
        self._time_sync = time_sync
        self._randomness = randomness
        self._mailbox = mailbox
        self.deaf = False
        self.sent = 0  # index of the last report the broker acknowledged, this time round
        self.base = 0
        self.silent = 0
        self.patience = _PATIENCE_FIRST
        self._due = asyncio.Event()
        self._closed_ms = 0
        self._task: Any = None
        # Drawn once per boot: nodes of a city do not all call at the quarter hour
        last_ms = max(_SLOT_FIRST_MS, min(_SLOT_LAST_MS, window_s * 1000 // 15))
        self.slot_ms = _SLOT_FIRST_MS + randomness.below(last_ms - _SLOT_FIRST_MS + 1)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def alive(self) -> bool:
        """False when it is stuck: a step takes far longer than it may."""
        return not 0 < self._limit_ms < self._clock.ticks_diff(self._clock.ticks_ms(), self._step_ms)

    def _expect(self, milliseconds: int) -> None:
        """A step begins that takes no longer than this, and what nobody can foresee."""
        self._step_ms = self._clock.ticks_ms()
        self._limit_ms = milliseconds + _GRACE_MS

    def due(self) -> None:
        """A window has closed: the next slot starts now, however long the next window's noise takes to be drawn."""
        self._closed_ms = self._clock.ticks_ms()
        self._due.set()

    def pause_ms(self, failures: int) -> int:
        """The pause after so many failures in a row (1, 2, ...): doubling, between a half and all of it."""
        longest = min(_PAUSE_FIRST_MS << min(failures - 1, 10), _PAUSE_LONGEST_MS)
        return longest // 2 + self._randomness.below(longest // 2 + 1)

    async def _run(self) -> None:
        while True:
            self._limit_ms = 0
            await self._due.wait()
            self._due.clear()
            gone_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._closed_ms)
            await self._pause(max(0, self.slot_ms - gone_ms))
            failures = 0
            while not await self.session():
                failures += 1
                await self._pause(self.pause_ms(failures))

    async def _pause(self, milliseconds: int) -> None:
        self._expect(milliseconds)
        await self._clock.sleep_ms(milliseconds)

    async def session(self) -> bool:
        """Radio on, time, reports, letters, radio off. False when one is left that the broker did not acknowledge."""
        self._expect(0)
        try:
            self.route.next_session()
            await self._join()
            if self._time_sync.due():
                await self._time_sync.sync()
            await self._deliver()
            return True
        except Exception as error:  # out of memory in TLS included: the outbox keeps everything
            print("hadeda: not sent:", repr(error))
            return False
        finally:
            self._radio.down()
            self._attempt(self._mailbox.session_over)

    async def synchronise(self) -> bool:
        """Only the time: before the first window."""
        if not self._time_sync.due():
            return True
        try:
            await self._join()
            return await self._time_sync.sync()
        except OSError as error:
            print("hadeda: no time:", repr(error))
            return False
        finally:
            self._radio.down()

    async def _join(self) -> None:
        wifi = self.route.wifi
        await self._radio.up(wifi["ssid"], wifi["password"])
        self._randomness.reseed()

    async def _deliver(self) -> None:
        broker = self.route.broker
        stream = await self._within(self._radio.connect(broker["host"], broker["port"], broker.get("ca")), _CONNECT_MS)
        try:
            client = mqtt.Client(stream)
            await self._within(client.connect(broker.get("user"), broker.get("password"), _KEEP_ALIVE_S), _CONNECT_MS)
            ready = self._attempt(self._mailbox.ready)
            topics = await self._subscribe(client)
            await self._publish_ready(client, ready)
            count = await self._drain(client, SESSION_MAX)
            self.deaf = False
            try:
                if topics is not None:
                    await self._read_letters(client, topics, ready)
                    if count < SESSION_MAX:
                        self._wait_for_receipt()
                await self._within(client.disconnect(), _CLOSE_MS)
            except Exception as error:  # the reports are out
                print("hadeda: letters not read:", repr(error))
        finally:
            await self._within(stream.close(), _CLOSE_MS)

    async def _subscribe(self, client: mqtt.Client) -> "list[str] | None":
        """Listen in this session, unless the last one failed listening. The topics, None when no letters come."""
        topics: list[str] | None = None if self.deaf else self._attempt(self._mailbox.topics)
        self.deaf = topics is not None  # until the reports are out
        if topics is not None:
            await self._within(client.subscribe(topics), _ANSWER_MS)
        return topics

    async def _publish_ready(self, client: mqtt.Client, ready: "bytes | None") -> None:
        if ready is not None:
            await self._within(client.publish(self.route.broker["topic"], ready), _ANSWER_MS)

    async def _drain(self, client: mqtt.Client, most: int) -> int:
        """Publish what waits in the outbox, oldest first, `most` reports at most; how many it were."""
        count = 0
        while count < most:
            oldest = self._store.after(self.sent)
            if oldest is None:
                break
            if count:
                await self._clock.sleep_ms(_BREATH_MS // 2 + self._randomness.below(_BREATH_MS))
            self.route.note(oldest[1])
            await self._within(client.publish(self.route.broker["topic"], oldest[1]), _ANSWER_MS)
            self.sent = oldest[0]
            count += 1
        return count

    def _wait_for_receipt(self) -> None:
        """A session is over in which everything was out and letters were read: begin again where none comes."""
        store = self._store
        if store.base != self.base:
            self.base, self.silent, self.patience = store.base, 0, _PATIENCE_FIRST
            return
        self.silent += 1
        if store.waiting and self.silent >= self.patience:
            self.silent, self.patience = 0, min(2 * self.patience, _PATIENCE_LAST)
            self.sent = store.base

    async def _read_letters(self, client: mqtt.Client, topics: "list[str]", announced: "bytes | None") -> None:
        """Handle what the broker has for us, and send what came of it; `announced` is the ready message sent before.

        The current epoch's letter comes first, as in `topics`: the pending one's confirms, and ends that epoch.
        """
        await self._within(client.ping(), _ANSWER_MS)
        for topic in topics:
            if topic in client.inbox:
                self._attempt(self._mailbox.handle, topic, client.inbox[topic])
        await self._drain(client, 1)  # what a letter led to
        ready = self._attempt(self._mailbox.ready)
        if ready != announced:
            await self._publish_ready(client, ready)

    def _attempt(self, call: "Any", *args: "Any") -> "Any":
        """What the mailbox answers, None when that goes wrong, for whatever reason."""
        try:
            return call(*args)
        except Exception as error:  # out of memory included: a letter never costs a report
            print("hadeda: a letter went wrong:", repr(error))
            return None

    def _within(self, awaitable: "Any", milliseconds: int) -> "Any":
        self._expect(milliseconds)
        return self._clock.within_ms(awaitable, milliseconds)
