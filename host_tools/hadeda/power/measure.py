"""How a node spends its time under a policy: an emulated one, with a city, in virtual time.

The emulator knows when the radio is on and how often the program wakes; computing takes no virtual time on it, and the
simulated network speaks without TLS. Both are added from elsewhere (budget.py), and said to be. It is measured from
midnight on, in the fair weather of a simulation.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hadeda import randomness
from hadeda.board import Board
from hadeda.board.fitness import shortfalls
from hadeda.city import City
from hadeda.city.policies import for_provisioning, sign
from hadeda.policy.files import Read
from hadeda.policy.schema import Policy
from hadeda.power.budget import Awake
from hadeda.scenario import World
from hadeda.simulate.city_side import make_city
from hadeda.simulate.faults import Faults
from hadeda.simulate.provisioning import BEFORE_S, CITY, Workshop, flash_file, name_of, seed_of
from hadeda.simulate.street import Street, Wanted

ONE: Final = 0  # the number of the only board
Done = Callable[[int], None]  # microseconds of board time that have passed


def measure(board: Board, policy: Read[Policy], windows: int, seed: int, done: Done) -> Awake:
    """Let a node of this board live through its first window and `windows` more under this policy.

    Raises `PolicyError` where the policy allows nothing that the board can sense.
    """
    with TemporaryDirectory(prefix="hadeda-power-") as name:
        folder = Path(name)
        window_s = _provision(board, policy, seed, folder)
        length_us = (windows + 1) * window_s * 1_000_000
        wanted = Wanted(board, 1, length_us, seed, "none")
        with Street(wanted, Faults(seed, 1, length_us), folder) as street:
            return _live(street, windows, window_s, done)


def _provision(board: Board, policy: Read[Policy], seed: int, folder: Path) -> int:
    """One node with this policy, and its city; returns the length of its windows."""
    now_s = World().start_s - BEFORE_S
    with (
        randomness.seeded(f"power {seed}"),
        make_city(folder / CITY, seed, datetime.fromtimestamp(now_s, UTC)) as city,
    ):
        sign(city, _for_this_city(policy, city))
        compiled = for_provisioning(city).policy
        shortfalls(board, compiled)  # under a policy that leaves the board nothing to do there is no day to measure
        workshop = Workshop(board, city, folder, now_s)
        workshop.node(flash_file(folder, ONE), name_of(ONE), World(seed=seed_of(seed, ONE)))
        return compiled.window_s


def _for_this_city(policy: Read[Policy], city: City) -> Read[Policy]:
    """The same policy, as if the city that is simulated had written it after its own."""
    newest = for_provisioning(city).policy.version + 1
    model = policy.model.model_copy(update={"city": city.settings.name, "version": newest})
    return Read(policy.file, model, policy.places)


def _live(street: Street, windows: int, window_s: int, done: Done) -> Awake:
    (post,) = street.posts
    street.collector.start()
    post.power_on(0)
    street.run_until(window_s * 1_000_000, done)
    before = _seen(street)
    street.run_until((windows + 1) * window_s * 1_000_000, done)
    radio_s, sessions, sent_bytes, wakes = (now - then for now, then in zip(_seen(street), before, strict=True))
    post.power_off()
    return Awake(windows * window_s, window_s, radio_s, int(sessions), int(sent_bytes), int(wakes))


def _seen(street: Street) -> tuple[float, float, float, float]:
    emulated = street.posts[ONE].emulated
    radio = emulated.radio
    return radio.on_us / 1e6, radio.sessions, radio.sent_bytes, emulated.sleeps
