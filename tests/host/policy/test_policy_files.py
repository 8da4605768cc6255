"""Reading policies and floors: exact numbers, and every mistake with its line."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_texts import BELOW_FLOOR, FLOOR, STREET, line_number, policy, written

from hadeda.policy import PolicyError, PolicyFileError, read_floor, read_policy
from hadeda.policy.lines import lines
from hadeda.policy.schema import EPSILON_DAY_MAX, EPSILON_RELEASE_MAX, decimal_text

REUSES_THE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
NO_EPSILON = (
    *("0", "0.0", "-0.5", "nan", "+nan", "inf", "-inf", "1e999", "1e99999999999999999999", "-1e-99999999999999999999"),
    *("2000.1", "0.1234567", "1e-7", "0." + 400 * "3", '"0.5"', "true", "[0.5]", "2022-06-01"),
)


def refusal(file: Path) -> str:
    with pytest.raises(PolicyError) as refused:
        read_policy(file)
    return str(refused.value)


def test_the_policies_we_ship_are_read() -> None:
    street = read_policy(STREET).model
    assert (street.name, street.window_s, street.traffic.cells, street.windows_paid) == ("street", 900, 4, 96)
    assert read_floor(FLOOR).model.never.sources == ("footfall",)
    assert read_policy(BELOW_FLOOR).model.sources == ("footfall",)


@pytest.mark.parametrize(
    ("after", "table"),
    [
        ("version", ""),
        ("legal_basis", "[purpose] "),
        ("days", "[retention] "),
        ("k = ", "[traffic] "),
        ("channels", "[air] "),
    ],
)
def test_an_unknown_key_is_named_with_file_line_and_table(after: str, table: str, tmp_path: Path) -> None:
    known = next(line for line in STREET.read_text(encoding="utf-8").splitlines() if line.startswith(after))
    file = written(tmp_path, {after: f"{known}\nepsilon = 3"})
    said = refusal(file)
    assert said.startswith(f"{file}:{line_number(file, 'epsilon = 3')}: {table}epsilon: unknown key")


def test_an_unknown_table_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, more="[microphone]\nk = 5")
    assert f"{file}:{line_number(file, '[microphone]')}: microphone: unknown key" in refusal(file)


@pytest.mark.parametrize(
    ("start", "table", "key"),
    [
        ('text = """', "purpose", "text"),
        ("legal_basis", "purpose", "legal_basis"),
        ("k = ", "traffic", "k"),
        ("epsilon_per_day", "traffic", "epsilon_per_day"),
        ("seconds", "window", "seconds"),
    ],
)
def test_what_is_missing_is_named_with_its_tables_line(start: str, table: str, key: str, tmp_path: Path) -> None:
    file = written(tmp_path, {start: '# """' if start.startswith("text") else ""})
    if key == "text":
        file = written(tmp_path, source=BELOW_FLOOR, changes={"text": ""})
    assert f"{file}:{line_number(file, f'[{table}]')}: [{table}] {key}: is missing" in refusal(file)


def test_what_is_missing_outside_of_a_table_belongs_at_the_top(tmp_path: Path) -> None:
    file = written(tmp_path, {"city": ""})
    assert refusal(file) == f"{file}:1: city: is missing; add it"


@pytest.mark.parametrize(("line", "at"), [("seconds = ", "seconds = "), ("seconds = 1\nseconds = 2", "seconds = 2")])
def test_what_is_no_toml_is_named_with_its_line(line: str, at: str, tmp_path: Path) -> None:
    file = written(tmp_path, {"seconds": line})
    number = next(n for n, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) if text == at)
    assert refusal(file).startswith(f"{file}:{number}: not valid TOML")
    file.write_text('name = "street\n\n[purpose]\ntext = """no end\n', encoding="utf-8")
    assert refusal(file).startswith(f"{file}:1: not valid TOML")
    file.write_text('[purpose]\ntext = """no end', encoding="utf-8")
    assert refusal(file).startswith(f"{file}:2: not valid TOML")


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    file = written(tmp_path, {"k = ": "k = 0", "seconds": "seconds = 700", "version": "version = 0"})
    said = refusal(file).splitlines()
    assert [line.split(": ")[1] for line in said] == ["version", "[window] seconds", "[traffic] k"]


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "65536", "1" + 400 * "0", "5.0", '"5"', "true", "1e9"])
def test_a_k_that_cannot_be_is_refused(value: str, tmp_path: Path) -> None:
    file = written(tmp_path, {"k = ": f"k = {value}"})
    assert f"{file}:{line_number(file, 'k = ')}: [traffic] k: should be" in refusal(file)


@pytest.mark.parametrize("key", ["epsilon_per_release", "epsilon_per_day"])
@pytest.mark.parametrize("value", NO_EPSILON)
def test_an_epsilon_that_cannot_be_is_refused(key: str, value: str, tmp_path: Path) -> None:
    file = written(tmp_path, {key: f"{key} = {value}"})
    assert f"{file}:{line_number(file, key)}: [traffic] {key}: should " in refusal(file)


def test_an_epsilon_that_hides_nobody_is_refused(tmp_path: Path) -> None:
    assert "hides nobody" in refusal(written(tmp_path, {"epsilon_per_release": "epsilon_per_release = 10.000001"}))


def test_a_number_too_long_for_the_parser_is_one_clear_line(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, {"k = ": "k = " + 5000 * "9"}))
    assert "not valid TOML" in said
    assert len(said.splitlines()) == 1


def test_a_number_too_long_to_write_out_is_refused_in_words(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, {"k = ": "k = 0x" + 5000 * "f"}))
    assert "k: should be" in said
    assert "not a number of more than 64 bits" in said


