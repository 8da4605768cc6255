"""This boot: how many there were, how the last life ended, and whether this one does without sensors.

After three crashes without a completed window in between the node comes up in safe mode: it reports, hears the city and
leaves the sensors alone. It tries everything again after an hour, then after two, four, ... up to a day; after three
crashes in safe mode, too; and when it is switched off and on or told to reboot. The rules are in node/crashes.py.
"""

from envelope.labels import RESET_OPENED
from node.seldom import seldom

DEEP_SLEEP = 4  # machine.DEEPSLEEP_RESET: of the node's own will, once a sample, and no boot that counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Boots:
    """`count` boots there were; this one's `cause` is machine.reset_cause() or labels.RESET_*.

    `safe` is why it is in safe mode (the cause of the last crash, or what spare() was told), 0: it is not.
    `power` is ports.power.
    """

    def __init__(self, nvs: "Any", power: "Any") -> None:
        self._nvs = nvs
        self._power = power
        with seldom("node.crashes") as crashes:
            self.count, self.cause, self._crashes, self.safe = crashes.begin(nvs, power)
        self._untold = self.cause == RESET_OPENED

    def spare(self, reason: int) -> None:
        """Do without sensors in this boot, for a reason of labels.SAFE_*."""
        self.safe = self.safe or reason

    def window_closed(self, uptime_s: int, told: bool = True) -> None:
        """A window is complete: a boot with everything has shown that it works, one without may be over.

        `told`: a report of this boot is sealed.
        """
        if not self._crashes and not self.safe and not self._untold:
            return
        with seldom("node.crashes") as crashes:
            if told and self._untold:
                crashes.told(self._nvs)
                self._untold = False
            if not self.safe:
                crashes.forget(self._nvs)
                self._crashes = 0
            elif uptime_s >= crashes.patience_s(self._crashes):
                print("hadeda: safe mode is over")
                crashes.reset(self._nvs, self._power)

    def reset(self) -> None:
        """Start again because that is wanted: with everything."""
        with seldom("node.crashes") as crashes:
            crashes.reset(self._nvs, self._power)

    def fail(self) -> None:
        """Start again because something went wrong that nobody foresaw."""
        with seldom("node.crashes") as crashes:
            crashes.fail(self._power)
