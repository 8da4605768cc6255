"""A node whose identity key is in a secure element: enrolled, at work, without its chip, with another one, rotated."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import flash_image
import pytest
from lamp_post import MORNING, SEED, WINDOW_S, LampPost, PluggedIn, Template, copy_board, make_city, make_template
from mosquitto_process import free_port

from hadeda.board import load
from hadeda.city import City
from hadeda.collect.collector import Status
from hadeda.emulator.board import ELEMENT_FILE, POWER_ON
from hadeda.emulator.chips.atecc608 import Atecc608
from hadeda.emulator.chips.faults import Corrupting, Nacking
from hadeda.emulator.flash import PowerCut
from hadeda.envelope import labels
from hadeda.envelope.keys import thumbprint
from hadeda.errors import HadedaError, ProvisionError
from hadeda.provision import combs, steps
from hadeda.registry import nodes
from hadeda.registry.nodes import Node
from hadeda.registry.reports import StoredReport
from hadeda.selftest import self_test_at
from hadeda.selftest.checks import Status as Line

WAITING_MAX = 8  # reports; firmware/elements/patience.py
HEAP_KB = 160
BOARD = "esp32-c6-devkitc-1-element"


@pytest.fixture(scope="session")
def chip_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A provisioned node with a secure element, powered off."""
    return make_template(load(BOARD), tmp_path_factory.mktemp("chip"), free_port())


@pytest.fixture
def post(chip_template: Template, tmp_path: Path) -> Iterator[LampPost]:
    """Such a node on its lamp post, powered off; broker and collector run."""
    with ExitStack() as standing:
        raised = standing.enter_context(LampPost(chip_template, tmp_path))
        raised.open_city()
        yield raised


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """A new city without nodes."""
    with make_city(tmp_path / "city", free_port()) as new:
        yield new


