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
    from node.keychain import Keychain
    from node.minimise import Aggregates, Minimiser
    from node.report import Owed
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
    """One window after the other, for ever. `window_s` is the provisioned length of a window."""

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
        keychain: "Keychain",
        owed: "Owed",
        window_s: int,
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
        self.keychain = keychain
        self.owed = owed
        self._configured_s = window_s
        self._event = sample.empty_event()

    async def run(self) -> None:
        self.sampler.start()
        self.sender.start()
        while True:
            await self.one_window()

    async def one_window(self) -> None:
        self.timetable.set_window_s(self.window_s())
        window = self.timetable.open(self.time_sync.quality())
        while not window.over():
            await self.clock.sleep_ms(window.nap_ms(_TICK_MS))
            while self.sampler.take(self._event):
                self.minimiser.add(self._event)
            self.watchdog.feed()
            self.health.observe()

        self._release(window.start_s, window.length_s(), window.quality, self.minimiser.release())
        self.sender.due()

    def report_now(self) -> None:
        """An extra report that says how the node is and nothing of the street: the open window is left alone."""
        self._release(self.clock.unix_s(), 1, self.time_sync.quality(), self.minimiser.withheld())

    def window_s(self) -> int:
        """The length of the next window in seconds: never below the provisioned one, whatever was commanded once."""
        return max(self.keychain.window_s(self._configured_s), self._configured_s)

    def _release(self, start_s: int, length_s: int, quality: int, aggregates: "Aggregates") -> None:
        """Report, seal and store; a new epoch begins here when a day's worth of reports is sealed."""
        self.keychain.ratchet_if_due(self.window_s())
        plaintext = report.encode(start_s, length_s, quality, aggregates, self.health.row(), self.owed)
        sealed = self.sealer.seal(plaintext)
        self.health.observe()
        self.store.append(sealed)
