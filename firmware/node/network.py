"""Another network, by command: used on trial, and held once it has led to the city. Imported only while it is needed.

A network on trial is used for labels.NETWORK_TRIES sessions, each of them spent in the key store before it begins. It
holds from when the city's letter, read over it, has heard a report that was sent over it. If that does not come to
pass the node is back on the old one, and says so; so it is after a power cut at any moment.

A command changes what it names. The broker's certificate, where TLS is on, has to be of the same authority.
"""

from micropython import const

from envelope import labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.keychain import Keychain
    from node.report import Owed

    Map = dict[str, Any]

_WIFI = {"ssid": labels.SET_NETWORK_SSID, "password": labels.SET_NETWORK_WIFI_PASSWORD}
_BROKER = {
    "host": labels.SET_NETWORK_HOST,
    "port": labels.SET_NETWORK_PORT,
    "user": labels.SET_NETWORK_USER,
    "password": labels.SET_NETWORK_PASSWORD,
}
_SSID_MAX = const(32)
_WIFI_PASSWORD_MIN = const(8)
_WIFI_PASSWORD_MAX = const(63)
_PORT_MAX = const(65535)


def take(keychain: "Keychain", number: int, arguments: "dict[Any, Any]") -> int:
    """Take the command with this number: labels.RESULT_*. Its own write accepts it."""
    if not is_right(arguments):
        return labels.RESULT_REFUSED
    candidate = [labels.NETWORK_TRIES, number, arguments]
    keychain.keep(candidate=candidate, command=number, result=labels.RESULT_INTERRUPTED)
    return labels.RESULT_DONE


def is_right(network: "dict[Any, Any]") -> bool:
    """Tell whether these arguments can be right (IEEE 802.11: a name of 1 to 32 bytes, a passphrase of 8 to 63)."""
    for label in network:
        value = network[label]
        if not isinstance(label, int) or not labels.SET_NETWORK_SSID <= label <= labels.SET_NETWORK_PASSWORD:
            return False
        if label == labels.SET_NETWORK_PORT:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _PORT_MAX:
                return False
        elif not isinstance(value, str) or not _fits(label, len(value.encode())):
            return False
    return bool(network)


def spend_try(keychain: "Keychain", owed: "Owed") -> bool:
    """True when the candidate is to be used in this session; one whose tries are over is given up."""
    candidate = keychain.secrets.candidate
    if candidate is None:
        return False
    try:
        if candidate[0]:
            keychain.keep(candidate=[candidate[0] - 1, candidate[1], candidate[2]])
            return True
        _settle(keychain, owed, keychain.secrets.network, labels.RESULT_FELL_BACK)
    except OSError as error:  # flash does not take it; the old network needs none
        print("hadeda: network not tried:", repr(error))
    return False


def proved(keychain: "Keychain", owed: "Owed") -> None:
    """The city has answered what was sent over the candidate: no going back."""
    _settle(keychain, owed, chosen(keychain, True), labels.RESULT_DONE)


def chosen(keychain: "Keychain", on_trial: bool) -> "dict[int, Any]":
    """What commands say of the network, with what the candidate says where it is on trial."""
    network = dict(keychain.secrets.network or {})
    candidate = keychain.secrets.candidate
    if on_trial and candidate is not None:
        network.update(candidate[2])
    return network


def changed(network: "dict[int, Any]", wifi: "Map", broker: "Map") -> "tuple[Map, Map]":
    """The configuration's maps, with what commands said in its place."""
    wifi, broker = dict(wifi), dict(broker)
    for part, names in ((wifi, _WIFI), (broker, _BROKER)):
        for name in names:
            if names[name] in network:
                part[name] = network[names[name]]
    return wifi, broker


def _settle(keychain: "Keychain", owed: "Owed", network: "dict[int, Any] | None", result: int) -> None:
    """The trial is over. What a later command came to stays what it is."""
    candidate = keychain.secrets.candidate
    if candidate is None:
        return
    if candidate[1] != keychain.command:
        keychain.keep(network=network, candidate=None)
        return
    keychain.keep(network=network, candidate=None, result=result)
    owed.answer = candidate[1] & 0xFFFF, result


def _fits(label: int, size: int) -> bool:
    """Tell whether a text of this size may stand there: only a network without a password leaves one empty."""
    if label == labels.SET_NETWORK_SSID:
        return 0 < size <= _SSID_MAX
    if label == labels.SET_NETWORK_WIFI_PASSWORD:
        return not size or _WIFI_PASSWORD_MIN <= size <= _WIFI_PASSWORD_MAX
    return 0 < size <= labels.SET_NETWORK_TEXT_MAX
