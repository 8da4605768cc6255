"""Resets: what they leave, what runs after them."""

import time
from pathlib import Path

from mpremote_board import PortedBoard, powered

HARD_RESET, SOFT_RESET = 2, 5
CAUSE = "import machine; print(machine.reset_cause())"


def test_soft_reset(board: PortedBoard) -> None:
    board.ask("soft-reset")
    assert board.ask("resume", "exec", CAUSE) == f"{SOFT_RESET}\n"


def test_reset(board: PortedBoard) -> None:
    board.ask("reset")
    time.sleep(2)
    assert board.ask("resume", "exec", CAUSE) == f"{HARD_RESET}\n"


def test_files_survive_a_reset(board: PortedBoard, folder: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("kept")
    board.ask("cp", tmp_path / "f", f":{folder}/f", "+", "reset", "+", "sleep", "2")
    assert board.ask("cat", f":{folder}/f") == "kept"


def test_rtc_memory_survives_a_soft_reset(board: PortedBoard) -> None:
    board.exec("import machine; machine.RTC().memory(b'ibis')")
    assert board.exec("import machine; print(machine.RTC().memory()); machine.RTC().memory(b'')") == "b'ibis'\n"


def test_program_may_reset_the_board(board: PortedBoard) -> None:
    board.mpremote("exec", "--no-follow", "import machine; machine.reset()")
    time.sleep(2)
    assert board.ask("resume", "exec", CAUSE) == f"{HARD_RESET}\n"


def test_main_runs_after_power_up_and_gives_way_to_mpremote(emulated_name: str, tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text("import time\nopen('ran', 'w').close()\nwhile True: time.sleep(1)\n")
    with powered(emulated_name) as board:
        board.ask("cp", main, ":main.py", "+", "soft-reset")
        assert "ran" not in board.ask("ls"), "main.py does not run behind a raw REPL"
        board.ask("reset")
        time.sleep(1)
        assert "ran" in board.ask("ls")


def test_files_survive_a_power_cycle(emulated_name: str, tmp_path: Path) -> None:
    image = tmp_path / "flash.bin"
    (tmp_path / "f").write_bytes(bytes(range(256)))
    with powered(emulated_name, image) as board:
        board.ask("cp", tmp_path / "f", ":f")
        identity = board.exec("import machine; print(machine.unique_id())")
    with powered(emulated_name, image) as board:
        board.ask("cp", ":f", tmp_path / "back")
        assert board.exec("import machine; print(machine.unique_id())") == identity
    assert (tmp_path / "back").read_bytes() == bytes(range(256))


def test_two_boards_at_once(emulated_name: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("first")
    identity = "import machine; print(machine.unique_id())"
    with powered(emulated_name) as first, powered(emulated_name) as second:
        first.ask("cp", tmp_path / "f", ":f")
        assert first.ask("cat", ":f") == "first"
        assert second.mpremote("cat", ":f").returncode != 0
        assert first.exec(identity) != second.exec(identity)


def test_a_reset_in_the_middle_of_a_chain_of_commands(emulated_name: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("kept")
    with powered(emulated_name) as board:
        listing = board.ask("cp", tmp_path / "f", ":r.md", "+", "reset", "+", "sleep", "1", "+", "ls")
    assert "r.md" in listing
