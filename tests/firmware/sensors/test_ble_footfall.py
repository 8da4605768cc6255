"""The radio's driver: it listens passively and for bounded times, passes addresses on, and keeps none of them."""

import asyncio

from firmware import bluetooth_fake
from firmware.fakes import Clock, raises_async

from envelope.labels import FAULT_NO_ANSWER
from node.errors import SensorFault

AIR = bluetooth_fake.install()

from ports import ble  # noqa: E402  # it imports bluetooth
from sensors import ble_footfall  # noqa: E402

PHONE = bytes((0x4A, 1, 2, 3, 4, 5))
WATCH = bytes((0x7F, 9, 8, 7, 6, 5))


class Heard:
    """Notes what a driver says, with copies of addresses that are overwritten afterwards."""

    def __init__(self):
        self.devices = []
        self.faults = []
        self.footfall = self  # something to take them in

    def device(self, address_type, address):
        self.devices.append((address_type, bytes(address)))

    def fault(self, kind):
        self.faults.append(kind)

    def alive(self):
        pass


async def _with_driver(test):
    air = bluetooth_fake.install()
    clock, out = Clock(), Heard()
    driver = ble_footfall.open(clock)
    running = asyncio.create_task(driver.run(out))
    await clock.advance(50)
    try:
        await test(air, clock, out, driver)
    finally:
        running.cancel()
        await raises_async(asyncio.CancelledError, running)
    assert not air.active
    assert air.handler is None
    assert not any(driver._record)
    assert not any(driver._scanner._ring)


def test_a_scan_is_passive_bounded_and_has_pauses():
    async def test(air, clock, _out, _driver):
        for _ in range(3):
            assert air.scanning
            await clock.advance(5000)
            air.end_scan()
            await clock.advance(4900)
            assert not air.scanning
            await clock.advance(200)
        scans = [call for call in air.calls if call[0] == "gap_scan"]
        assert len(scans) == 4
        assert all(call == ("gap_scan", 5000, 100000, 50000, False) for call in scans)

    asyncio.run(_with_driver(test))


def test_addresses_are_passed_on_and_forgotten():
    async def test(air, clock, out, driver):
        air.say(1, PHONE)
        air.say(0, WATCH)
        air.say(1, PHONE)
        await clock.advance(150)
        assert out.devices == [(1, PHONE), (0, WATCH), (1, PHONE)]
        assert not any(driver._scanner._ring)
        assert not any(driver._record)

    asyncio.run(_with_driver(test))


def test_what_comes_with_the_end_of_a_scan_counts():
    async def test(air, clock, out, _driver):
        await clock.advance(4850)
        air.say(1, PHONE)
        air.end_scan()
        await clock.advance(150)
        assert out.devices == [(1, PHONE)]

    asyncio.run(_with_driver(test))


def test_more_than_the_ring_holds_is_lost_without_harm():
    async def test(air, clock, out, driver):
        for number in range(100_000):
            air.say(1, number.to_bytes(6, "big"))
        await clock.advance(150)
        assert [address for _, address in out.devices] == [number.to_bytes(6, "big") for number in range(63)]
        air.say(1, PHONE)
        await clock.advance(100)
        assert out.devices[-1] == (1, PHONE)
        assert len(driver._scanner._ring) == 64 * ble.RECORD

    asyncio.run(_with_driver(test))


def test_the_ring_goes_round():
    async def test(air, clock, out, _driver):
        for number in range(300):
            air.say(1, number.to_bytes(6, "big"))
            if number % 7 == 0:
                await clock.advance(100)
        await clock.advance(100)
        assert [int.from_bytes(address, "big") for _, address in out.devices] == list(range(300))

    asyncio.run(_with_driver(test))


def test_a_scan_that_does_not_end_is_no_answer():
    async def test():
        bluetooth_fake.install()
        clock, out = Clock(), Heard()
        driver = ble_footfall.open(clock)
        running = asyncio.create_task(driver.run(out))
        await clock.advance(6200)
        error = await raises_async(SensorFault, running)
        assert error.kind == FAULT_NO_ANSWER

    asyncio.run(test())


def test_a_radio_that_does_not_start_or_scan_is_an_error_and_is_switched_off():
    async def test(call):
        air = bluetooth_fake.install()
        air.errors = {call: OSError(12)}
        out = Heard()
        await raises_async(OSError, ble_footfall.open(Clock()).run(out))
        assert not air.active
        assert air.handler is None
        assert not out.devices

    asyncio.run(test("switch on"))
    asyncio.run(test("gap_scan"))


def test_only_the_beginning_of_an_address_type_and_six_bytes_are_taken():
    async def test(air, clock, out, _driver):
        air.say(3, PHONE, bytes(range(31)))
        await clock.advance(150)
        assert out.devices == [(3, PHONE)]

    asyncio.run(_with_driver(test))


def test_it_stops_at_once_when_it_is_not_wanted_any_more():
    async def test():
        air = bluetooth_fake.install()
        clock, out = Clock(), Heard()
        running = asyncio.create_task(ble_footfall.open(clock).run(out))
        await clock.advance(1000)
        out.footfall = None
        await clock.advance(150)
        assert not air.active
        await clock.advance(5000)
        await running

    asyncio.run(test())
