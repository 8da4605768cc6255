"""Code that runs seldom is in memory only while it runs: the heap is small, and reading a file takes a blink.

    with seldom("node.config") as config:
        checked = config.load(files)

For what happens at boot or once a day, not for what runs in every window.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class seldom:
    """The module `name`, imported for as long as the block runs, then forgotten with those `others` it brought along.

    What was there before stays. No instance of a class of theirs may outlive the block: it would keep their code.
    """

    def __init__(self, name: str, *others: str) -> None:
        self._name = name
        self._brought = [each for each in (name,) + others if each not in sys.modules]  # noqa: RUF005 (MicroPython)

    def __enter__(self) -> "Any":
        return __import__(self._name, None, None, ("*",))

    def __exit__(self, *_error: object) -> None:
        for name in self._brought:
            if sys.modules.pop(name, None) is not None:
                package, leaf = name.rsplit(".", 1)
                delattr(sys.modules[package], leaf)
