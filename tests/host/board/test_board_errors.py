"""Everything that can be wrong with a board.toml, and where it is reported: file, table and key."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hadeda.board import BoardError, load, names
from hadeda.board.problems import Problem
from hadeda.paths import BOARDS

Broken = Callable[[str], tuple[Problem, ...]]

BUS_I2C = """[bus.i2c0]
kind = "i2c"
id = 0
scl = 9
sda = 8
freq_hz = 100_000
"""
SECOND_BME280 = '\n[[sensor]]\npart = "bme280"\nbus = "i2c0"\naddress = {}\nperiod_s = 10\n'
SPARE_UART = '\n[bus.spare]\nkind = "uart"\nid = {id}\ntx = 6\nrx = 7\nbaud = 9600\n'

# (what is broken, what is replaced in the file, by what, table, key, words of the message)
ONE_PROBLEM = [
    ("unknown key on top", 'maker = "Espressif"', 'maker = "Espressif"\nmakr = 1', "", "makr", "unknown key"),
    ("unknown table", "[onboard]", "[offboard]", "", "offboard", "unknown key"),
    ("unknown key of a bus", "baud = 9600", "baud = 9600\nbits = 8", "[bus.uart1]", "bits", "unknown key"),
    ("unknown key of a sensor", "address = 0x76", "address = 0x76\nrate = 1", "[[sensor]] 1", "rate", "unknown key"),
    ("unknown key of the budgets", "heap_kb = 160", "heap_kb = 160\nram_kb = 1", "[budgets]", "ram_kb", "unknown key"),
    ("missing key", "freq_hz = 100_000\n", "", "[bus.i2c0]", "freq_hz", "is missing"),
    ("missing key on top", "flash_mb = 8\n", "", "", "flash_mb", "is missing"),
    ("number in quotes", "flash_mb = 8", 'flash_mb = "8"', "", "flash_mb", "should be 4, 8, 16 or 32"),
    ("pin in quotes", "scl = 9", 'scl = "9"', "[bus.i2c0]", "scl", "should be a whole number"),
    ("true for a number", "scl = 9", "scl = true", "[bus.i2c0]", "scl", "should be a whole number"),
    ("no kind of bus", 'kind = "i2c"\n', "", "[bus.i2c0]", "kind", "it can be 'i2c', 'uart'"),
    ("unknown kind of bus", 'kind = "i2c"', 'kind = "spi"', "[bus.i2c0]", "kind", "it can be 'i2c', 'uart'"),
    ("keys of the other kind", "scl = 9\n", "scl = 9\ntx = 6\n", "[bus.i2c0]", "tx", "unknown key"),
    ("bad name of a bus", "[bus.i2c0]", '[bus."I2C 0"]', "[bus]", "I2C 0", "pattern"),
    ("label in a header", '"RST"', '"reset!"', "[headers]", "J1 3", "pattern"),
    ("table in a header", '"RST"', "{}", "[headers]", "J1 3", "should be a whole number"),
    ("unknown chip", 'chip = "esp32s3"', 'chip = "esp32s4"', "", "chip", "did you mean 'esp32s3'?"),
    ("image of the other chip", "ESP32_GENERIC_S3", "ESP32_GENERIC", "[micropython]", "image", "use ESP32_GENERIC_S3"),
    ("MicroPython too old", '"1.24"', '"1.22"', "[micropython]", "min_version", "needs MicroPython 1.24"),
    ("outbox beyond flash", "outbox_kb = 1024", "outbox_kb = 6000", "[budgets]", "outbox_kb", "at most 5624 are left"),
    ("pin the chip lacks", "scl = 9", "scl = 22", "[bus.i2c0]", "scl", "ESP32-S3 has no GPIO22; use one of 1, 2, "),
    ("pin of the flash", "scl = 9", "scl = 27", "[bus.i2c0]", "scl", "kept for the flash"),
    ("pin of USB", "tx = 17", "tx = 19", "[bus.uart1]", "tx", "kept for USB"),
    ("pin of the console", "rx = 18", "rx = 44", "[bus.uart1]", "rx", "kept for the console"),
    ("strapping pin", "tx = 17", "tx = 46", "[bus.uart1]", "tx", "strapping pin of ESP32-S3"),
    ("pin the board uses", "tx = 17", "tx = 38", "[bus.uart1]", "tx", "taken on this board: RGB LED"),
    ("pin on no header", "tx = 17", "tx = 33", "[bus.uart1]", "tx", "none of the board's headers"),
    ("pin of another bus", "tx = 17", "tx = 8", "[bus.uart1]", "tx", "already [bus.i2c0] sda"),
    ("one pin for both wires", "sda = 8", "sda = 9", "[bus.i2c0]", "sda", "already [bus.i2c0] scl"),
    ("LED of another kind", '"neopixel"', '"strip"', "[led]", "kind", "should be 'gpio' or 'neopixel'"),
    ("LED on a pin the chip lacks", "pin = 38", "pin = 22", "[led]", "pin", "ESP32-S3 has no GPIO22"),
    ("LED on the console", "pin = 38", "pin = 43", "[led]", "pin", "kept for the console"),
    ("LED on a strapping pin", "pin = 38", "pin = 46", "[led]", "pin", "strapping pin of ESP32-S3"),
    ("LED on no header", "pin = 38", "pin = 33", "[led]", "pin", "list it under [onboard]"),
    ("LED on the pin of a bus", "pin = 38", "pin = 17", "[led]", "pin", "already [bus.uart1] tx"),
    ("UART of the console", "id = 1", "id = 0", "[bus.uart1]", "id", "UART0 is the console; use 1 to 2"),
    ("UART the chip lacks", "id = 2", "id = 3", "[bus.uart2]", "id", "ESP32-S3 has no UART3; use 1 to 2"),
    ("I2C the chip lacks", BUS_I2C, BUS_I2C.replace("id = 0", "id = 2"), "[bus.i2c0]", "id", "no I2C2; use 0 to 1"),
    ("two buses on one UART", "id = 2", "id = 1", "[bus.uart2]", "id", "UART1 is already [bus.uart1]"),
    ("negative id", "id = 2", "id = -1", "[bus.uart2]", "id", "should be at least 0"),
    ("I2C too fast", "100_000", "1_000_000", "[bus.i2c0]", "freq_hz", "more than ESP32-S3 allows; at most 400000"),
    ("I2C too slow", "100_000", "10", "[bus.i2c0]", "freq_hz", "should be at least 1000"),
    ("UART too slow", "baud = 9600", "baud = 50", "[bus.uart1]", "baud", "should be at least 300"),
    ("baud of another part", "baud = 9600", "baud = 115_200", "[bus.uart1]", "baud", "PMS5003 speaks 9600"),
    ("unused bus", "[[sensor]]", SPARE_UART.format(id=1).replace("spare", "i2c1").replace("uart", "i2c")
     .replace("tx", "scl").replace("rx", "sda").replace("baud = 9600", "freq_hz = 1000") + "\n[[sensor]]",
     "[bus.i2c1]", "", "no sensor uses this bus"),
    ("unknown part", 'part = "bme280"', 'part = "bme208"', "[[sensor]] 1", "part", "did you mean 'bme280'?"),
    ("unknown bus", 'bus = "i2c0"', 'bus = "i2c1"', "[[sensor]] 1", "bus", "did you mean 'i2c0'?"),
    ("address of no device", "address = 0x76", "address = 0x78", "[[sensor]] 1", "address", "should be at most 119"),
    ("not the part's address", "address = 0x76", "address = 0x40", "[[sensor]] 1", "address", "0x76 or 0x77"),
    ("no address", "address = 0x76\n", "", "[[sensor]] 1", "address", "is missing; the BME280 answers at 0x76"),
    ("address on a UART", 'bus = "uart1"', 'bus = "uart1"\naddress = 32', "[[sensor]] 2", "address", "has no address"),
    ("read too often", 'bus = "uart1"\nperiod_s = 10', 'bus = "uart1"\nperiod_s = 1', "[[sensor]] 2", "period_s",
     "at least 3"),
    ("speaks by itself", "period_s = 0 ", "period_s = 5 ", "[[sensor]] 3", "period_s", "say 0"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "table", "key", "words"), [row[1:] for row in ONE_PROBLEM],
                         ids=[row[0] for row in ONE_PROBLEM])  # fmt: skip
def test_one_mistake_is_reported_where_it_is(
    broken: Broken, toml_text: str, old: str, new: str, table: str, key: str, words: str
) -> None:
    assert old in toml_text
    problems = broken(toml_text.replace(old, new, 1))
    at = [problem for problem in problems if (problem.table, problem.key) == (table, key)]
    assert len(at) == 1, problems
    assert words in str(at[0])
    follow_ups = [problem for problem in problems if problem is not at[0]]
    assert all(problem.what == "no sensor uses this bus" for problem in follow_ups), follow_ups


def _only(problems: tuple[Problem, ...]) -> Problem:
    assert len(problems) == 1, problems
    return problems[0]


def test_two_parts_on_one_address(broken: Broken, toml_text: str) -> None:
    problems = broken(toml_text + SECOND_BME280.format("0x76"))
    clash = next(problem for problem in problems if problem.key == "address")
    assert clash.table == "[[sensor]] 4"
    assert "0x76 on 'i2c0' already belongs to [[sensor]] 1 (bme280); use 0x77" in str(clash)


def test_two_parts_that_measure_the_same(broken: Broken, toml_text: str) -> None:
    problem = _only(broken(toml_text + SECOND_BME280.format("0x77")))
    assert (problem.table, problem.key) == ("[[sensor]] 4", "part")
    assert "temperature is already measured by [[sensor]] 1 (bme280)" in str(problem)


def test_two_parts_on_one_uart(broken: Broken, toml_text: str) -> None:
    text = re.sub(r"\[bus\.uart2\].*?(?=\[\[sensor)", "", toml_text, flags=re.DOTALL)
    problems = broken(text.replace('bus = "uart2"', 'bus = "uart1"'))
    clash = next(problem for problem in problems if problem.table == "[[sensor]] 3")
    assert clash.key == "bus"
    assert "'uart1' already belongs to [[sensor]] 2 (pms5003)" in str(clash)


@pytest.mark.parametrize(("part", "bus"), [("bme280", "uart1"), ("pms5003", "i2c0")])
def test_a_part_on_the_wrong_kind_of_bus(broken: Broken, toml_text: str, part: str, bus: str) -> None:
    text = re.sub(rf'part = "{part}"\nbus = "\w+"', f'part = "{part}"\nbus = "{bus}"', toml_text)
    wrong = next(problem for problem in broken(text) if "is wired to" in problem.what)
    assert wrong.table.startswith("[[sensor]]")
    assert wrong.key == "bus"


def test_input_only_pin_as_output_and_as_input(broken: Broken) -> None:
    text = (BOARDS / "esp32-devkitc-v4" / "board.toml").read_text(encoding="utf-8")
    problem = _only(broken(text.replace("tx = 25", "tx = 34")))
    assert (problem.table, problem.key) == ("[bus.uart1]", "tx")
    assert "GPIO34 is input-only on ESP32" in str(problem)


def test_input_only_pin_may_receive(tmp_path: Path) -> None:
    text = (BOARDS / "esp32-devkitc-v4" / "board.toml").read_text(encoding="utf-8")
    file = tmp_path / "board.toml"
    file.write_text(text.replace("rx = 26", "rx = 34"), encoding="utf-8")
    assert load(file).buses["uart1"].pins()["rx"] == (34, False)


LOOP = """
[bus.loop]
kind = "gpio"
pin = {pin}
pull = "{pull}"

