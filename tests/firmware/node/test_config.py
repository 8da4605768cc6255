"""A configuration that cannot be right is refused with the key's name."""

from firmware.fakes import Flash, raises
from firmware.node_config import good

from envelope import cbor
from node import config
from node.errors import ConfigError, Unprovisioned


def _refused(change, *words):
    broken = good()
    change(broken)
    text = str(raises(ConfigError, config.check, broken))
    for word in words:
        assert word in text, text


def test_the_good_one_is_taken():
    flash = Flash()
    flash.files["/config.cbor"] = cbor.encode(good())
    assert config.load(flash) == good()


def test_user_password_ca_and_downlink_topic_may_be_absent():
    plain = good()
    for key in ("user", "password", "ca", "down"):
        del plain["broker"][key]
    config.check(plain)


def test_an_led_may_be_there():
    lit = good()
    for kind in ("gpio", "neopixel"):
        lit["led"] = {"kind": kind, "pin": 48}
        config.check(lit)
    _refused(lambda c: c.update({"led": {"kind": "lamp", "pin": 1}}), "led.kind", "lamp")
    _refused(lambda c: c.update({"led": {"kind": "gpio"}}), "led", "pin")
    _refused(lambda c: c.update({"led": {"kind": "gpio", "pin": "48"}}), "led.pin")
    _refused(lambda c: c.update({"led": 48}), "led")


def test_every_authority_is_needed_and_no_other():
    for role in range(1, 6):
        _refused(lambda c, role=role: c["authorities"].pop(role), "authorities", "role " + str(role))
        for key in (b"", b"\x04", b"\x02" + bytes(64), b"\x04" + bytes(65), "key", None):
            _refused(lambda c, role=role, key=key: c["authorities"].update({role: key}), "role " + str(role))
    _refused(lambda c: c["authorities"].update({6: b"\x04" + bytes(64)}), "authorities", "unknown role 6")
    _refused(lambda c: c["authorities"].update({"collector": b"\x04" + bytes(64)}), "unknown role 'collector'")


def test_no_file_means_unprovisioned():
    raises(Unprovisioned, config.load, Flash())


def test_a_file_of_garbage_is_a_clear_error():
    for garbage in (b"", b"\xff", b"not cbor", bytes(5000), cbor.encode([1, 2]), cbor.encode(good())[:-1]):
        flash = Flash()
        flash.files["/config.cbor"] = garbage
        raises(ConfigError, config.load, flash)


def test_every_required_key_is_missed_by_name():
    for key in good():
        broken = good()
        del broken[key]
        assert key in str(raises(ConfigError, config.check, broken))


def test_unknown_keys_are_errors():
    _refused(lambda c: c.update({"windows": 1}), "windows")
    _refused(lambda c: c["broker"].update({"qos": 2}), "broker", "qos")
    _refused(lambda c: c["sensors"][0].update({"adress": 2}), "sensors[0]", "adress")


def test_wrong_types_are_errors():
    _refused(lambda c: c.update({"version": True}), "version")
    _refused(lambda c: c.update({"ntp": 900}), "ntp")
    _refused(lambda c: c.update({"authorities": "key"}), "authorities")
    _refused(lambda c: c["wifi"].update({"ssid": 5}), "wifi.ssid")
    _refused(lambda c: c.update({"policy": {}}), "policy")
    _refused(lambda c: c.update({"floor": None}), "floor")


def test_values_that_cannot_be_are_errors():
    _refused(lambda c: c.update({"version": 2}), "version")
    _refused(lambda c: c["broker"].update({"port": 0}), "broker.port")
    _refused(lambda c: c["buses"]["i2c0"].update({"kind": "can"}), "buses.i2c0.kind", "can")
    loop = {"kind": "gpio", "pin": 34, "pull": "external"}
    _refused(lambda c: c["buses"].update({"loop": {"kind": "gpio", "pin": 34}}), "buses.loop", "pull")
    _refused(lambda c: c["buses"].update({"loop": dict(loop, pull="down")}), "buses.loop.pull", "down")
    _refused(lambda c: c["buses"].update({"loop": dict(loop, id=1)}), "buses.loop", "id")
    wired = good()
    wired["buses"]["loop"] = loop
    config.check(wired)
    _refused(lambda c: c["buses"]["uart1"].pop("tx"), "buses.uart1", "tx")
    _refused(lambda c: c["buses"].update({1: c["buses"]["uart1"]}), "name 1 of buses")
    _refused(lambda c: c["sensors"][1].update({"bus": "uart9"}), "sensors[1].bus", "uart9")
    _refused(lambda c: c["sensors"][0].pop("address"), "sensors[0].address")
    _refused(lambda c: c["sensors"][0].update({"address": 200}), "sensors[0].address")
    _refused(lambda c: c.update({"sensors": []}), "sensors")


def test_only_the_chips_own_radio_is_on_no_bus():
    listening = good()
    listening["sensors"].append({"part": "ble_footfall", "period_s": 0})
    config.check(listening)
    _refused(lambda c: c["sensors"].append({"part": "pms5003", "period_s": 5}), "sensors[3] lacks 'bus'")
    _refused(lambda c: c["sensors"].append({"part": "ble_footfall", "bus": "uart1", "period_s": 0}), "sensors[3].bus")
