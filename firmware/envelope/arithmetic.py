"""What ecdsa computes with: the RISC-V kernel where it was shipped and computes what is known, else big integers.

`engine` is the module p256_kernel or portable; `state` goes into the health report.
"""

from envelope import portable
from envelope.labels import KERNEL_FAILED, KERNEL_NONE, KERNEL_USED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

engine: "Any" = portable
state = KERNEL_NONE


def check() -> None:
    """Use the kernel, or stop using it: called when this is imported, and after every fault."""
    global engine, state
    if state == KERNEL_FAILED:
        return
    try:
        from envelope import p256_kernel
    except ImportError:
        return
    except (ValueError, MemoryError):  # made for another machine, or no room for machine code
        state = KERNEL_FAILED
        return
    good = p256_kernel.works()
    engine, state = (p256_kernel, KERNEL_USED) if good else (portable, KERNEL_FAILED)


check()
