"""littlefs on the emulated flash: its C code is in the midst of its work whenever the flash is asked for something."""

from __future__ import annotations

from emulator_bench import execute, on_bench, power_up

# Every allocation collects; a file that is garbage is closed where it happens
_DROP_FILES = """
import gc, os
with open("kept", "wb") as file:
    file.write(bytes(600))
gc.threshold(1)
for _ in range(20):
    open("gone", "wb").close()
    file = open("kept", "rb")
    file = None
    os.remove("gone")
    open("one", "wb").close()
    file = open("kept", "rb")
    file = None
    os.rename("one", "other")
gc.collect()
room = [bytearray(16) for _ in range(2000)]
with open("kept", "rb") as file:
    print(len(file.read()))
"""


def test_dropped_files_are_not_closed_while_another_is_removed() -> None:
    with on_bench() as board:
        power_up(board)
        assert execute(board, _DROP_FILES) == "600\n"
