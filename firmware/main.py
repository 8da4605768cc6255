"""The only file at the root of a node's flash: hands the board over to the node, and starts again if that fails."""

import gc
import time

import machine

_PAUSE_BEFORE_RESET_S = 10  # for Ctrl-C, and so that a node that cannot start is not worn out by trying

# Imports leave garbage between what stays. Collected late, it would scatter the code over the whole heap, and no place
# would be left for the signature's table; node.main sets the threshold for the node's life.
gc.threshold(2048)

try:
    if machine.reset_cause() == machine.DEEPSLEEP_RESET:
        from node.nap import between_samples

        between_samples()
    # What lies deepest comes first: one import inside the other, down to it, takes more stack than the board has.
    import envelope.cose  # noqa: F401
    from node.main import start

    start()
except Exception as error:  # the heap ran out where start() could not deal with it, or a file is not what it was
    gc.collect()
    print("hadeda: starting again after:", repr(error))
    time.sleep(_PAUSE_BEFORE_RESET_S)
    machine.reset()
