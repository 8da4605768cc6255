"""Hands the board over to the node, and starts again if that fails. A locked node never falls through to the REPL."""

locked = True
open_ms = 0
error: "BaseException | None" = None  # has its place now: to make room for a name takes heap
_ENOENT = 2
_PAUSE_BEFORE_RESET_S = 10  # for Ctrl-C, and so that a node that cannot start is not worn out by trying
try:
    import micropython

    # Nothing can interrupt before this line: there is no jump up to it, and only a jump is interrupted
    micropython.kbd_intr(-1)
    try:
        for _ in (0, 1):  # here are jumps, for a Ctrl-C that came all the same
            pass
    except KeyboardInterrupt:
        pass

    import gc
    import time

    import machine

    # Imports leave garbage between what stays. Collected late, it would scatter the code over the whole heap, and no
    # place would be left for the signature's table; node.main sets the threshold for the node's life.
    gc.threshold(2048)
    try:
        open("/locked").close()
    except OSError as reason:
        if reason.errno == _ENOENT:  # anything else says nothing about the lock
            locked = False
            micropython.kbd_intr(3)
    if locked and machine.reset_cause() == machine.SOFT_RESET:
        from ports import maintenance

        open_ms = maintenance.left_ms()
    if open_ms:
        print("hadeda: open for", -(-open_ms // 1000), "s")
    else:
        if machine.reset_cause() == machine.DEEPSLEEP_RESET:
            from node.nap import between_samples

            between_samples()
        # What lies deepest comes first: one import inside the other, down to it, takes more stack than the board has.
        import envelope.cose  # noqa: F401
        from node.main import start

        start(locked)
# The heap ran out where start() could not deal with it, a file is not what it was, or a locked node cannot be a node.
# No tuple of exceptions: to make one takes heap, and there may be none
except BaseException as error:  # noqa: F811
    if isinstance(error, SystemExit) or (not locked and isinstance(error, KeyboardInterrupt)):
        raise
    try:
        gc.collect()
        print("hadeda: starting again after:", repr(error))
        time.sleep(_PAUSE_BEFORE_RESET_S)
    finally:
        while locked:  # whatever else goes wrong: only the reset ends this
            try:
                import machine

                machine.reset()
            except MemoryError:
                pass
    machine.reset()
