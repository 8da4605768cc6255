"""PZEM-004T: the steps of its register, believed only in a whole and undamaged answer."""

import asyncio

from firmware.fakes import Output, Random, SelfRunningClock, Uart

from envelope import labels
from sensors import pzem004t
from sensors.pzem004t import answer, crc16

ASK = bytes.fromhex("F8040000000A6464")
PERIOD_S = 60


def frame(wh, volts=2301, milliamperes=2800, tenths_w=6120, hertz=500, factor=95, alarm=0, address=0xF8):
    """An answer to ASK."""
    words = (
        volts,
        milliamperes & 0xFFFF,
        milliamperes >> 16,
        tenths_w & 0xFFFF,
        tenths_w >> 16,
        wh & 0xFFFF,
        wh >> 16,
        hertz,
        factor,
        alarm,
    )
    body = bytes((address, 4, 20)) + b"".join([word.to_bytes(2, "big") for word in words])
    return body + crc16(body).to_bytes(2, "little")


def test_modbus_crcs():
    assert crc16(b"123456789") == 0x4B37
    for known in ("01040000000A700D", "F8040000000A6464", "F842C241", "01428011"):
        whole = bytes.fromhex(known)
        assert crc16(whole[:-2]) == whole[-2] | whole[-1] << 8
    assert crc16(frame(1)) == 0


def test_an_answer_s_registers():
    assert answer(frame(70000)) == [2301, 2800, 0, 6120, 0, 4464, 1, 500, 95, 0]


def test_an_answer_is_found_anywhere_and_no_damaged_one_is():
    whole = frame(123456)
    for garbage in (b"\x00", b"\x04\x14", b"\xf8\x04\x14", ASK, b"\xf8\x84\x04\x82\xb1", whole[:-1]):
        assert answer(garbage + whole) == answer(whole), garbage
    for at in range(len(whole)):
        assert answer(whole[:at]) is None
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            # The meter's address is the one byte that need not be right, and the CRC covers it
            assert answer(bytes(damaged)) is None


def _run(respond, periods, uart=None):
    """The driver for so many periods; `respond(n, uart)` is asked at its n-th question, from 0 on."""

    async def scene():
        clock = SelfRunningClock()
        line = uart or Uart()
        asked = [0]

        def on_write(data):
            assert data == ASK
            respond(asked[0], line)
            asked[0] += 1

        line.on_write = on_write
        out = Output()
        task = asyncio.create_task(pzem004t.open({"period_s": PERIOD_S}, line, clock).run(out))
        while asked[0] < periods or clock.now_ms < 1000:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        return out

    return asyncio.run(scene())


def _steps(out):
    assert {channel for channel, _ in out.readings} <= {labels.CHANNEL_ENERGY}
    return [wh for _, wh in out.readings]


def _answers(*registers):
    """Answers with these energies, None for silence, bytes for themselves."""

    def respond(number, line):
        said = registers[number] if number < len(registers) else None
        if isinstance(said, bytes):
            line.arrive(said)
        elif said is not None:
            line.arrive(frame(said))

    return respond


def test_what_is_told_is_what_was_used_since_the_last_answer():
    out = _run(_answers(5000, 5010, 5010, 5022), 4)
    assert _steps(out) == [10, 0, 12]
    assert out.faults == []


def test_the_register_counts_on_while_the_meter_is_not_heard():
    out = _run(_answers(5000, None, b"\x00" * 30, 5031), 4)
    assert _steps(out) == [31]
    assert out.faults == [labels.FAULT_NO_ANSWER, labels.FAULT_BAD_FRAME]


def test_a_register_that_goes_back_or_leaps_begins_anew():
    out = _run(_answers(5000, 5010, 0, 7, 900000, 900005), 6)
    assert _steps(out) == [10, 7, 5]
    assert out.faults == [labels.FAULT_IMPLAUSIBLE] * 2


def test_the_most_a_meter_can_count_is_believed_after_any_silence():
    most = 26000 * PERIOD_S // 3600
    out = _run(_answers(0, most, 2 * most, None, None, 5 * most), 6)
    assert _steps(out) == [most, most, 3 * most]
    assert out.faults == [labels.FAULT_NO_ANSWER] * 2


def test_values_that_no_meter_has_are_implausible_and_tell_nothing():
    for wrong in ({"volts": 3001}, {"hertz": 0}, {"hertz": 701}, {"factor": 101}, {"tenths_w": 300000}):
        out = _run(_answers(5000, frame(5010, **wrong), 5020), 3)
        assert _steps(out) == [20], wrong
        assert out.faults == [labels.FAULT_IMPLAUSIBLE], wrong


def test_an_error_of_the_meter_is_a_bad_frame():
    out = _run(_answers(5000, bytes.fromhex("F8840482B1"), 5001), 3)
    assert _steps(out) == [1]
    assert out.faults == [labels.FAULT_BAD_FRAME]


def test_an_answer_that_came_late_is_not_taken_for_the_next():
    line = Uart()
    line.arrive(frame(1))
    out = _run(_answers(5000, 5001), 2, line)
    assert _steps(out) == [1]
    assert out.faults == []


def test_noise_is_a_fault_and_never_energy():
    random = Random(5)
    out = _run(lambda _number, line: line.arrive(random.generate(60)), 40)
    assert out.readings == []
    assert set(out.faults) == {labels.FAULT_BAD_FRAME}


def test_a_driver_that_is_started_again_goes_on_from_its_last_answer():
    async def scene():
        clock, line, out = SelfRunningClock(), Uart(), Output()
        driver = pzem004t.open({"period_s": PERIOD_S}, line, clock)
        for wh in (5000, 5040):
            line.on_write = lambda _data, wh=wh: line.arrive(frame(wh))
            task = asyncio.create_task(driver.run(out))
            for _ in range(3):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
        return out

    assert _steps(asyncio.run(scene())) == [40]
