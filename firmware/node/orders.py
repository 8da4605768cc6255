"""What every command but `rotate` does. Imported only while one is carried out; the table is closed.

Each handler sees to it that the command's number is in the key store before anything happens. The result is one of
labels.RESULT_*; a refused or unknown command has changed nothing.
"""

from micropython import const

from envelope.labels import (
    OPERATION_LOCATE,
    OPERATION_REBOOT,
    OPERATION_REPORT_NOW,
    OPERATION_SET_NETWORK,
    OPERATION_SET_PERIOD,
    OPERATION_SET_POLICY,
    RESULT_DONE,
    RESULT_REFUSED,
    RESULT_UNSUPPORTED,
    SET_PERIOD_WINDOW,
)
from node.commands import is_uint
from node.errors import PolicyRefused
from node.policy import in_force, least_window_s
from node.seldom import seldom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.commands import Commands

_DAY_S = const(86400)
_BLINK_S = const(60)


def _set_period(commands: "Commands", number: int, arguments: "dict[Any, Any]") -> int:
    """Longer windows, or the policy's again; what was promised to the citizens is the shortest."""
    least_s = least_window_s(in_force(commands.keychain.secrets))
    window_s = arguments.get(SET_PERIOD_WINDOW)
    if len(arguments) != 1 or not is_uint(window_s):
        return RESULT_REFUSED
    if not least_s <= window_s <= _DAY_S or _DAY_S % window_s:
        return RESULT_REFUSED
    commands.keychain.set_window_s(window_s, number)
    return RESULT_DONE


def _set_policy(commands: "Commands", number: int, arguments: "dict[Any, Any]") -> int:
    """Another policy, floor or both, from the next window on."""
    keychain = commands.keychain
    try:
        with seldom("node.accept") as accept:
            policy, floor = accept.by_command(keychain.secrets, arguments)
    except PolicyRefused as error:
        print("hadeda: policy refused:", error)
        return RESULT_REFUSED
    keychain.set_policy(policy, floor, number)
    return RESULT_DONE


def _report_now(commands: "Commands", number: int, arguments: "dict[Any, Any]") -> int:
    if arguments:
        return RESULT_REFUSED
    if commands.report_now is None:
        return RESULT_UNSUPPORTED
    commands.keychain.accept_command(number)
    commands.owed.answer = number & 0xFFFF, RESULT_DONE
    try:
        commands.report_now()
    finally:
        commands.owed.answer = None  # told, or not done
    commands.keychain.finish_command(RESULT_DONE)
    return RESULT_DONE


def _reboot(commands: "Commands", number: int, arguments: "dict[Any, Any]") -> int:
    if arguments:
        return RESULT_REFUSED
    commands.keychain.accept_command(number)
    commands.reset_due = True
    return RESULT_DONE


def _locate(commands: "Commands", number: int, arguments: "dict[Any, Any]") -> int:
    if arguments:
        return RESULT_REFUSED
    if commands.led is None:
        return RESULT_UNSUPPORTED
    commands.keychain.accept_command(number)
    commands.led.blink(_BLINK_S)
    commands.keychain.finish_command(RESULT_DONE)
    return RESULT_DONE


def _set_network(commands: "Commands", number: int, arguments: "dict[Any, Any]") -> int:
    """Another Wi-Fi or broker, from the next session on, if it leads to the city."""
    with seldom("node.network") as network:
        result: int = network.take(commands.keychain, number, arguments)
    return result


_HANDLERS = {
    OPERATION_SET_POLICY: _set_policy,
    OPERATION_SET_PERIOD: _set_period,
    OPERATION_REPORT_NOW: _report_now,
    OPERATION_REBOOT: _reboot,
    OPERATION_LOCATE: _locate,
    OPERATION_SET_NETWORK: _set_network,
}


def carry_out(commands: "Commands", number: int, operation: int, arguments: "dict[Any, Any]") -> int:
    """Do it, if it is in the table."""
    handler = _HANDLERS.get(operation)
    return RESULT_UNSUPPORTED if handler is None else handler(commands, number, arguments)