[[sensor]]
part = "td136"
bus = "loop"
period_s = 0
classes = ["vehicle"]
"""


def with_loop(pin: int | str, pull: str = "internal") -> str:
    """The DevKitC without its radar, and with a contact on a pin."""
    text = (BOARDS / "esp32-devkitc-v4" / "board.toml").read_text(encoding="utf-8")
    text = re.sub(r"\[bus\.uart2\].*?(?=\[\[sensor)", "", text, flags=re.DOTALL)
    text = re.sub(r'\[\[sensor\]\]\npart = "ld2451".*', "", text, flags=re.DOTALL)
    return text + LOOP.format(pin=pin, pull=pull)


@pytest.mark.parametrize(("pin", "pull"), [(27, "internal"), (27, "external"), (34, "external"), (39, "external")])
def test_a_plain_input_may_be_on_any_free_pin(tmp_path: Path, pin: int, pull: str) -> None:
    file = tmp_path / "board.toml"
    file.write_text(with_loop(pin, pull), encoding="utf-8")
    assert load(file).buses["loop"].pins() == {"pin": (pin, False)}


@pytest.mark.parametrize(
    ("pin", "pull", "key", "words"),
    [
        (34, "internal", "pull", "GPIO34 is input-only on ESP32 and has no pull-up of its own; put a resistor to 3V3"),
        (12, "internal", "pin", "GPIO12 is a strapping pin of ESP32: its level at reset decides the voltage of"),
        (6, "external", "pin", "GPIO6 is kept for the flash"),
        (3, "internal", "pin", "GPIO3 is kept for the console"),
        (24, "internal", "pin", "ESP32 has no GPIO24; use one of 4, "),
        (20, "internal", "pin", "GPIO20 is on none of the board's headers"),
        (25, "internal", "pin", "GPIO25 is already [bus.uart1] tx"),
        (27, "down", "pull", "should be 'internal' or 'external', not 'down'"),
        ('"27"', "internal", "pin", "should be a whole number"),
    ],
)
def test_a_plain_input_keeps_the_rules_of_pins(broken: Broken, pin: int | str, pull: str, key: str, words: str) -> None:
    problem = _only(broken(with_loop(pin, pull)))
    assert (problem.table, problem.key) == ("[bus.loop]", key)
    assert words in str(problem)


def test_input_only_pins_are_offered_to_inputs_alone(broken: Broken) -> None:
    def choice(problem: Problem) -> list[str]:
        return problem.todo.removeprefix("use one of ").split(", ")

    assert {"34", "39"} <= set(choice(_only(broken(with_loop(6)))))
    text = (BOARDS / "esp32-devkitc-v4" / "board.toml").read_text(encoding="utf-8")
    assert not {"34", "39"} & set(choice(_only(broken(text.replace("scl = 22", "scl = 6")))))


def test_a_plain_input_has_one_part_no_address_and_no_period(broken: Broken) -> None:
    found = {(problem.table, problem.key): str(problem) for problem in broken(
        with_loop(27).replace("period_s = 0\nclasses", "period_s = 5\naddress = 0x20\nclasses")
        + '\n[[sensor]]\npart = "hc_sr501"\nbus = "loop"\nperiod_s = 0\n'
    )}  # fmt: skip
    assert "'loop' already belongs to [[sensor]] 3 (td136); one part for each GPIO" in found["[[sensor]] 4", "bus"]
    assert "a part on a GPIO has no address" in found["[[sensor]] 3", "address"]
    assert "is not read; say 0" in found["[[sensor]] 3", "period_s"]
    assert "'presence' is already counted by [[sensor]] 3 (td136), as 'vehicle'" in found["[[sensor]] 4", "classes"]
    assert len(found) == 4


def test_a_part_for_a_plain_input_is_on_no_other_bus_and_no_other_part_on_it(broken: Broken) -> None:
    text = with_loop(27)
    problem = _only(broken(text.replace('part = "td136"', 'part = "ld2451"')))
    assert "the HLK-LD2451 is wired to uart, 'loop' is gpio" in problem.what
    wrong = [p for p in broken(text.replace('part = "pms5003"', 'part = "hc_sr501"')) if "is wired to" in p.what]
    assert [problem.what for problem in wrong] == ["the HC-SR501 motion detector is wired to gpio, 'uart1' is uart"]


def test_a_plain_input_cannot_be_on_a_board_that_sleeps_deeply(broken: Broken) -> None:
    found = broken(with_loop(27).replace("[micropython]", "[sleep]\nradio_every = 4\n\n[micropython]"))
    assert "the TD136 loop detector has to be listened to all the time" in str(_only(found))


def test_all_mistakes_of_a_file_are_reported_at_once(broken: Broken, toml_text: str) -> None:
    text = toml_text.replace("scl = 9", "scl = 22").replace("tx = 17", "tx = 19").replace("0x76", "0x40")
    places = {(problem.table, problem.key) for problem in broken(text)}
    assert places == {("[bus.i2c0]", "scl"), ("[bus.uart1]", "tx"), ("[[sensor]] 1", "address")}


def test_no_sensor_at_all(broken: Broken, toml_text: str) -> None:
    text = toml_text[: toml_text.index("[[sensor]]")]
    assert ("", "sensor") in {(problem.table, problem.key) for problem in broken(text)}


def test_not_toml_names_the_line(broken: Broken, toml_text: str) -> None:
    problem = _only(broken(toml_text.replace("[budgets]", "[budgets")))
    assert re.search(r"not valid TOML: .*line \d+", problem.what)


def test_not_text(tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BoardError, match="cannot be read: it is not UTF-8 text"):
        load(file)


def test_the_name_is_the_folders_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toml_text: str) -> None:
    monkeypatch.setattr("hadeda.board.files.BOARDS", tmp_path)
    (tmp_path / "my-board").mkdir()
    (tmp_path / "my-board" / "board.toml").write_text(toml_text, encoding="utf-8")
    assert names() == ["my-board"]
    with pytest.raises(BoardError, match=r"name: 'esp32-s3-devkitc-1' is not the folder's name; say 'my-board'"):
        load("my-board")


def test_unknown_board_names_the_nearest() -> None:
    with pytest.raises(BoardError, match=r"no board 'esp32-s3-devkit': did you mean 'esp32-s3-devkitc-1'\?"):
        load("esp32-s3-devkit")


@pytest.mark.parametrize(
    "content", ["a = " + "9" * 5000, "a = " + "[" * 5000, "a = 1\n" * 20000], ids=["digits", "nesting", "length"]
)
def test_what_no_parser_takes_is_one_clear_line(content: str, tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    file.write_text(content)
    with pytest.raises(BoardError, match="not valid TOML") as refusal:
        load(file)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_number_of_thousands_of_digits_is_not_written_out(broken: Broken, toml_text: str) -> None:
    (problem,) = broken(toml_text.replace("scl = 9", f"scl = 0x{'f' * 5000}"))
    assert "not a number of more than 64 bits" in problem.what


@pytest.mark.parametrize("missing", ["nowhere/board.toml", "nothing.toml"])
def test_missing_file(missing: str) -> None:
    with pytest.raises(BoardError, match=f"no board file {missing}"):
        load(missing)
