"""The node, top to bottom: sample -> minimise -> seal -> store -> send.

Stages never call each other; this is the only place that knows their order. Three laws hold here:
plaintext never touches flash (only what `seal` returned is stored), a counter is spent before it is used (inside
`seal`), a window is released once (`release` empties it).
"""

from micropython import const

from node import report, sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.health import Health
    from node.minimise import Minimiser
    from node.sample import Sampler
    from node.seal import Sealer
    from node.send import Sender
    from node.store import Store
    from node.time_sync import TimeSync
    from node.window import Timetable
    from ports.clock import Clock
    from ports.power import Watchdog

# How long readings may wait in the queue; also how often the watchdog is fed
_TICK_MS = const(5000)


class Pipeline:
    """One window after the other, for ever."""

    def __init__(
        self,
        clock: "Clock",
        watchdog: "Watchdog",
        time_sync: "TimeSync",
        timetable: "Timetable",
        health: "Health",
        sampler: "Sampler",
        minimiser: "Minimiser",
        sealer: "Sealer",
        store: "Store",
        sender: "Sender",
    ) -> None:
        self.clock = clock
        self.watchdog = watchdog
        self.time_sync = time_sync
        self.timetable = timetable
        self.health = health
        self.sampler = sampler
        self.minimiser = minimiser
        self.sealer = sealer
        self.store = store
        self.sender = sender
        self._event = sample.empty_event()

    async def run(self) -> None:
        self.sampler.start()
        self.sender.start()
        while True:
            await self.one_window()

    async def one_window(self) -> None:
        window = self.timetable.open(self.time_sync.quality())
        while not window.over():
            await self.clock.sleep_ms(window.nap_ms(_TICK_MS))
            while self.sampler.take(self._event):
                self.minimiser.add(self._event)
            self.watchdog.feed()
            self.health.observe()

        aggregates = self.minimiser.release()
        plaintext = report.encode(window.start_s, window.length_s(), window.quality, aggregates, self.health.row())
        sealed = self.sealer.seal(plaintext)
        self.health.observe()
        self.store.append(sealed)
        self.sender.due()
