"""No Ctrl-C is lost. Python raises KeyboardInterrupt wherever the program is, and there are places where that stops
nothing: a destructor, a weak reference's callback, a library's `except:`, a C function that clears every error. So it
is raised again every AGAIN_S until it is seen to be on its way out."""

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_S: Final = 0.1


def lose_none() -> None:
    """From now on, for the whole program, where the system has a timer that signals; a handler of a command's own for
    Ctrl-C takes the place of this one."""
    if not hasattr(signal, "setitimer"):
        return
    report = sys.unraisablehook

    def hook(dropped: "UnraisableHookArgs") -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            report(dropped)

    sys.unraisablehook = hook
    signal.signal(signal.SIGALRM, _strike_again)
    signal.signal(signal.SIGINT, _strike)


def over() -> None:
    """The work is done: a Ctrl-C that comes while Python tidies up has nothing left to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def _strike(_number: int, _frame: FrameType | None) -> None:
    signal.setitimer(signal.ITIMER_REAL, AGAIN_S, AGAIN_S)  # a timer's thread could wait for a lock that we hold here
    raise KeyboardInterrupt


def _strike_again(_number: int, _frame: FrameType | None) -> None:
    if not struck(sys.exception()):  # what is being handled here, `finally` and the ends of `with` included
        raise KeyboardInterrupt


def struck(error: BaseException | None) -> bool:
    """Whether it is a Ctrl-C, or what went wrong while one was on its way out: in the middle of anything, it may."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
