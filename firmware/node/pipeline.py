"""The node, top to bottom: sample -> minimise -> seal -> store -> send.

Stages never call each other; this is the only place that knows their order. Four laws hold here:
plaintext never touches flash (only what `seal` returned is stored), a counter is spent before it is used (inside
`seal`), a window is released once (`release` empties it; what is sealed is sent again, never made again), and what a
release costs is in the ledger before it.
"""

from micropython import const

from envelope.labels import UNIT_PASSAGE_WINDOW
from node import report, sample
from node.policy import in_force, least_window_s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from elements.patience import PatientSealer
    from envelope.drbg import Drbg
    from node.boots import Boots
    from node.health import Health
    from node.kept import Kept
    from node.keychain import Keychain
    from node.ledger import Ledger
    from node.minimise import Aggregates, Minimiser
    from node.policy import Policy
    from node.report import Owed
    from node.sample import Sampler
    from node.seal import Sealer
    from node.send import Sender
    from node.store import Store
    from node.time_sync import TimeSync
    from node.window import Timetable, Window
    from ports.clock import Clock
    from ports.power import Watchdog

# How long readings may wait in the queue; also how often the watchdog may be fed
_TICK_MS = const(5000)


class Pipeline:
    """One window after the other, for ever. `drbg` is what the noise comes from, `policy` the one in force."""

    def __init__(
        self,
        clock: "Clock",
        watchdog: "Watchdog",
        time_sync: "TimeSync",
        timetable: "Timetable",
        health: "Health",
        sampler: "Sampler",
        minimiser: "Minimiser",
        sealer: "Sealer | PatientSealer",
        store: "Store",
        sender: "Sender",
        keychain: "Keychain",
        owed: "Owed",
        ledger: "Ledger",
        drbg: "Drbg",
        boots: "Boots",
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
        self.ledger = ledger
        self.policy: Policy | None = None
        self._taken: tuple[bytes, bytes] | None = None
        self.drbg = drbg
        self.boots = boots
        self._event = sample.empty_event()
        sampler.queue.on_full = self._take_events
        self._take_policy()

    async def run(self) -> None:
        self.sampler.start()
        self.sender.start()
        while True:
            await self.one_window()

    async def one_window(self) -> None:
        window = self.open()
        while not window.over():
            await self.clock.sleep_ms(window.nap_ms(_TICK_MS))
            self._take_events()
            if not window.overdue() and self.sampler.alive() and self.sender.alive():
                self.watchdog.feed()
            self.health.observe()
        self.close(window)
        self.sender.due()

    def open(self) -> "Window":
        """Begin the next window, under the policy in force from here on."""
        self._take_policy()
        self.time_sync.window_s = self.window_s()
        self.timetable.set_window_s(self.time_sync.window_s, least_window_s(self.policy))
        self.minimiser.open(self.drbg)
        return self.timetable.open(self.time_sync.quality(), self.ledger.end_s * 1000)

    def close(self, window: "Window | Kept") -> None:
        """The window's report, sealed and stored."""
        ledger = self.ledger
        length_s = window.length_s()
        cost = self.minimiser.cost(length_s)
        ledger.end_s = window.end_s()
        granted = ledger.spend(cost, self.policy.epsilon_day if self.policy else 0, length_s)
        aggregates = self.minimiser.release(granted)
        told = self._report(window.start_s, length_s, window.quality, aggregates, cost if granted else 0)
        self.boots.window_closed(self.time_sync.uptime_s(), told)

    def report_now(self) -> None:
        """An extra report that says how the node is and nothing of the street: the open window is left alone."""
        self._report(self.clock.unix_s(), 1, self.time_sync.quality(), self.minimiser.withheld(), 0)

    def window_s(self) -> int:
        """The length of the next window in seconds: never below the policy's, whatever was commanded once."""
        least_s = least_window_s(self.policy)
        return max(self.keychain.window_s(least_s), least_s)

    def _take_policy(self) -> None:
        """Work under the policy in force from here on; between two windows, when everything is empty."""
        secrets = self.keychain.secrets
        if self._taken != (secrets.policy, secrets.floor):
            self._taken = secrets.policy, secrets.floor
            self.policy = in_force(secrets)
            self.minimiser.use(self.policy)
            self.sampler.use(self.policy, self.minimiser.footfall)

    def _take_events(self) -> None:
        while self.sampler.take(self._event):
            self.minimiser.add(self._event)

    def _report(self, start_s: int, length_s: int, quality: int, aggregates: "Aggregates", epsilon: int) -> bool:
        """Report, seal and store; a new epoch begins here when a day's worth of reports is sealed.

        True when something was sealed.
        """
        self.keychain.ratchet_if_due(self.window_s())
        privacy = [self.policy.version if self.policy else 0, epsilon, self.ledger.spent, UNIT_PASSAGE_WINDOW]
        rows = privacy, self.health.row(), self.store.row()
        plaintext = report.encode(start_s, length_s, quality, aggregates, *rows, self.owed)
        told = False
        for sealed in self.sealer.seal(plaintext):  # one; where a chip signs: none, or those that waited for it, too
            self.health.observe()
            self.store.append(sealed)
            told = True
        return told
