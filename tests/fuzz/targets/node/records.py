"""The small records of NVS and RTC memory as a worn flash may hold them: each is the node's, or counts as lost."""

from firmware.board_fakes import Power
from node_stage import Stage

from node.boots import Boots
from node.counter import Counter
from node.errors import CounterLost
from node.ledger import LOST, Ledger

COUNT_MAX = 0x7FFFFFFF
# What the city knows as a reason of safe mode; 0: it is not in it
SAFE = (0, 3, 6, 7, 8, 9)
# Power on, watchdog, hard, power on: machine.reset_cause()
CAUSES = (1, 3, 2, 1)


def one_input(data):
    stage = Stage()
    stage.flash.values["boots"] = b""
    for name in stage.flash.values:
        stage.flash.values[name] = data
    power = Power()
    power.Retained(1).write(data)
    for cause in CAUSES:
        power.cause = cause
        boots = Boots(stage.flash, power)
        if not 0 < boots.count <= COUNT_MAX or boots.safe not in SAFE:
            raise AssertionError("the city refuses the reports of such a boot")
        boots.window_closed(0)
    ledger = Ledger(stage.flash, stage.keychain)
    taken = ledger.spent != LOST
    ledger.spend(1, 1 << 30, 900)
    return _counts(stage, data) or taken


def _counts(stage, data):
    stage.retained.write(data)
    try:
        Counter(stage.flash, stage.retained, stage.keychain.epoch_keys.kid).spend()
    except CounterLost:
        return False
    return True


def seeds():
    stage = Stage()
    Boots(stage.flash, Power())
    values = stage.flash.values
    return [values[name] for name in values if name != "boots"]
