"""`bluetooth` of the ESP32 port as far as a passive scanner needs it; who advertises is the host's.

As on the port, events come whenever the board sleeps or polls, an advertiser's address and data are only valid inside
the handler, and a handler that raises is switched off. Bluetooth LE's other half, connections, is not modelled.
"""

import struct
import sys
import _wire
import opcodes
from _boot_info import info
from machine_timing import alarms
from time import ticks_add, ticks_ms

FLAG_READ, FLAG_WRITE_NO_RESPONSE, FLAG_WRITE, FLAG_NOTIFY, FLAG_INDICATE = 2, 4, 8, 16, 32

_IRQ_SCAN_RESULT, _IRQ_SCAN_DONE = 5, 6
_SETTINGS = ("gap_name", "mtu", "addr_mode", "bond", "mitm", "io", "le_secure")
_FOREVER_MS = 0x7FFFFFFF
_LISTEN_MS = 20  # between two looks at what the radio has heard
_EALREADY, _ENODEV, _EOPNOTSUPP = 114, 19, 95


class UUID:
    def __init__(self, value):
        self._value = value

    def __eq__(self, other):
        return isinstance(other, UUID) and self._value == other._value


class BLE:
    """There is one, however often it is asked for."""

    _the_one = None

    def __new__(cls):
        if BLE._the_one is None:
            BLE._the_one = object.__new__(cls)
            BLE._the_one._active = BLE._the_one._scanning = False
            BLE._the_one._handler = None
            BLE._the_one._settings = {"gap_name": b"MPY ESP32", "mtu": 256}
        return BLE._the_one

    def active(self, on=None):
        if on is not None and bool(on) != self._active:
            self._active = bool(on)
            self._scanning = False
            alarms.stop(self)
            _wire.request(opcodes.BLE_ACTIVE, bytes((self._active,)))
        return self._active

    def config(self, *name, **settings):
        if not settings:
            if len(name) != 1:
                raise TypeError("must query one param")
            if name[0] == "mac":
                return (0, bytes(info["unique_id"]))
            if name[0] not in self._settings:
                raise ValueError("unknown config param")
            return self._settings[name[0]]
        if name:
            raise TypeError("can't specify pos and kw args")
        for key in settings:
            if key not in _SETTINGS:
                raise ValueError("unknown config param")
            if key in self._settings:
                self._settings[key] = settings[key]
        return None

    def irq(self, handler):
        if handler is not None and not callable(handler):
            raise ValueError("invalid handler")
        self._handler = handler

    def gap_scan(self, duration_ms=0, interval_us=1280000, window_us=11250, active=False):
        """Passive and active scans hear the same here: nobody in an emulated street answers a scan request."""
        if not self._active:
            raise OSError(_ENODEV)
        if duration_ms is None:
            if self._scanning:
                self._stop()
            return
        if self._scanning:
            raise OSError(_EALREADY)
        scan = struct.pack("<III", duration_ms or _FOREVER_MS, interval_us, window_us)
        _wire.request(opcodes.BLE_SCAN, scan)
        self._scanning = True
        self._wait()

    def _stop(self):
        self._scanning = False
        alarms.stop(self)
        _wire.request(opcodes.BLE_SCAN, struct.pack("<III", 0, 1, 1))
        self._tell(_IRQ_SCAN_DONE, ())

    def _wait(self):
        self.due = ticks_add(ticks_ms(), _LISTEN_MS)
        alarms.start(self)

    def ring(self):
        """Called while the board sleeps: hand over what was heard."""
        heard = memoryview(bytes(_wire.request(opcodes.BLE_HEARD)))
        if heard[0]:
            self._wait()
        else:
            alarms.stop(self)
        at = 1
        while at < len(heard):
            kind, advertising, rssi, size = struct.unpack_from("<BBbB", heard, at)
            end = at + 10 + size
            self._tell(_IRQ_SCAN_RESULT, (kind, heard[at + 4 : at + 10], advertising, rssi, heard[at + 10 : end]))
            at = end
        if not heard[0] and self._scanning:
            self._scanning = False
            self._tell(_IRQ_SCAN_DONE, ())

    def _tell(self, event, data):
        if self._handler is None:
            return
        try:
            self._handler(event, data)
        except Exception as error:
            print("Unhandled exception in IRQ callback handler")
            sys.print_exception(error)
            self._handler = None

    def _not_modelled(self, *_, **__):
        raise OSError(_EOPNOTSUPP if self._active else _ENODEV)

    gap_advertise = gap_connect = gap_disconnect = gap_pair = gap_passkey = _not_modelled
    gattc_discover_services = gattc_discover_characteristics = gattc_discover_descriptors = _not_modelled
    gattc_read = gattc_write = gattc_exchange_mtu = _not_modelled
    gatts_register_services = gatts_read = gatts_write = gatts_set_buffer = _not_modelled
    gatts_notify = gatts_indicate = _not_modelled
