"""How a part is read that has something to say once a period: what most drivers do between starting and failing."""

from envelope.labels import FAULT_BAD_FRAME
from node.errors import SensorFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from node.sample import Output
    from ports.clock import Clock


async def read_for_ever(
    read: "Callable[[Output], Awaitable[None]]", out: "Output", period_ms: int, clock: "Clock"
) -> None:
    """Have `read` tell `out` what it reads, once a period. A damaged frame costs a reading, any other error ends it."""
    while True:
        try:
            await read(out)
        except SensorFault as fault:
            if fault.kind != FAULT_BAD_FRAME:
                raise
            out.fault(fault.kind)
        await clock.sleep_ms(period_ms)
