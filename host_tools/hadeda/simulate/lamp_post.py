"""One board of a simulation: powered, moved from one moment to the next, its flash watched."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from hadeda.board import Board
from hadeda.emulator.board import EmulatedBoard
from hadeda.scenario import World
from hadeda.simulate.clock import SimulatedTime
from hadeda.simulate.faults import Faults
from hadeda.simulate.network import SimulatedNetwork
from hadeda.simulate.sealed_in_flash import SealedInFlash
from hadeda.simulate.trace import Trace
from hadeda.simulate.windows import Windows

LINE_MAX: Final = 200  # bytes of a console line that the trace keeps
OWN_RESETS: Final = (b"hadeda: starting again", b"hadeda: safe mode is over")
NewNetwork = Callable[[int, SimulatedTime], SimulatedNetwork]


class LampPost:
    """Board `number` with its provisioned `flash`, its power off."""

    def __init__(
        self,
        number: int,
        board: Board,
        world: World,
        flash: Path,
        faults: Faults,
        network: NewNetwork,
        window_s: int,
        trace: Trace,
    ) -> None:
        self.number = number
        self.flash_file = flash
        self.reboots_ordered = 0
        self.told_to_reset = 0  # by itself: it has said so on its console
        self.on_rest: list[Callable[[LampPost], None]] = []
        self.clock = SimulatedTime()
        self.network = network(number, self.clock)
        self.emulated = EmulatedBoard(
            board, world, seed=world.seed, clock=self.clock, flash_file=flash, network=self.network
        )
        self.network.in_air = self.emulated.radio.in_air
        self.sealed = SealedInFlash(self.emulated.flash.read)
        self.windows = Windows(self.emulated, window_s, self.sealed)
        self._faults = faults
        self._trace = trace
        self._printed = bytearray()  # in how many pieces it comes is the computer's doing: looked at when at rest
        self._resets = 0
        self.emulated.flash.before_change = self._before_change
        self.emulated.console.on_output = self._printed.extend

    def note(self, text: str) -> None:
        """Into the trace of events: this happened to the board."""
        self._trace.note(self.clock.now_us(), self.number, text)

    def _hear(self) -> None:
        *lines, rest = bytes(self._printed).split(b"\n")
        self._printed[:] = rest[-LINE_MAX:]
        for line in lines:
            self.windows.heard(line)
            self.told_to_reset += any(words in line for words in OWN_RESETS)
            if line.startswith(b"hadeda:"):
                self.note(line[:LINE_MAX].decode(errors="replace").rstrip())

    def _before_change(self, address: int, data: bytes | None) -> None:
        self._faults.before_flash(self.number, self.clock.now_us(), address, data)
        if data is not None:
            self.sealed.programmed(address, len(data))

    def power_on(self, at_us: int) -> None:
        """Plug it in; what it computes at once is computed."""
        self.clock.advance(at_us, 1.0)
        self.note("power on")
        self.emulated.power_on()
        self._compute()

    def power_off(self) -> None:
        """Pull the plug."""
        self.note("power off")
        self.emulated.power_off()
        self._rest()

    def brown_out(self) -> None:
        """The supply dips, where there is one."""
        if self.emulated.powered:
            self.note("brown-out")
            self.emulated.brown_out()
            self._compute()

    def starve(self, after: int) -> None:
        """The supply dips, where there is one; after that, the allocation after so many fails."""
        self.emulated.starve_after = after
        self.note(f"allocation {after} is going to fail")
        self.brown_out()

    @property
    def next_us(self) -> int | None:
        """When it has something to do; None while it is off."""
        return self.emulated.next_moment_us if self.emulated.powered else None

    @property
    def alone(self) -> bool:
        """Whether nothing can reach it from outside: it has no socket open."""
        return not self.emulated.radio.sockets

    def catch_up(self, at_us: int) -> None:
        """It sleeps, or is off, and this moment has come for it too."""
        if self.emulated.powered:
            self.clock.advance(at_us, 1.0)

    def live(self, at_us: int, until_us: int) -> None:
        """Go to `at_us`, its next moment, and let it compute until it sleeps, or on to `until_us` if it is alone."""
        self.emulated.live(at_us, min(until_us, self.windows.ends_us))
        self._rest()

    def _compute(self) -> None:
        self.emulated.compute()
        self._rest()

    def _rest(self) -> None:
        if len(self.emulated.resets) != self._resets:
            self._resets = len(self.emulated.resets)
            self.note(f"reset, cause {self.emulated.resets[-1]}")
        if self._printed:
            self._hear()
        if self.emulated.powered:
            self.sealed.settle()
        else:
            self.sealed.forget()
        self.windows.look()
        for look in self.on_rest:
            look(self)