@pytest.mark.parametrize("value", ["0", "-900", "59", "61", "700", "86399", "86401", "172800", "900.0", "nan"])
def test_a_window_that_does_not_divide_the_day_is_refused(value: str, tmp_path: Path) -> None:
    file = written(tmp_path, {"seconds": f"seconds = {value}"})
    assert f"{file}:{line_number(file, 'seconds')}: [window] seconds: " in refusal(file)


def test_the_nearest_windows_that_do_are_offered(tmp_path: Path) -> None:
    assert "nearest that do are 675 and 720" in refusal(written(tmp_path, {"seconds": "seconds = 700"}))


@pytest.mark.parametrize(
    ("start", "line", "says"),
    [
        ("channels", 'channels = ["pm2.5"]', "did you mean 'pm2_5'?"),
        ("channels", 'channels = ["pm10", "pm10"]', "twice"),
        ("classes", "classes = []", "at least 1"),
        ("classes", 'classes = ["Vehicle"]', "pattern"),
        ("directions", 'directions = ["receding", "receding"]', "twice"),
        ("speed_bands_kmh", "speed_bands_kmh = [50, 30]", "should rise"),
        ("speed_bands_kmh", "speed_bands_kmh = [0]", "at least 1"),
        ("speed_bands_kmh", f"speed_bands_kmh = {list(range(1, 17))}", "at most 15"),
        ("classes", f"classes = {list('abcdefgh')}\n".replace("'", '"'), "at most 64"),
        ("version", "version = 2147483648", "at most 2147483647"),
        ("city", 'city = ""', "at least 1"),
        ("days", "days = 0", "at least 1"),
        ("email", 'email = "nobody"', "privacy@city.example, not 'nobody'"),
    ],
)
def test_other_values_that_cannot_be(start: str, line: str, says: str, tmp_path: Path) -> None:
    changes = {start: line}
    if "at most 64" in says:
        changes["speed_bands_kmh"] = "speed_bands_kmh = [10, 20, 30, 40]"
    assert says in refusal(written(tmp_path, changes))


def test_a_contact_has_an_email_or_a_phone(tmp_path: Path) -> None:
    file = written(tmp_path, {"email": ""})
    assert f"{file}:{line_number(file, '[contact]')}: contact: needs an email or a phone" in refusal(file)


@pytest.mark.parametrize(("text", "micro"), [("0.1", 100_000), ("4.35", 4_350_000), ("1e-6", 1), ("1", 1_000_000)])
def test_epsilon_is_read_digit_by_digit(text: str, micro: int, tmp_path: Path) -> None:
    found = policy(tmp_path, {"epsilon_per_release": f"epsilon_per_release = {text}"}).model
    assert found.traffic.epsilon_release == micro


@given(release=st.integers(1, EPSILON_RELEASE_MAX), day=st.integers(1, EPSILON_DAY_MAX))
@REUSES_THE_FOLDER
def test_every_epsilon_survives_being_written_and_read(tmp_path: Path, release: int, day: int) -> None:
    changes = {
        "epsilon_per_release": f"epsilon_per_release = {decimal_text(release)}",
        "epsilon_per_day": f"epsilon_per_day = {decimal_text(day)}",
    }
    traffic = policy(tmp_path, changes).model.traffic
    assert (traffic.epsilon_release, traffic.epsilon_day) == (release, day)


@given(text=st.text(max_size=200) | st.binary(max_size=200))
@REUSES_THE_FOLDER
def test_a_file_of_anything_is_a_policy_error(tmp_path: Path, text: str | bytes) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    with pytest.raises(PolicyError):
        read_policy(file)


@given(data=st.data())
@REUSES_THE_FOLDER
def test_a_policy_with_a_piece_replaced_is_a_policy_or_a_policy_error(tmp_path: Path, data: st.DataObject) -> None:
    text = STREET.read_text(encoding="utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    piece = data.draw(
        st.text(max_size=20) | st.sampled_from(["[", "]", '"""', "= ", "\n", "nan", "1e9999", "a.b.c = 1"])
    )
    file = tmp_path / "policy.toml"
    file.write_text(text[:start] + piece + text[end:], encoding="utf-8", errors="ignore")
    with suppress(PolicyError):
        assert read_policy(file).model.traffic.k >= 1


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"x = 1\n" * 20_000, b"a." * 8_000 + b"b = 1", b"a = " + 10_000 * b"["],
    ids=["not text", "too long", "deep keys", "deep lists"],
)
def test_hostile_files_are_one_clear_line(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(content)
    assert "policy.toml" in refusal(file)


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.toml")
    assert "cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("start", "line", "says"),
    [
        ("min_k", "min_k = 0", "[counts] min_k: should be at least 1"),
        ("max_epsilon_per_day", "", "[counts] max_epsilon_per_day: is missing"),
        ("sources", 'sources = ["radar"]', "sources 1: should be 'footfall', 'vision' or 'presence'"),
        ("min_seconds", "min_seconds = nan", "should be a whole number"),
        ("[never]", "[newer]", "newer: unknown key"),
    ],
)
def test_a_damaged_floor_says_where(start: str, line: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError) as refused:
        read_floor(written(tmp_path, {start: line}, source=FLOOR))
    assert says in str(refused.value)


def test_lines_are_those_of_the_keys_not_of_text_that_looks_like_them() -> None:
    text = 'a = """\nk = 1\n[t]\n"""\n\n# k = 2\n[t]\nlist = [\n  1,\n  2,\n]\nk = 3\n[t.deep]\nk = 4\n'
    found = lines(text)
    assert found[("", "a")] == 1
    assert found[("", "t")] == 7
    assert (found[("[t]", "list")], found[("[t]", "k")]) == (8, 12)
    assert found[("[t.deep]", "k")] == 14
    assert ("", "k") not in found
    assert lines(text.replace("\n", "\r\n")) == found
