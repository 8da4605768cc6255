"""The BME280 model against its data sheet, and against a driver that knows nothing of it."""

import statistics
import sys
import types
from collections.abc import Callable

import pytest
from adafruit_bme280 import basic as adafruit_bme280  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from standing_world import NOW, StandingWorld, standing

from hadeda.emulator.chips import load, names
from hadeda.emulator.chips.base import Nack, Surroundings
from hadeda.emulator.chips.bme280 import Bme280, Trimming, measurement_s
from hadeda.errors import BoardError
from hadeda.scenario import World

X1_ALL = (1, 0x24)  # ctrl_hum, ctrl_meas without mode
X16_ALL = (5, 0xB4)
FORCED, NORMAL = 1, 3
WORLD = World(seed=1)


def steady(temperature_c: float = 21.5, humidity_percent: float = 45.0, pressure_pa: float = 101325.0) -> StandingWorld:
    return standing(temperature_c=temperature_c, humidity_percent=humidity_percent, pressure_pa=pressure_pa)


# --- the data sheet's integer compensation (4.2.3), written down a second time, apart from the model's ---


def s16(low: int, high: int) -> int:
    return int.from_bytes(bytes([low, high]), "little", signed=True)


def u16(low: int, high: int) -> int:
    return low | high << 8


def over(numerator: int, denominator: int) -> int:
    """Division as C does it, towards zero."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


class Compensation:
    """Reads trimming from registers, as any host would, and compensates in 32 and 64 bit integers."""

    def __init__(self, low: bytes, high: bytes) -> None:
        self.t = [u16(*low[0:2]), s16(*low[2:4]), s16(*low[4:6])]
        self.p = [u16(*low[6:8]), *(s16(*low[place : place + 2]) for place in range(8, 24, 2))]
        h4 = (high[3] - 256 * (high[3] > 127)) * 16 + (high[4] & 0x0F)
        h5 = (high[5] - 256 * (high[5] > 127)) * 16 + (high[4] >> 4)
        self.h = [low[25], s16(*high[0:2]), high[2], h4, h5, high[6] - 256 * (high[6] > 127)]
        self.t_fine = 0

    def temperature_c(self, adc: int) -> float:
        t1, t2, t3 = self.t
        first = (((adc >> 3) - (t1 << 1)) * t2) >> 11
        second = (((((adc >> 4) - t1) * ((adc >> 4) - t1)) >> 12) * t3) >> 14
        self.t_fine = first + second
        return ((self.t_fine * 5 + 128) >> 8) / 100

    def pressure_pa(self, adc: int) -> float:
        p1, p2, p3, p4, p5, p6, p7, p8, p9 = self.p
        first = self.t_fine - 128000
        second = first * first * p6 + ((first * p5) << 17) + (p4 << 35)
        first = ((first * first * p3) >> 8) + ((first * p2) << 12)
        first = (((1 << 47) + first) * p1) >> 33
        p = over((((1048576 - adc) << 31) - second) * 3125, first)
        first = (p9 * (p >> 13) * (p >> 13)) >> 25
        second = (p8 * p) >> 19
        return (((p + first + second) >> 8) + (p7 << 4)) / 256

    def humidity_percent(self, adc: int) -> float:
        h1, h2, h3, h4, h5, h6 = self.h
        v = self.t_fine - 76800
        left = ((adc << 14) - (h4 << 20) - h5 * v + 16384) >> 15
        slope = (((v * h6) >> 10) * (((v * h3) >> 11) + 32768)) >> 10
        v = left * (((slope + 2097152) * h2 + 8192) >> 14)
        v -= ((((v >> 15) * (v >> 15)) >> 7) * h1) >> 4
        return (min(max(v, 0), 419430400) >> 12) / 1024


# --- a host that speaks registers ---


def registers(chip: Bme280, first: int, count: int, now: float) -> bytes:
    chip.write(bytes([first]), now)
    return chip.read(count, now)


def compensation_of(chip: Bme280, now: float) -> Compensation:
    return Compensation(registers(chip, 0x88, 26, now), registers(chip, 0xE1, 7, now))


def raw(chip: Bme280, now: float) -> tuple[int, int, int]:
    """Raw temperature, pressure, humidity from one burst."""
    data = registers(chip, 0xF7, 8, now)
    return int.from_bytes(data[3:6], "big") >> 4, int.from_bytes(data[0:3], "big") >> 4, u16(data[7], data[6])


def force(chip: Bme280, oversampling: tuple[int, int], now: float) -> float:
    """Starts a forced measurement; returns a moment at which it is over."""
    chip.write(bytes([0xF2, oversampling[0], 0xF4, oversampling[1] | FORCED]), now)
    return now + 0.120


def measured(chip: Bme280, oversampling: tuple[int, int], now: float) -> tuple[float, float, float]:
    """Temperature, humidity, pressure of one forced measurement."""
    now = force(chip, oversampling, now)
    raw_t, raw_p, raw_h = raw(chip, now)
    compensation = compensation_of(chip, now)
    return compensation.temperature_c(raw_t), compensation.humidity_percent(raw_h), compensation.pressure_pa(raw_p)


def test_the_worked_example_of_the_data_sheet() -> None:
    compensation = compensation_of(Bme280(steady()), NOW)
    assert compensation.temperature_c(519888) == 25.08
    assert compensation.t_fine == 128422
    assert compensation.pressure_pa(415148) == pytest.approx(100653.27, abs=0.02)
    assert Trimming().t_fine(519888) == pytest.approx(128422, abs=1)
    assert Trimming().pressure_pa(415148, 128422) == pytest.approx(100653.27, abs=0.05)


@settings(deadline=None)
@given(st.floats(-20, 65), st.floats(1, 99), st.floats(50000, 109000), st.integers(0, 300))
def test_compensation_gives_back_the_air(t: float, h: float, p: float, seed: int) -> None:
    chip = Bme280(steady(t, h, p), seed, noise=False)
    temperature_c, humidity_percent, pressure_pa = measured(chip, X16_ALL, NOW)
    assert temperature_c == pytest.approx(t, abs=0.0101)
    assert humidity_percent == pytest.approx(h, abs=0.02)
    assert pressure_pa == pytest.approx(p, abs=0.6)  # a step of each converter


@settings(deadline=None)
@given(st.floats(0, 45), st.floats(5, 95), st.floats(90000, 109000), st.integers(0, 300))
def test_at_x1_the_resolution_is_sixteen_bits(t: float, h: float, p: float, seed: int) -> None:
    chip = Bme280(steady(t, h, p), seed, noise=False)
    temperature_c, humidity_percent, pressure_pa = measured(chip, X1_ALL, NOW)
    raw_t, raw_p, _ = raw(chip, NOW + 1)
    assert raw_t % 16 == raw_p % 16 == 0
    assert temperature_c == pytest.approx(t, abs=0.0151)
    assert humidity_percent == pytest.approx(h, abs=0.02)
    assert pressure_pa == pytest.approx(p, abs=2.0)


def test_units_are_trimmed_differently() -> None:
    trimmings = [registers(Bme280(steady(), seed), 0x88, 26, NOW) for seed in range(5)]
    assert len(set(trimmings)) == 5
    assert registers(Bme280(steady(), 3), 0xE1, 7, NOW) == registers(Bme280(steady(), 3), 0xE1, 7, NOW)


def test_after_power_up() -> None:
    chip = Bme280(steady())
    assert registers(chip, 0xD0, 1, NOW) == b"\x60"
    assert registers(chip, 0xE0, 1, NOW) == b"\x00"
    assert registers(chip, 0xF2, 4, NOW) == bytes(4)
    assert registers(chip, 0xF7, 8, NOW) == bytes.fromhex("8000008000008000")


def test_reset_word_and_nothing_else_resets() -> None:
    chip = Bme280(steady())
    over_at = force(chip, X1_ALL, NOW)
    chip.write(b"\xe0\xb5", over_at)
    assert raw(chip, over_at) != (0x80000, 0x80000, 0x8000)
    chip.write(b"\xe0\xb6", over_at)
    assert raw(chip, over_at) == (0x80000, 0x80000, 0x8000)
    assert registers(chip, 0xF2, 3, over_at) == b"\x00\x01\x00"  # im_update
    assert registers(chip, 0xF3, 1, over_at + 0.002) == b"\x00"
    assert registers(chip, 0x88, 2, over_at) == bytes(2)
    assert registers(chip, 0x88, 2, over_at + 0.002) == (27504).to_bytes(2, "little")


def test_ctrl_hum_takes_effect_with_the_next_ctrl_meas() -> None:
    chip = Bme280(steady())
    chip.write(bytes([0xF4, 0x24 | NORMAL]), NOW)
    chip.write(bytes([0xF2, 1]), NOW + 0.1)
    assert registers(chip, 0xF2, 1, NOW + 0.1) == b"\x01"
    assert raw(chip, NOW + 1)[2] == 0x8000
    chip.write(bytes([0xF4, 0x24 | NORMAL]), NOW + 1)
    assert raw(chip, NOW + 2)[2] != 0x8000


def test_forced_mode_measures_once_and_sleeps() -> None:
    chip = Bme280(steady())
    seen: list[float] = []
    chip.on_event = lambda t, text: seen.append(t)  # noqa: ARG005
    force(chip, X1_ALL, NOW)
    assert chip.measurement_s == pytest.approx(0.008)
    assert registers(chip, 0xF3, 2, NOW + 0.0079) == bytes([0x08, 0x25])
    assert raw(chip, NOW + 0.0079) == (0x80000, 0x80000, 0x8000)
    assert registers(chip, 0xF3, 2, NOW + 0.0081) == bytes([0x00, 0x24])
    assert raw(chip, NOW + 0.0081) != (0x80000, 0x80000, 0x8000)
    registers(chip, 0xF3, 2, NOW + 100_000)
    assert seen == [pytest.approx(NOW + 0.008)]


def test_measurement_times_of_the_data_sheet() -> None:
    assert measurement_s(1, 4, 0) == pytest.approx(0.0115)
    assert measurement_s(1, 4, 0, longest=True) == pytest.approx(0.0133, abs=0.0001)
    assert measurement_s(16, 16, 16, longest=True) == pytest.approx(0.1128, abs=0.0001)


@pytest.mark.parametrize(("standby", "seconds"), [*enumerate([0.0005, 0.0625, 0.125, 0.25, 0.5, 1.0, 0.01, 0.02])])
def test_normal_mode_measures_at_the_data_rate(standby: int, seconds: float) -> None:
    chip = Bme280(steady())
    times: list[float] = []
    chip.on_event = lambda t, text: times.append(t)  # noqa: ARG005
    chip.write(bytes([0xF5, standby << 5, 0xF4, 0x2C | NORMAL]), NOW)  # T x1, P x4, no H: 11.5 ms
    for step in range(1, 41):
        registers(chip, 0xF3, 1, NOW + step / 10)
    assert times[0] == pytest.approx(NOW + 0.0115, abs=1e-6)
    assert len(times) == pytest.approx(4 / (0.0115 + seconds), abs=2)
    assert registers(chip, 0xF4, 1, NOW + 4) == bytes([0x2C | NORMAL])


def test_normal_mode_after_a_long_silence_has_the_latest_air() -> None:
    world = steady(10.0)
    chip = Bme280(world, noise=False)
    chip.write(bytes([0xF5, 0x10, 0xF4, 0x2C | NORMAL]), NOW)
    raw(chip, NOW + 1)
    world.here = steady(30.0).here
    replayed: list[float] = []
    chip.on_event = lambda t, text: replayed.append(t)  # noqa: ARG005
    raw_t, _, _ = raw(chip, NOW + 86_400 * 14)
    assert len(replayed) < 300
    assert compensation_of(chip, NOW + 86_400 * 14).temperature_c(raw_t) == pytest.approx(30.0, abs=0.02)


@pytest.mark.parametrize(
    ("ctrl_hum", "ctrl_meas", "skipped"), [(1, 0x20, "p"), (1, 0x04, "t"), (0, 0x24, "h"), (0, 0x00, "tph")]
)
def test_skipped_quantities_read_as_half_scale(ctrl_hum: int, ctrl_meas: int, skipped: str) -> None:
    chip = Bme280(steady(), seed=4)
    found = dict(zip("tph", raw(chip, force(chip, (ctrl_hum, ctrl_meas), NOW)), strict=True))
    for quantity, value in found.items():
        assert (value == (0x8000 if quantity == "h" else 0x80000)) == (quantity in skipped)


def test_a_mode_change_waits_for_the_end_of_the_measurement_and_a_second_one_is_lost() -> None:
    chip = Bme280(steady())
    force(chip, X16_ALL, NOW)  # 98 ms
    chip.write(bytes([0xF4, 0x24 | NORMAL]), NOW + 0.010)
    chip.write(bytes([0xF4, 0x00]), NOW + 0.020)
    chip.write(bytes([0xF2, 0]), NOW + 0.020)
    assert registers(chip, 0xF2, 3, NOW + 0.090) == bytes([5, 0x08, 0xB4 | FORCED])
    assert registers(chip, 0xF2, 3, NOW + 0.1) == bytes([5, 0x08, 0x24 | NORMAL])


def test_config_is_not_taken_in_normal_mode() -> None:
    chip = Bme280(steady())
    chip.write(bytes([0xF5, 0xA0, 0xF4, 0x24 | NORMAL]), NOW)
    chip.write(bytes([0xF5, 0x10]), NOW + 0.5)
    assert registers(chip, 0xF5, 1, NOW + 0.5) == b"\xa0"
    chip.write(bytes([0xF4, 0x24]), NOW + 0.5)
    chip.write(bytes([0xF5, 0x10]), NOW + 1)
    assert registers(chip, 0xF5, 1, NOW + 1) == b"\x10"


@pytest.mark.parametrize(("code", "samples"), [(0, 1), (1, 2), (2, 5), (3, 11), (4, 22)])
def test_filter_reaches_three_quarters_of_a_step_in_the_samples_of_table_6(code: int, samples: int) -> None:
    world = steady(10.0)
    chip = Bme280(world, noise=False)
    chip.write(bytes([0xF5, code << 2]), NOW)
    before = measured(chip, X1_ALL, NOW)[0]
    world.here = steady(20.0).here
    steps = [measured(chip, X1_ALL, NOW + 1 + step)[0] - before for step in range(samples)]
    assert steps[-1] >= 7.4
    assert len(steps) == 1 or steps[-2] < 7.6
    chip.write(bytes([0xF5, code << 2]), NOW + 90)  # writing the register resets the filter
    assert measured(chip, X1_ALL, NOW + 91)[0] == pytest.approx(20.0, abs=0.02)


def test_noise_is_that_of_the_data_sheet_and_repeats_with_the_seed() -> None:
    def series(seed: int) -> list[tuple[float, float, float]]:
        chip = Bme280(steady(), seed)
        return [measured(chip, X16_ALL, NOW + step) for step in range(400)]

    assert series(7) == series(7)
    assert series(7) != series(8)
    _, humidities, pressures = zip(*series(7), strict=True)
    assert statistics.stdev(pressures) == pytest.approx(1.3, rel=0.2)
    assert statistics.stdev(humidities) == pytest.approx(0.02, rel=0.25)


def test_reads_run_on_and_unknown_registers_read_zero() -> None:
    chip = Bme280(steady())
    chip.write(b"\xd0", NOW)
    assert chip.read(1, NOW) + chip.read(1, NOW) == b"\x60\x00"
    assert registers(chip, 0xFE, 4, NOW) == bytes(4)
    chip.write(b"", NOW)
    chip.write(b"\xd0\x12\xf7\x34", NOW)
    assert registers(chip, 0xD0, 1, NOW) == b"\x60"


# --- the unmodified Adafruit driver ---


class Bus:
    """The little of busio.I2C that adafruit_bus_device asks for, over one chip; its clock stands still."""

    def __init__(self, chip: Bme280, now: float) -> None:
        self.chip = chip
        self.now = now

    def try_lock(self) -> bool:
        return True

    def unlock(self) -> None:
        pass

    def writeto(self, address: int, data: bytes, *, start: int = 0, end: int | None = None) -> None:
        if address != 0x76:
            raise OSError(19, str(Nack("no such address")))
        self.chip.write(bytes(data[start:end]), self.now)

    def readfrom_into(self, address: int, into: bytearray, *, start: int = 0, end: int | None = None) -> None:
        assert address == 0x76
        place = slice(start, len(into) if end is None else end)
        into[place] = self.chip.read(len(into[place]), self.now)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., adafruit_bme280.Adafruit_BME280_I2C]:
    """Makes Adafruit's driver on a chip; its sleeps let the chip's time pass."""
    # Its annotations name types that on CPython only Blinka brings; MicroPython does not evaluate annotations.
    for module, names_in_it in (("busio", ["I2C"]), ("circuitpython_typing", ["ReadableBuffer", "WriteableBuffer"])):
        stand_in = types.ModuleType(module)
        for name in names_in_it:
            setattr(stand_in, name, object)
        monkeypatch.setitem(sys.modules, module, stand_in)

    def make(world: Surroundings, seed: int, now: float = NOW) -> adafruit_bme280.Adafruit_BME280_I2C:
        bus = Bus(Bme280(world, seed), now)

        def sleep(seconds: float) -> None:
            bus.now += seconds

        monkeypatch.setattr(adafruit_bme280, "sleep", sleep)
        return adafruit_bme280.Adafruit_BME280_I2C(bus, 0x76)

    return make


@pytest.mark.parametrize("seed", [0, 1, 2, 77])
def test_adafruit_driver_reads_the_world(driver: Callable[..., adafruit_bme280.Adafruit_BME280_I2C], seed: int) -> None:
    for day in range(0, 28, 3):
        now = WORLD.start_s + 86_400 * day + 3_600 * (7 * day % 24)
        sensor, air = driver(WORLD, seed, now), WORLD.air(now)
        assert sensor.temperature == pytest.approx(air.temperature_c, abs=0.03)
        assert sensor.humidity == pytest.approx(air.humidity_percent, abs=0.4)
        assert sensor.pressure == pytest.approx(air.pressure_pa / 100, abs=0.06)


def test_adafruit_driver_in_normal_mode(driver: Callable[..., adafruit_bme280.Adafruit_BME280_I2C]) -> None:
    sensor = driver(steady(), 3)
    sensor.mode = adafruit_bme280.MODE_NORMAL
    adafruit_bme280.sleep(2)
    assert sensor.temperature == pytest.approx(21.5, abs=0.03)
    assert sensor.humidity == pytest.approx(45.0, abs=0.4)
    assert sensor.pressure == pytest.approx(1013.25, abs=0.06)


def test_parts_are_found_by_name() -> None:
    assert load("bme280") is Bme280
    assert {"bme280", "ld2451", "pms5003"} <= set(names())
    assert all(callable(load(part)) for part in names())
    for part in ("bme999", "base", "faults", "../bme280", ""):
        with pytest.raises(BoardError, match="no chip model"):
            load(part)
