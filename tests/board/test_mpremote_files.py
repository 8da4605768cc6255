"""Files: copied both ways, listed, removed."""

from pathlib import Path

import pytest
from mpremote_board import PortedBoard

EVERY_BYTE = bytes(range(256)) * 80  # 20 KB


@pytest.mark.parametrize("content", [b"", b"one line\n", "ibis \u00e9\n".encode() * 50, EVERY_BYTE])
def test_copy_there_and_back(board: PortedBoard, folder: str, tmp_path: Path, content: bytes) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.write_bytes(content)
    board.ask("cp", original, f":{folder}/file")
    board.ask("cp", f":{folder}/file", copy)
    assert copy.read_bytes() == content
    assert board.exec(f"import os; print(os.stat('{folder}/file')[6])") == f"{len(content)}\n"


def test_copy_replaces_a_longer_file(board: PortedBoard, folder: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    for content in (b"long" * 1000, b"short"):
        file.write_bytes(content)
        board.ask("cp", file, f":{folder}/file")
    assert board.ask("cat", f":{folder}/file") == "short"


def test_copy_several_and_list_them(board: PortedBoard, folder: str, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name * 3)
    board.ask("cp", tmp_path / "a.txt", tmp_path / "b.txt", f":{folder}/")
    board.ask("mkdir", f":{folder}/sub")
    lines = [line.split() for line in board.ask("ls", f":{folder}").splitlines()[1:]]
    assert sorted(lines) == [["0", "sub/"], ["15", "a.txt"], ["15", "b.txt"]]


def test_folders(board: PortedBoard, folder: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    board.ask("mkdir", f":{folder}/one", "+", "mkdir", f":{folder}/one/two")
    board.ask("cp", tmp_path / "f", f":{folder}/one/two/f")
    assert board.mpremote("rmdir", f":{folder}/one/two").returncode != 0
    board.ask("rm", f":{folder}/one/two/f")
    board.ask("rmdir", f":{folder}/one/two", "+", "rmdir", f":{folder}/one")
    assert board.exec(f"import os; print(os.listdir({folder!r}))") == "[]\n"


def test_copy_a_tree(board: PortedBoard, folder: str, tmp_path: Path) -> None:
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/one.py").write_text("number = 1\n")
    (tmp_path / "tree/sub/two.py").write_text("number = 2\n")
    board.ask("cp", "-r", tmp_path / "tree", f":{folder}/")
    program = f"import sys; sys.path.append('{folder}/tree'); import one, sub.two; print(one.number, sub.two.number)"
    assert board.exec(program) == "1 2\n"


@pytest.mark.parametrize("command", [("cat",), ("rm",), ("rmdir",)])
def test_what_is_not_there(board: PortedBoard, folder: str, command: tuple[str]) -> None:
    done = board.mpremote(*command, f":{folder}/nope")
    assert done.returncode != 0
    assert "No such file or directory" in done.stderr


def test_program_reads_and_writes_files(board: PortedBoard, folder: str) -> None:
    board.exec(f"with open('{folder}/log', 'a') as f: f.write('one\\n')")
    board.exec(f"with open('{folder}/log', 'a') as f: f.write('two\\n')")
    assert board.ask("cat", f":{folder}/log") == "one\ntwo\n"


def test_mounted_folder_is_read_and_written(board: PortedBoard, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(EVERY_BYTE[:3000])
    program = (
        "data = open('/remote/data', 'rb').read()\n"
        "with open('/remote/back', 'wb') as f: f.write(data)\n"
        "print(len(data))"
    )
    assert board.ask("mount", tmp_path, "exec", program).splitlines()[-1] == "3000"
    assert (tmp_path / "back").read_bytes() == EVERY_BYTE[:3000]
