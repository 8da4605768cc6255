"""How the city is reached, and which reports went there in this boot: a letter that has heard one dates it.

The network is as configured, as a command said or, for a few sessions, as a command said on trial (node/network.py).
Of a report only the first time counts: who makes us send it again must not make it look younger. One that was sealed in
an earlier boot may have been sent in that one, so it counts for nothing.
"""

from micropython import const

from envelope import cose
from node.seldom import seldom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.keychain import Keychain
    from node.report import Owed
    from node.time_sync import TimeSync

_KEPT = const(4)


class Route:
    """Made of the configuration's `wifi` and `broker`, and has them as they hold in this session.

    `on_trial` tells whether they have to prove themselves.
    """

    def __init__(
        self,
        keychain: "Keychain",
        owed: "Owed",
        time_sync: "TimeSync",
        wifi: "dict[str, Any]",
        broker: "dict[str, Any]",
    ) -> None:
        self._keychain = keychain
        self._owed = owed
        self._time_sync = time_sync
        self._configured = self.wifi, self.broker = wifi, broker
        self.on_trial = False
        if keychain.secrets.network is not None:
            with seldom("node.network") as network:
                self.wifi, self.broker = network.changed(network.chosen(keychain, False), wifi, broker)
        # What was sealed before this boot may have been sent then: nobody knows when, nor over which network
        self._fresh = keychain.epoch, keychain.spent
        # (epoch, sequence number, uptime in seconds, whether over a network on trial), newest last
        self.sent: list[tuple[int, int, int, bool]] = []

    def next_session(self) -> None:
        """Choose, and spend a try where one is needed."""
        self.on_trial = False
        self.wifi, self.broker = self._configured
        secrets = self._keychain.secrets
        if secrets.network is not None or secrets.candidate is not None:
            with seldom("node.network") as network:
                self.on_trial = network.spend_try(self._keychain, self._owed)
                chosen = network.chosen(self._keychain, self.on_trial)
                self.wifi, self.broker = network.changed(chosen, self.wifi, self.broker)

    def note(self, sealed: bytes) -> None:
        """This report, sealed in this boot, goes out now."""
        _, epoch, number = cose.header(sealed)
        if (epoch, number) >= self._fresh and (not self.sent or (epoch, number) > self.sent[-1][:2]):
            self.sent.append((epoch, number, self._time_sync.uptime_s(), self.on_trial))
            del self.sent[:-_KEPT]

    def heard(self, epoch: int, number: int, city_s: int) -> None:
        """The city has this one, and had it at this time (Unix seconds, 0 where it does not say)."""
        for sent in self.sent:
            if sent[:2] == (epoch, number):
                if city_s:
                    self._time_sync.correct(city_s, self._time_sync.uptime_s() - sent[2])
                if sent[3] and self.on_trial:
                    with seldom("node.network") as network:
                        network.proved(self._keychain, self._owed)
                    self.on_trial = False
