"""The only file at the root of a node's flash: hands the board over to the node."""

import gc

# Imports leave garbage between what stays. Collected late, it would scatter the code over the whole heap, and no place
# would be left for the signature's table; node.main sets the threshold for the node's life.
gc.threshold(2048)

# What lies deepest comes first: one import inside the other, down to it, takes more stack than the board has.
import envelope.cose  # noqa: E402, F401
from node.main import start  # noqa: E402

start()
