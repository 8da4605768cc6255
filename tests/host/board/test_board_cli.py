"""`hadeda` itself: the table of commands, how a command ends, and `hadeda board`."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from hadeda import __version__
from hadeda.board import load, load_parts, names
from hadeda.board import page as pages
from hadeda.cli import main, output
from hadeda.cli.main import COMMANDS, app
from hadeda.errors import CityError

RUN = CliRunner()


EndWith = Callable[[BaseException], str]


@pytest.fixture
def end_with(monkeypatch: pytest.MonkeyPatch) -> EndWith:
    """Puts a command into the table's first single row that ends the way a test says."""

    def replaced(error: BaseException) -> str:
        def command() -> None:
            """A command that fails."""
            raise error

        monkeypatch.setattr(main, "import_module", lambda _name: SimpleNamespace(command=command))
        return next(row.name for row in COMMANDS if not row.is_group)

    return replaced


HEAVY = ("amqtt", "cryptography", "paho", "sqlalchemy", "mpremote", "cbor2")


def _modules_after(*arguments: str) -> set[str]:
    """The modules a fresh interpreter has imported once a command line has run."""
    code = (
        "import sys; from typer.testing import CliRunner; from hadeda.cli.main import app;"
        f"assert CliRunner().invoke(app, {list(arguments)!r}).exit_code == 0; print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(ran.stdout.split())


def test_help_lists_every_command() -> None:
    shown = " ".join(RUN.invoke(app, ["--help"]).output.split())
    for row in COMMANDS:
        assert f" {row.name} " in shown
        assert " ".join(row.help.split()[:3]) in shown


def test_help_imports_no_command() -> None:
    imported = {name for name in _modules_after("--help") if name.startswith("hadeda.cli.")}
    assert imported == {"hadeda.cli.main", "hadeda.cli.interrupts", "hadeda.cli.output"}


def test_board_list_imports_nothing_it_has_to_wait_for() -> None:
    imported = {name.split(".")[0] for name in _modules_after("board", "list", "--json")}
    assert not imported & set(HEAVY)


def test_every_row_of_the_table_names_a_module_that_is_there() -> None:
    folder = Path(main.__file__).parent
    missing = [row.module for row in COMMANDS if not (folder / f"{row.module}.py").is_file()]
    assert not missing


def test_version() -> None:
    result = RUN.invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"hadeda {__version__}\n")


def test_a_mistyped_command_is_a_usage_error_with_the_nearest_name() -> None:
    result = RUN.invoke(app, ["bord"])
    assert result.exit_code == 2
    assert "board" in result.output


def test_an_error_of_ours_is_one_line_with_what_to_do(end_with: EndWith) -> None:
    command = end_with(CityError("no city here", "run `hadeda city init`"))
    result = RUN.invoke(app, [command])
    assert result.exit_code == 1
    assert result.stderr == "hadeda: no city here: run `hadeda city init`\n"
    assert result.stdout == ""


def test_ctrl_c_ends_quietly(end_with: EndWith) -> None:
    result = RUN.invoke(app, [end_with(KeyboardInterrupt())])
    assert result.exit_code == 130
    assert result.output.strip() == ""


def test_a_defect_keeps_its_traceback(end_with: EndWith) -> None:
    result = RUN.invoke(app, [end_with(ZeroDivisionError())])
    assert isinstance(result.exception, ZeroDivisionError)


def test_list_shows_every_board() -> None:
    result = RUN.invoke(app, ["board", "list"])
    assert result.exit_code == 0
    assert all(name in result.stdout for name in names())


def test_list_as_json_is_one_line() -> None:
    result = RUN.invoke(app, ["board", "list", "--json"])
    assert result.stdout.count("\n") == 1
    assert [board["name"] for board in json.loads(result.stdout)] == names()


@pytest.mark.parametrize("name", names())
def test_show(name: str) -> None:
    shown = RUN.invoke(app, ["board", "show", name])
    assert shown.exit_code == 0
    board, parts = load(name), load_parts()
    titles = [parts[sensor.part].title for sensor in board.sensors]
    bauds = [f"{bus.baud} baud" for bus in board.buses.values() if bus.kind == "uart"]
    for word in (*titles, *bauds, "Sensors", "Pins", "Budgets", "0x76"):
        assert word in shown.stdout
    data = json.loads(RUN.invoke(app, ["board", "show", name, "--json"]).stdout)
    assert data["name"] == name
    assert data["bus"]["i2c0"]["freq_hz"] == 100_000
    first = {"part": "bme280", "bus": "i2c0", "address": 0x76, "period_s": board.sensors[0].period_s}
    assert data["sensor"][0] == first


def test_show_of_an_unknown_board() -> None:
    result = RUN.invoke(app, ["board", "show", "esp32-s3-devkitc"])
    assert result.exit_code == 1
    assert result.stderr == "hadeda: no board 'esp32-s3-devkitc': did you mean 'esp32-s3-devkitc-1'?\n"


def test_show_of_a_broken_file_reports_each_problem_on_a_line(tmp_path: Path, toml_text: str) -> None:
    file = tmp_path / "board.toml"
    file.write_text(toml_text.replace("scl = 9", "scl = 22").replace("tx = 17", "tx = 19"), encoding="utf-8")
    result = RUN.invoke(app, ["board", "show", str(file)])
    assert result.exit_code == 1
    assert [line.split(": ")[:3] for line in result.stderr.removeprefix("hadeda: ").splitlines()] == [
        [str(file), "[bus.i2c0] scl", "ESP32-S3 has no GPIO22; use one of 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, "
         "15, 16, 17, 18, 21, 35, 36, 37, 39, 40, 41, 42, 47"],
        [str(file), "[bus.uart1] tx", "GPIO19 is kept for USB (D-) on ESP32-S3; use one of 1, 2, 4, 5, 6, 7, 8, 9, 10, "
         "11, 12, 13, 14, 15, 16, 17, 18, 21, 35, 36, 37, 39, 40, 41, 42, 47"],
    ]  # fmt: skip


def test_page_check_fails_on_a_stale_page_and_page_puts_it_right(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "page_file", lambda name: tmp_path / f"{name}.md")
    stale = RUN.invoke(app, ["board", "page", "--check"])
    assert stale.exit_code == 1
    assert "out of date" in stale.stderr
    assert not list(tmp_path.iterdir())
    written = RUN.invoke(app, ["board", "page", "--json"])
    assert json.loads(written.stdout) == {"checked": names(), "written": names()}
    assert RUN.invoke(app, ["board", "page", "--check"]).exit_code == 0
    one = RUN.invoke(app, ["board", "page", names()[0]])
    assert "up to date" in one.stderr


def test_json_has_bytes_as_hexadecimal_and_paths_as_text() -> None:
    assert output.to_json({"a": b"\x01\xff", "b": Path("x/y")}) == '{"a": "01ff", "b": "x/y"}'
    with pytest.raises(TypeError, match="no JSON for object"):
        output.to_json(object())


def test_a_table_takes_brackets_literally(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(None, False, lambda: output.table("", ("a", "b"), [("[bold]x[/bold]", None), ("y", 3)]))
    assert "[bold]x[/bold]" in capsys.readouterr().out


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("compiling", total=3) as advance:
        advance(1)
    assert capsys.readouterr() == ("", "")
