"""What computes with points of P-256: the RISC-V kernel where it was shipped and computes what is known, else big integers.

`multiply`, `affine` and `inverse` are p256_comb's and p256's, or the kernel's; `state` goes into the health report.
"""

from envelope import p256, p256_comb
from envelope.labels import KERNEL_FAILED, KERNEL_NONE, KERNEL_USED

multiply = p256_comb.multiply
affine = p256.affine
inverse = p256.inverse
state = KERNEL_NONE


def check() -> None:
    """Use the kernel, or stop using it: called when this is imported, and after every fault."""
    global multiply, affine, inverse, state
    try:
        from envelope import p256_kernel as kernel
    except ImportError:
        return
    except (ValueError, MemoryError):  # of another machine, or no room for machine code
        state = KERNEL_FAILED
        return
    if kernel.works():
        multiply, affine, inverse, state = kernel.multiply, kernel.affine, kernel.inverse, KERNEL_USED
    else:
        multiply, affine, inverse, state = p256_comb.multiply, p256.affine, p256.inverse, KERNEL_FAILED


check()
