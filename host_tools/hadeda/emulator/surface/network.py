"""`network.WLAN` of the ESP32 port, station mode; the air it listens to is the host's."""

import struct
import _wire
import opcodes
from _boot_info import info

STA_IF, AP_IF = 0, 1
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
STAT_BEACON_TIMEOUT, STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD = 200, 201, 202
STAT_ASSOC_FAIL, STAT_HANDSHAKE_TIMEOUT = 203, 204
STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY = 210
STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD = 211
STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD = 212
AUTH_OPEN, AUTH_WEP, AUTH_WPA_PSK, AUTH_WPA2_PSK, AUTH_WPA_WPA2_PSK, AUTH_WPA2_ENTERPRISE = 0, 1, 2, 3, 4, 5
AUTH_WPA3_PSK, AUTH_WPA2_WPA3_PSK, AUTH_WAPI_PSK, AUTH_OWE = 6, 7, 8, 9
AUTH_WPA3_ENT_192, AUTH_WPA3_EXT_PSK, AUTH_WPA3_EXT_PSK_MIXED_MODE, AUTH_MAX = 10, 11, 12, 13
MODE_11B, MODE_11G, MODE_11N, MODE_LR = 1, 2, 4, 8

_settings = {"hostname": "mpy-esp32", "country": "XX"}


def hostname(name=None):
    if name is not None:
        _settings["hostname"] = name
    return _settings["hostname"]


def country(code=None):
    if code is not None:
        _settings["country"] = code
    return _settings["country"]


def phy_mode(mode=None):
    return MODE_11B | MODE_11G | MODE_11N if mode is None else None


def ipconfig(name=None, **settings):
    return None


class WLAN:
    IF_STA, IF_AP = 0, 1
    SEC_OPEN, SEC_WEP, SEC_WPA, SEC_WPA2, SEC_WPA_WPA2, SEC_WPA2_ENT = 0, 1, 2, 3, 4, 5
    SEC_WPA3, SEC_WPA2_WPA3, SEC_WAPI, SEC_OWE = 6, 7, 8, 9
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0, 1, 2

    _active = False

    def __init__(self, interface=STA_IF):
        if interface not in (STA_IF, AP_IF):
            raise ValueError("invalid WLAN interface identifier")
        self._interface = interface

    def active(self, on=None):
        if on is not None:
            WLAN._active = bool(on)
            _wire.request(opcodes.WLAN_ACTIVE, bytes((1 if on else 0,)))
        return WLAN._active

    def _status(self):
        return struct.unpack("<Hb", _wire.request(opcodes.WLAN_STATUS))

    def connect(self, ssid=None, password=None, *, bssid=None):
        if not WLAN._active:
            raise OSError("Wifi Invalid Mode")
        _wire.request(opcodes.WLAN_CONNECT, _wire.text(ssid or "") + _wire.text(password or ""))

    def disconnect(self):
        _wire.request(opcodes.WLAN_DISCONNECT)

    def isconnected(self):
        return self._status()[0] == STAT_GOT_IP

    def status(self, what=None):
        if what == "rssi":
            return self._status()[1]
        if what is not None:
            raise ValueError("unknown status param")
        return self._status()[0]

    def scan(self):
        """[(ssid, bssid, channel, rssi, security, hidden)]: the one access point in reach, if any."""
        if not WLAN._active:
            raise OSError("STA must be active")
        name = bytes(_wire.request(opcodes.WLAN_SCAN))
        return [(name, b"\x02\x00\x00\x00\x00\x01", 6, self._status()[1] or -60, AUTH_WPA2_PSK, False)] if name else []

    def ifconfig(self, settings=None):
        if not self.isconnected():
            return ("0.0.0.0",) * 4
        return ("10.0.0.2", "255.255.255.0", "10.0.0.1", "10.0.0.1")

    def ipconfig(self, name=None, **settings):
        if name == "addr4":
            return self.ifconfig()[:2]
        return None

    def config(self, name=None, **settings):
        known = ("mac", "ssid", "channel", "hostname", "txpower", "pm", "reconnects", "protocol", "security")
        for key in settings:
            if key not in known:
                raise ValueError("unknown config param")
        if name is None:
            return None
        if name not in known:
            raise ValueError("unknown config param")
        return bytes(info["unique_id"]) if name == "mac" else _settings.get(name, 0)
