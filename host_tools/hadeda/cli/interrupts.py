"""No Ctrl-C is lost: one that strikes while Python tidies up, in a destructor or a weak reference's callback, is only
reported by Python, and the command would go on. It is raised once more, when that is over."""

import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_S: Final = 0.01


def lose_none() -> None:
    """From now on, for the whole program, where the system can interrupt a thread."""
    if not hasattr(signal, "pthread_kill"):
        return
    report = sys.unraisablehook

    def again(dropped: "UnraisableHookArgs") -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            report(dropped)
            return
        # Not from here: Python would drop what this hook raises, too
        later = threading.Timer(AGAIN_S, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        later.daemon = True
        later.start()

    sys.unraisablehook = again
