"""Programs through the raw REPL: what they print, how they fail, how they are stopped."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mpremote.transport import TransportExecError
from mpremote_board import PortedBoard

CONNECTIONS = 20


def test_exec_prints(board: PortedBoard) -> None:
    assert board.exec("import sys; print(sys.platform, 2 ** 70)") == "esp32 1180591620717411303424\n"


def test_eval_prints_the_value(board: PortedBoard) -> None:
    assert board.ask("eval", "[1, 'two']") == "[1, 'two']\n"


def test_run_a_file_longer_than_the_paste_window(board: PortedBoard, tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    lines = [f"total += {number}  # a comment that makes the line longer" for number in range(400)]
    script.write_text("\n".join(["total = 0", *lines, "print(total, 'ibis: \u00e9\u00fc')"]))
    assert script.stat().st_size > 3 * 4096
    assert board.ask("run", script) == f"{sum(range(400))} ibis: éü\n"


def test_long_output_arrives_complete(board: PortedBoard) -> None:
    output = board.exec("for i in range(1500): print('%04d' % i, 'x' * 60)", timeout=60)
    assert output == "".join(f"{i:04d} {'x' * 60}\n" for i in range(1500))


def test_exception_shows_its_traceback(board: PortedBoard) -> None:
    done = board.mpremote("exec", "def seal():\n    return 1 // 0\nseal()")
    assert done.returncode != 0
    assert (done.stdout + done.stderr).splitlines() == [
        "Traceback (most recent call last):",
        '  File "<stdin>", line 3, in <module>',
        '  File "<stdin>", line 2, in seal',
        "ZeroDivisionError: divide by zero",
    ]


def test_syntax_error_is_an_error(board: PortedBoard) -> None:
    done = board.mpremote("exec", "print('a'")
    assert done.returncode != 0
    assert "SyntaxError" in done.stdout + done.stderr


def test_a_new_session_starts_with_fresh_memory(board: PortedBoard) -> None:
    board.exec("ibis = 1")
    assert board.exec("print('ibis' in globals())") == "False\n"


def test_resume_keeps_memory(board: PortedBoard) -> None:
    board.exec("ibis = 1")
    assert board.ask("resume", "exec", "print('ibis' in globals())") == "True\n"


def test_many_connections_in_a_row(board: PortedBoard) -> None:
    for number in range(CONNECTIONS):
        assert board.ask("resume", "exec", f"print({number})") == f"{number}\n"


@pytest.mark.parametrize("wait", ["pass", "time.sleep(1)", "time.sleep(60)"])
def test_ctrl_c_interrupts(board: PortedBoard, wait: str) -> None:
    with board.raw_repl() as repl:
        repl.exec_raw_no_follow(f"import time\nprint('on')\nwhile True: {wait}")
        repl.read_until(1, b"on\r\n")
        time.sleep(0.2)
        repl.serial.write(b"\x03")
        output, error = repl.follow(timeout=10)
        assert output == b""
        assert error.splitlines()[-1] == b"KeyboardInterrupt: "
        assert repl.exec("print('still here')") == b"still here\r\n"


def test_ctrl_c_again_after_a_program_has_caught_one(board: PortedBoard) -> None:
    with board.raw_repl() as repl:
        repl.exec_raw_no_follow(
            "import time\ntry:\n    print('on')\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('caught')\n"
            "while True: time.sleep(1)"
        )
        repl.read_until(1, b"on\r\n")
        repl.serial.write(b"\x03")
        repl.read_until(1, b"caught\r\n")
        time.sleep(0.2)
        repl.serial.write(b"\x03")
        assert repl.follow(timeout=10)[1].splitlines()[-1] == b"KeyboardInterrupt: "


def test_ctrl_c_in_a_program_that_switched_it_off_is_a_byte(board: PortedBoard) -> None:
    with board.raw_repl() as repl:
        repl.exec_raw_no_follow(
            "import micropython, sys\nmicropython.kbd_intr(-1)\nsys.stdout.buffer.write(b'on')\n"
            "got = sys.stdin.buffer.read(4)\nsys.stdout.buffer.write(got)\nmicropython.kbd_intr(3)"
        )
        repl.read_until(1, b"on")
        repl.serial.write(b"\x03\n\r\xff")
        assert repl.follow(timeout=10) == (b"\x03\n\r\xff", b"")


def test_a_client_that_dies_leaves_a_board_that_answers(board: PortedBoard) -> None:
    program = "import time\nfor i in range(1000): print(i); time.sleep_ms(100)"
    command = [sys.executable, "-m", "mpremote", "connect", board.port, "exec", program]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    assert client.stdout.readline() == "0\n"
    client.send_signal(signal.SIGKILL)
    client.wait()
    client.stdout.close()
    assert board.exec("print('free')") == "free\n"


def test_error_in_a_session_does_not_end_it(board: PortedBoard) -> None:
    with board.raw_repl() as repl:
        with pytest.raises(TransportExecError) as caught:
            repl.exec("raise OSError(19)")
        assert "OSError: [Errno 19] ENODEV" in caught.value.error_output
        assert repl.exec("print(1 + 1)") == b"2\r\n"
