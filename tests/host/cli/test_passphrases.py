"""Where passphrases come from: files, the environment, a person; and `hadeda city init` and `hadeda keys protect`."""

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sealing import enrolled
from typer.testing import CliRunner, Result

from hadeda.city import City
from hadeda.city.keyfile import KeyFile
from hadeda.cli.main import app
from hadeda.errors import CityError

WORDS = "correct horse battery"


def hadeda(*arguments: str | Path, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No passphrase comes from outside."""
    monkeypatch.delenv("HADEDA_PASSPHRASE_FILE", raising=False)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sits in front of it."""
    monkeypatch.setattr("hadeda.cli.unlock.at_terminal", lambda: True)


@pytest.fixture
def protected(tmp_path: Path) -> Iterator[City]:
    """A city with one node, its keys under WORDS."""
    with City.init(tmp_path / "c", "Testville", passphrase=WORDS.encode()) as city:
        enrolled(city)
        yield city


def secret_file(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def opens(directory: Path, passphrase: bytes | None) -> bool:
    """Whether every private key opens with this passphrase alone."""
    found = [KeyFile.read(path) for path in directory.rglob("*.key")]
    assert len(found) == 6
    try:
        return all(file.open(passphrase) for file in found)
    except CityError:
        return False


def test_a_city_is_not_made_without_a_word_about_its_keys(tmp_path: Path) -> None:
    result = hadeda("city", "init", tmp_path / "c")
    assert result.exit_code == 1
    assert "--unprotected" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_init_unprotected(tmp_path: Path) -> None:
    assert hadeda("city", "init", tmp_path / "c", "--unprotected").exit_code == 0
    assert opens(tmp_path / "c", None)


def test_init_with_a_key_file_makes_it_at_random_and_for_its_owner_only(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert hadeda("city", "init", tmp_path / name, "--key-file", tmp_path / f"{name}.pass").exit_code == 0
        assert stat.S_IMODE((tmp_path / f"{name}.pass").stat().st_mode) == 0o600
    one, two = ((tmp_path / f"{name}.pass").read_bytes() for name in ("one", "two"))
    assert one != two
    assert len(bytes.fromhex(one.decode())) == 32
    assert opens(tmp_path / "one", one.strip())
    assert not opens(tmp_path / "one", two.strip())


def test_init_takes_a_key_file_that_is_there_and_the_one_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret_file(tmp_path / "pass", WORDS + "\n")
    assert hadeda("city", "init", tmp_path / "c", "--key-file", path).exit_code == 0
    monkeypatch.setenv("HADEDA_PASSPHRASE_FILE", str(path))
    assert hadeda("city", "init", tmp_path / "d").exit_code == 0
    assert opens(tmp_path / "c", WORDS.encode())
    assert opens(tmp_path / "d", WORDS.encode())
    assert path.read_text() == WORDS + "\n"


@pytest.mark.usefixtures("terminal")
def test_init_asks_twice_and_wants_more_than_a_word(tmp_path: Path) -> None:
    result = hadeda("city", "init", tmp_path / "c", typed=f"short\n{WORDS}\n{WORDS}\n")
    assert result.exit_code == 0, result.output
    assert "12 characters" in result.stderr
    assert WORDS not in result.output
    assert opens(tmp_path / "c", WORDS.encode())
    result = hadeda("city", "init", tmp_path / "d", typed=f"{WORDS}\n{WORDS}!\n")
    assert result.exit_code == 1
    assert "differ" in result.stderr
    assert not (tmp_path / "d").exists()


def test_contradictions_are_one_line(tmp_path: Path) -> None:
    result = hadeda("city", "init", tmp_path / "c", "--unprotected", "--key-file", tmp_path / "x")
    assert result.exit_code == 1
    assert "contradict" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "\n", "x" * 1025])
def test_a_file_without_a_passphrase(tmp_path: Path, text: str) -> None:
    path = secret_file(tmp_path / "pass", text)
    result = hadeda("city", "init", tmp_path / "c", "--key-file", path)
    assert result.exit_code == 1
    assert "does not hold a passphrase" in result.stderr


def test_a_passphrase_that_others_can_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = secret_file(tmp_path / "pass", WORDS)
    path.chmod(0o640)
    with caplog.at_level(logging.WARNING, "hadeda.city"):
        assert hadeda("city", "init", tmp_path / "c", "--key-file", path).exit_code == 0
    assert f"chmod 600 {path}" in caplog.text


def rotate(city: City, *arguments: str | Path, typed: str | None = None) -> Result:
    return hadeda("keys", "rotate", "corner", "--yes", *arguments, "--city", city.directory, typed=typed)


def test_a_locked_key_says_how_to_unlock_it(protected: City) -> None:
    result = rotate(protected)
    assert result.exit_code == 1
    assert result.stderr.startswith("hadeda: the city's command key is locked: name a file")
    assert len(result.stderr.splitlines()) == 1


def test_a_key_file_unlocks(protected: City, tmp_path: Path) -> None:
    assert rotate(protected, "--key-file", secret_file(tmp_path / "pass", WORDS)).exit_code == 0


def test_the_environment_unlocks_one_role_or_all(
    protected: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = secret_file(tmp_path / "right", WORDS), secret_file(tmp_path / "wrong", "no")
    monkeypatch.setenv("HADEDA_PASSPHRASE_FILE", str(right))
    assert rotate(protected).exit_code == 0
    monkeypatch.setenv("HADEDA_PASSPHRASE_FILE", str(wrong))
    assert "does not open" in rotate(protected).stderr
    monkeypatch.setenv("HADEDA_PASSPHRASE_FILE_COMMAND", str(right))
    assert rotate(protected).exit_code == 0


def test_a_file_that_was_named_and_is_not_there_is_an_error(protected: City, tmp_path: Path) -> None:
    result = rotate(protected, "--key-file", tmp_path / "none")
    assert result.exit_code == 1
    assert "none cannot be read" in result.stderr


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_it_asks_three_times_and_once_for_all_keys(protected: City) -> None:
    assert rotate(protected, typed=f"no\nneither\n{WORDS}\n").exit_code == 0
    result = rotate(protected, typed="no\nneither\nnor this\n")
    assert result.exit_code == 1
    assert "does not open" in result.stderr
    assert "nor this" not in result.output
    both = hadeda(
        "keys", "rotate", "--role", "receipt", "--role", "policy", "--yes", "--city", protected.directory,
        typed=f"{WORDS}\n",
    )  # fmt: skip
    assert both.exit_code == 0, both.output


def test_a_rotated_key_is_under_the_passphrase_of_the_one_before(protected: City, tmp_path: Path) -> None:
    key_file = secret_file(tmp_path / "pass", WORDS)
    done = hadeda("keys", "rotate", "--role", "release", "--key-file", key_file, "--city", protected.directory)
    assert done.exit_code == 0, done.output
    assert all(KeyFile.read(path).open(WORDS.encode()) for path in protected.directory.rglob("release-*.key"))


def protect(city: City, *arguments: str | Path) -> Result:
    return hadeda("keys", "protect", *arguments, "--city", city.directory)


def test_protect_changes_the_passphrase_of_every_key(protected: City, tmp_path: Path) -> None:
    old, new = secret_file(tmp_path / "old", WORDS), tmp_path / "new"
    result = protect(protected, "--key-file", old, "--new-key-file", new, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["roles"][-1] == "tls-authority"
    assert opens(protected.directory, new.read_bytes().strip())
    assert not opens(protected.directory, WORDS.encode())


def test_protect_one_role_only(protected: City, tmp_path: Path) -> None:
    old, new = secret_file(tmp_path / "old", WORDS), secret_file(tmp_path / "new", "another one")
    assert protect(protected, "--role", "command", "--key-file", old, "--new-key-file", new).exit_code == 0
    assert rotate(protected, "--key-file", old).exit_code == 1
    assert rotate(protected, "--key-file", new).exit_code == 0


def test_protect_puts_a_passphrase_on_and_takes_it_off(city: City, tmp_path: Path) -> None:
    key_file = secret_file(tmp_path / "pass", WORDS)
    assert protect(city, "--new-key-file", key_file).exit_code == 0
    assert opens(city.directory, WORDS.encode())
    assert protect(city, "--key-file", key_file, "--unprotected").exit_code == 0
    assert opens(city.directory, None)


def test_protect_with_a_wrong_passphrase_changes_nothing(protected: City, tmp_path: Path) -> None:
    wrong = secret_file(tmp_path / "wrong", "no")
    before = {path: path.read_bytes() for path in protected.directory.rglob("*.key")}
    result = protect(protected, "--key-file", wrong, "--new-key-file", tmp_path / "new")
    assert result.exit_code == 1
    assert not (tmp_path / "new").exists()
    assert {path: path.read_bytes() for path in protected.directory.rglob("*.key")} == before


def test_protect_does_not_take_the_old_passphrases_file_for_the_new_one(
    protected: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HADEDA_PASSPHRASE_FILE", str(secret_file(tmp_path / "old", WORDS)))
    result = protect(protected)
    assert result.exit_code == 1
    assert "--new-key-file" in result.stderr