@pytest.fixture
def flash(chip_template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The flash of a board that has the firmware, no keys yet, and a chip as it comes from the reel."""
    monkeypatch.setattr(steps, "shipment", lambda _board: chip_template.parcels)
    return Path(shutil.copyfile(chip_template.unenrolled, tmp_path / "flash.bin"))


def chip_of(post: LampPost) -> Atecc608:
    """The chip that was soldered in at the factory."""
    chip = post.emulated.wiring.element
    assert chip is not None
    return chip


def identity(post: LampPost) -> Node:
    """The node as the registry has it."""
    (node,) = (node for node in nodes(post.city.database) if node.revoked_at is None)
    return node


def element_faults(post: LampPost) -> list[tuple[int, str, int]]:
    """(report, kind, count) of every fault of the chip that the city was told."""
    return [
        (number, fault.kind, fault.count)
        for number, report in enumerate(post.stored)
        for fault in report.faults
        if fault.part == "atecc608"
    ]


def no_window_is_missing(found: list[StoredReport]) -> bool:
    """Whether the windows of these reports follow each other."""
    return all(
        abs((later.window_start - earlier.window_start).total_seconds() - earlier.window_s) <= 1
        for earlier, later in pairwise(found)
    )


# --- at work ---------------------------------------------------------------------------------------------


def test_what_the_chip_signs_the_city_opens_with_the_chips_own_public_key(post: LampPost) -> None:
    chip = chip_of(post)
    assert (chip.config_locked, chip.data_locked) == (True, True)
    public = b"\x04" + chip.public_key(0)
    assert identity(post).identity == public
    assert identity(post).node_id == thumbprint(public).hex()
    assert f"/{combs.FOLDER}/{identity(post).node_id[:16]}" in post.files(), "the node verifies without a comb"
    post.power_on()
    post.run_until_stored(3)
    assert post.count(Status.STORED) >= 3
    assert post.count(Status.REJECTED) == 0
    assert not element_faults(post)


def test_the_private_key_is_not_on_the_flash_and_nothing_but_its_place_is_in_the_record(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(2)
    private = chip_of(post).eeprom.keys[0].to_bytes(32, "big")
    image = post.emulated.flash.image()
    assert private not in image
    assert private[::-1] not in image
    assert private not in bytes(post.serial.transcript)
    bus = post.board.buses["i2c0"]
    assert post.secrets["private"] == bytes((0, bus.id, bus.scl, bus.sda))  # type: ignore[union-attr]


# --- without its chip ------------------------------------------------------------------------------------


def test_while_the_chip_is_away_reports_wait_in_order_and_the_city_gets_every_one(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(2)
    now, chip = post.emulated.now(), chip_of(post)
    post.emulated.wiring.solder_element(post.board, Nacking(chip, now, now + 200))
    spent = post.secrets["epoch"]
    post.run_windows(3)
    assert post.count(Status.STORED) == 2
    assert "the chip that has the identity key fails" in post.console
    post.run_windows(3)
    assert len(post.stored) >= 7
    assert no_window_is_missing(post.stored)
    assert [report.index for report in post.stored] == list(range(1, len(post.stored) + 1))
    (fault,) = element_faults(post)
    assert fault[1:] == ("no answer", 3)
    assert post.emulated.resets == [POWER_ON]
    assert post.secrets["epoch"] == spent


def test_another_chip_seals_nothing_and_the_node_lives_on_until_its_own_is_back(
    post: LampPost, chip_template: Template, tmp_path: Path
) -> None:
    post.power_on()
    post.run_until_stored(1)
    stranger = tmp_path / "stranger"
    element = chip_template.flash.with_name(chip_template.flash.name + ELEMENT_FILE)
    kept = json.loads(element.read_text())
    kept["keys"]["0"] = f"{7:064x}"
    stranger.write_text(json.dumps(kept))
    chip = chip_of(post)
    post.emulated.wiring.solder_element(post.board, Atecc608(memory=stranger))
    post.run_windows(2)
    assert post.count(Status.STORED) == 1
    assert post.count(Status.REJECTED) == 0, "the city was sent what another key signed"
    assert "another key" in post.console
    post.emulated.wiring.solder_element(post.board, chip)
    post.run_windows(1)
    assert post.count(Status.STORED) >= 4
    assert [kind for _, kind, _ in element_faults(post)] == ["implausible value"]
    assert post.emulated.resets == [POWER_ON]


def test_a_chip_that_signs_wrongly_and_does_not_say_so_is_found_before_anything_leaves(post: LampPost) -> None:
    chip_of(post).wrong_signatures = True
    post.power_on()
    post.run_windows(2)
    assert post.count(Status.STORED) == post.count(Status.REJECTED) == 0
    chip_of(post).wrong_signatures = False
    post.run_windows(1)
    assert post.count(Status.STORED) >= 3
    assert post.count(Status.REJECTED) == 0


def test_a_bad_wire_costs_time_and_no_report(post: LampPost) -> None:
    now = post.emulated.now()
    post.emulated.wiring.solder_element(post.board, Corrupting(chip_of(post), now, now + 500, seed=3, probability=0.02))
    post.power_on()
    post.run_windows(12)
    assert post.count(Status.REJECTED) == 0
    assert len(post.stored) >= 11
    assert no_window_is_missing(post.stored)


def test_without_its_chip_for_longer_than_it_can_keep_the_node_keeps_the_newest_and_its_outbox(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(1)
    post.emulated.wiring.solder_element(post.board, Nacking(chip_of(post)))
    post.run_windows(11)
    assert "report lost, too many wait" in post.console
    post.emulated.wiring.solder_element(post.board, chip_of(post))
    post.run_windows(2)
    first, *rest = post.stored
    assert len(rest) >= WAITING_MAX
    assert (rest[0].window_start - first.window_start).total_seconds() > 2 * WINDOW_S, "nothing was lost"
    assert no_window_is_missing(rest)
    assert [report.index for report in post.stored] == list(range(1, len(post.stored) + 1))
    assert post.emulated.resets == [POWER_ON]


def test_a_node_that_starts_without_its_chip_does_not_crash_and_delivers_once_it_is_there(post: LampPost) -> None:
    post.emulated.wiring.solder_element(post.board, Nacking(chip_of(post)))
    post.power_on()
    post.run_windows(2)
    assert post.emulated.resets == [POWER_ON]
    post.emulated.wiring.solder_element(post.board, chip_of(post))
    post.run_windows(1)
    assert post.count(Status.STORED) >= 2


@pytest.mark.parametrize("copied", ["a new chip", "no chip"])
def test_who_copies_the_flash_copies_no_node(post: LampPost, copied: str) -> None:
    board, wiring = post.board, post.emulated.wiring
    wiring.solder_element(board, Atecc608(seed=99) if copied == "a new chip" else Nacking(chip_of(post)))
    post.power_on()
    post.run_windows(3)
    assert post.collector.messages == [], "something left a board that has the node's flash and not its chip"
    assert post.emulated.resets == [POWER_ON]


# --- a new identity --------------------------------------------------------------------------------------


def test_a_new_identity_is_made_in_another_slot_and_the_old_one_signs_until_then(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(1)
    before = identity(post)
    number = post.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1})
    assert post.run_until_known(lambda: identity(post).identity != before.identity, 6), post.explain("not rotated")
    chip = chip_of(post)
    assert identity(post).identity == b"\x04" + chip.public_key(1)
    assert before.identity == b"\x04" + chip.public_key(0)
    stored = post.count(Status.STORED)
    post.run_windows(2)
    assert post.results()[number] == labels.RESULT_DONE
    assert post.secrets["private"][0] == 1
    assert post.count(Status.STORED) > stored
    assert post.count(Status.REJECTED) == 0


def test_a_new_identity_that_the_chip_cannot_make_is_made_when_it_is_back(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(1)
    before = identity(post)
    now = post.emulated.now()
    post.emulated.wiring.solder_element(post.board, Nacking(chip_of(post), now + 40, now + 130))
    number = post.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1})
    assert post.run_until_known(lambda: identity(post).identity != before.identity, 9), post.explain("not rotated")
    post.run_windows(2)
    assert post.results()[number] == labels.RESULT_DONE
    assert identity(post).identity == b"\x04" + chip_of(post).public_key(1)
    assert post.count(Status.REJECTED) == 0
    assert no_window_is_missing(post.stored)


def test_on_the_heap_that_a_board_has_it_rotates_waits_and_catches_up(chip_template: Template, tmp_path: Path) -> None:
    board = chip_template.board
    assert board.budgets.heap_kb == HEAP_KB
    with LampPost(chip_template, tmp_path, start=MORNING) as post:
        post.open_city()
        post.power_on()
        post.run_windows(2)
        before = identity(post).identity
        post.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1})
        post.run_windows(6)
        assert identity(post).identity != before, post.explain("the node has no new identity")
        stored = post.count(Status.STORED)
        post.emulated.wiring.solder_element(board, Nacking(chip_of(post)))
        post.run_windows(WAITING_MAX)
        post.emulated.wiring.solder_element(board, chip_of(post))
        post.run_windows(2)
        assert post.count(Status.STORED) >= stored + WAITING_MAX, post.explain("reports were lost")
        assert no_window_is_missing(post.stored)
        assert b"MemoryError" not in post.emulated.output
        assert post.emulated.resets == [POWER_ON]


# --- provisioning ----------------------------------------------------------------------------------------


def provision(
    board_flash: Path,
    city: City,
    *,
    name: str = "corner",
    lock_chip: bool = True,
    cut_at: str = "",
    replace: bool = False,
    seed: int = SEED,
) -> bool:
    """Provision the board of this flash; cut its power before a certain change of its chip. Whether it was cut."""
    board = load(BOARD)
    with PluggedIn(board, board_flash, seed=seed) as plugged:
        chip = plugged.emulated.wiring.element
        assert chip is not None

        def before_change(what: str) -> None:
            if cut_at == f"after {what}":
                plugged.emulated.flash.before_change = lambda _address, _data: before_change(cut_at)
            elif what == cut_at:
                plugged.emulated.stop()
                raise PowerCut(0)

        chip.eeprom.before_change = before_change
        wanted = {"name": name, "lock_chip": lock_chip, "replace": replace}
        try:
            steps.provision(plugged.port, board, city, now=plugged.now, **wanted)
        except HadedaError:
            if not plugged.cut:
                raise
        return plugged.cut


def kept_by(board_flash: Path) -> Atecc608:
    """The chip of a board that is powered off."""
    return Atecc608(memory=board_flash.with_name(board_flash.name + ELEMENT_FILE))


def in_service(city: City) -> list[Node]:
    return [node for node in nodes(city.database) if node.revoked_at is None]


def test_a_new_chip_is_not_locked_unless_somebody_says_so(flash: Path, city: City) -> None:
    with pytest.raises(ProvisionError, match="which nothing undoes") as caught:
        provision(flash, city, lock_chip=False)
    assert "--lock-chip" in str(caught.value)
    chip = kept_by(flash)
    assert (chip.config_locked, chip.data_locked, chip.eeprom.keys) == (False, False, {})
    assert in_service(city) == []
    assert not provision(flash, city)
    assert kept_by(flash).data_locked
    assert not provision(flash, city, lock_chip=False), "a locked chip of ours needs no word"


CHANGES = ["config 20", "config 24", "config 96", "config 124", "lock config", "lock data", "key 0", "after key 0"]


def test_a_power_cut_at_any_change_of_the_chip_is_taken_up_again(flash: Path, city: City, tmp_path: Path) -> None:
    for number, change in enumerate(CHANGES):  # each strikes another board
        copy, name = tmp_path / f"{number}.bin", f"corner {number}"
        copy_board(flash, copy)
        assert provision(copy, city, name=name, cut_at=change, seed=number), f"nothing was cut before {change}"
        assert not provision(copy, city, name=name, seed=number)
        chip = kept_by(copy)
        assert (chip.config_locked, chip.data_locked) == (True, True)
        secrets = flash_image.node_secrets(copy.read_bytes(), load(BOARD))
        assert secrets["public"] == b"\x04" + chip.public_key(secrets["private"][0])
        assert secrets["public"] in {node.identity for node in in_service(city)}


def test_a_chip_that_was_locked_with_another_configuration_is_refused(flash: Path, city: City) -> None:
    chip = kept_by(flash)
    chip.eeprom.write(20, b"\x83", "its slot 0 signs what it makes itself, too")
    chip.eeprom.write(86, b"\x00\x00", "both locks")
    with pytest.raises(ProvisionError, match="locked with another configuration"):
        provision(flash, city)
    assert in_service(city) == []
    assert kept_by(flash).eeprom.keys == {}


def test_a_chip_that_is_not_there_is_named(flash: Path, city: City) -> None:
    board = load(BOARD)
    with PluggedIn(board, flash) as plugged:
        chip = plugged.emulated.wiring.element
        assert chip is not None
        plugged.emulated.wiring.solder_element(board, Nacking(chip))
        with pytest.raises(ProvisionError, match="no ATECC608 answers on i2c0 at 0x60"):
            steps.provision(plugged.port, board, city, lock_chip=True, now=plugged.now)
    assert in_service(city) == []


def test_replacing_a_node_makes_another_key_in_another_slot(flash: Path, city: City) -> None:
    assert not provision(flash, city)
    (before,) = in_service(city)
    assert not provision(flash, city, replace=True)
    (after,) = in_service(city)
    chip = kept_by(flash)
    assert (before.identity[1:], after.identity[1:]) == (chip.public_key(0), chip.public_key(1))


# --- the self-test ---------------------------------------------------------------------------------------


def line_of(post: LampPost, prepare: Callable[[], None] = lambda: None) -> tuple[Line, str]:
    """The self-test's line of the identity key: how it is, and what was found."""
    from hadeda.provision.port import NodePort

    found = []
    prepare()

    def test() -> None:
        with NodePort(post.port) as port:
            now = datetime.fromtimestamp(post.emulated.now(), UTC)
            found.extend(self_test_at(port, post.city, identity(post), offline=True, clock=lambda: now))

    post.power_on()
    post.run_beside(test)
    (line,) = (check for check in found if check.name == "identity key")
    return line.status, line.found


def test_the_self_test_names_chip_slot_and_lock(post: LampPost) -> None:
    status, found = line_of(post)
    assert status is Line.PASS
    assert found == f"in slot 0 of the ATECC608 {chip_of(post).serial.hex()}, which is locked"


def test_the_self_test_finds_a_chip_that_is_another_ones(post: LampPost, tmp_path: Path) -> None:
    kept = json.loads((post.flash.with_name(post.flash.name + ELEMENT_FILE)).read_text())
    kept["keys"]["0"] = f"{7:064x}"
    (tmp_path / "stranger").write_text(json.dumps(kept))
    stranger = Atecc608(memory=tmp_path / "stranger")
    status, found = line_of(post, lambda: post.emulated.wiring.solder_element(post.board, stranger))
    assert (status, "it has another key" in found) == (Line.FAIL, True)


def test_the_self_test_finds_no_chip(post: LampPost) -> None:
    status, found = line_of(post, lambda: post.emulated.wiring.solder_element(post.board, Nacking(chip_of(post))))
    assert (status, found) == (Line.FAIL, "no ATECC608 answers")
