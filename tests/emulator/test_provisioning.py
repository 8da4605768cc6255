"""Provisioning through the serial port: what cannot work ends in one clear line, what is cut short can be repeated."""

import contextlib
import os
import pty
import select
import shutil
import threading
import tty
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import flash_image
import pytest
from lamp_post import LampPost, PluggedIn, Template, make_city, make_template
from mosquitto_process import free_port

from hadeda.board import load
from hadeda.city import City
from hadeda.collect.collector import Status
from hadeda.errors import CityError, HadedaError, PortError, ProvisionError
from hadeda.provision import steps
from hadeda.registry import nodes
from hadeda.registry.nodes import Node

BROKER_PORT = 8883


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """A new city without nodes."""
    with make_city(tmp_path / "city", BROKER_PORT) as new:
        yield new


@pytest.fixture
def flash(template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The flash of a board that has the firmware, and no keys yet; the firmware is not compiled anew."""
    monkeypatch.setattr(steps, "shipment", lambda _board: template.parcels)
    return Path(shutil.copyfile(template.unenrolled, tmp_path / "flash.bin"))


def provision(template: Template, flash: Path, city: City, name: str = "corner", cut_at: int = 0) -> PluggedIn:
    """Plug the board in and provision it; returns the board as it was left, powered off."""
    with PluggedIn(template.board, flash, cut_at=cut_at) as plugged:
        steps.provision(plugged.port, template.board, city, name=name, now=plugged.now)
    return plugged


def in_service(city: City) -> list[Node]:
    """The nodes that may report."""
    return [node for node in nodes(city.database) if node.revoked_at is None]


def check_enrolled(template: Template, flash: Path, city: City) -> None:
    """The board has committed keys, those of the one node in the registry, and nothing half-made beside them."""
    files = flash_image.files(flash, template.board)
    assert flash_image.KEY_FILE not in files
    (node,) = in_service(city)
    check_keys_of(node, template, flash)
    library = {path for path in template.parcels if path.startswith("/lib/")}
    assert {path for path in files if path.startswith("/lib/")} == library
    assert all(files[path] == data for path, data in template.parcels.items()), "the firmware is not whole"


def check_keys_of(node: Node, template: Template, flash: Path) -> None:
    """The board's key sectors hold this node's identity, and nothing of an enrolment that was not finished."""
    both = flash_image.key_sectors(flash.read_bytes(), template.board)
    (record,) = [whole for at in (0, 4096) if (whole := flash_image.whole_record(both[at : at + 4096]))]
    assert flash_image.secrets_in(record)["public"] == node.identity
    assert record.endswith(b"\xf6"), "an enrolment is left half-made"  # CBOR's null
    assert both.count(b"\xff") >= len(both) - len(record) - 16, "something of an earlier record is left"


def test_a_port_that_is_not_there_is_named(template: Template, city: City) -> None:
    with pytest.raises(PortError, match="there is no serial port /dev/ttyNOWHERE"):
        steps.provision("/dev/ttyNOWHERE", template.board, city)
    assert nodes(city.database) == []


def test_something_that_is_not_micropython_is_named(template: Template, city: City) -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    done = threading.Event()

    def babble() -> None:
        for _ in range(20):
            done.wait(0.05)
            os.write(ours, b"\x00\xffmodem> AT+ERROR\r\n")
            if select.select([ours], [], [], 0)[0]:
                os.read(ours, 4096)

    thread = threading.Thread(target=babble)
    thread.start()
    try:
        with pytest.raises(PortError, match="is not MicroPython"):
            steps.provision(os.ttyname(theirs), template.board, city)
    finally:
        done.set()
        thread.join()
        os.close(ours)
        os.close(theirs)
    assert nodes(city.database) == []


def test_the_wrong_board_is_refused_before_anything_is_written(template: Template, flash: Path, city: City) -> None:
    with PluggedIn(template.board, flash) as plugged:
        booting = plugged.changes
        with pytest.raises(ProvisionError, match=r"the chip is an .*: name the right board"):
            steps.provision(plugged.port, load("esp32-devkitc-v4"), city, now=plugged.now)
    assert plugged.changes == booting
    assert nodes(city.database) == []


def test_an_old_micropython_is_refused_with_the_version_to_flash(
    template: Template, flash: Path, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = steps._EXAMINE
    monkeypatch.setattr(steps, "_EXAMINE", asked.replace("list(sys.implementation[1][:3])", "[1, 22, 2]"))
    assert asked != steps._EXAMINE
    with PluggedIn(template.board, flash) as plugged:
        booting = plugged.changes
        with pytest.raises(ProvisionError, match=r"MicroPython is 1\.22\.2.*ESP32_GENERIC_S3 1\.24 or later"):
            steps.provision(plugged.port, template.board, city, now=plugged.now)
    assert plugged.changes == booting
    assert nodes(city.database) == []


def test_an_erased_board_becomes_a_node(
    template: Template, city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "shipment", lambda _board: template.parcels)
    flash = tmp_path / "flash.bin"
    with PluggedIn(template.board, flash) as plugged:
        done = steps.provision(plugged.port, template.board, city, name="corner", now=plugged.now)
    assert done.sent == done.files == len(template.parcels)
    check_enrolled(template, flash, city)


@pytest.mark.parametrize("cut_at", [3, 60, 150])
def test_a_cable_torn_out_while_the_firmware_is_sent(
    template: Template, city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_at: int
) -> None:
    monkeypatch.setattr(steps, "shipment", lambda _board: template.parcels)
    flash = tmp_path / "flash.bin"
    with pytest.raises(HadedaError):
        provision(template, flash, city, cut_at=cut_at)
    assert nodes(city.database) == [], "a node was registered that never sent an enrolment"
    provision(template, flash, city)
    check_enrolled(template, flash, city)


@pytest.fixture(scope="session")
def enrolment_changes(template: Template, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many flash operations an enrolment takes, configuration and start included."""
    folder = tmp_path_factory.mktemp("count")
    flash = Path(shutil.copyfile(template.unenrolled, folder / "flash.bin"))
    with make_city(folder / "city", BROKER_PORT) as city:
        return provision(template, flash, city).changes


@pytest.mark.parametrize("part", range(7))
def test_a_cable_torn_out_during_enrolment(
    template: Template, flash: Path, city: City, enrolment_changes: int, part: int
) -> None:
    cut_at = 1 + (enrolment_changes - 1) * part // 6
    # The last operations are the started node's own: then nobody at the host notices
    with contextlib.suppress(HadedaError):
        provision(template, flash, city, cut_at=cut_at)
    assert len(nodes(city.database)) <= 1
    provision(template, flash, city)
    check_enrolled(template, flash, city)


def test_a_board_whose_commit_was_not_heard_is_taken_up_again(
    template: Template, flash: Path, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node has committed, the cable is torn out before it can say so."""
    commit = steps._commit

    def unheard(*given: object) -> Node:
        commit(*given)
        raise PortError("torn out", "try again")

    monkeypatch.setattr(steps, "_commit", unheard)
    with pytest.raises(PortError):
        provision(template, flash, city)
    monkeypatch.setattr(steps, "_commit", commit)
    provision(template, flash, city)
    check_enrolled(template, flash, city)


def test_provisioning_a_node_again_sends_no_firmware_and_leaves_one_node(
    template: Template, flash: Path, city: City
) -> None:
    provision(template, flash, city)
    with PluggedIn(template.board, flash) as plugged:
        again = steps.provision(plugged.port, template.board, city, name="corner", now=plugged.now)
    assert again.sent == 0
    check_enrolled(template, flash, city)


def test_two_boards_at_once_become_two_nodes_of_one_city(
    template: Template, flash: Path, city: City, tmp_path: Path
) -> None:
    images = [flash, Path(shutil.copyfile(flash, tmp_path / "second.bin"))]
    failures: list[BaseException] = []

    def work(plugged: PluggedIn, name: str) -> None:
        try:
            steps.provision(plugged.port, template.board, city, name=name, now=plugged.now)
        except BaseException as failure:
            failures.append(failure)

    with ExitStack() as table:
        boards = [table.enter_context(PluggedIn(template.board, f, seed=i)) for i, f in enumerate(images)]
        threads = [threading.Thread(target=work, args=(b, f"post {i}")) for i, b in enumerate(boards)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not failures, failures
    assert [node.name for node in in_service(city)] == ["post 0", "post 1"]
    for node, image in zip(in_service(city), images, strict=True):
        check_keys_of(node, template, image)


def test_a_name_that_is_taken_is_refused_and_the_board_can_have_another(
    template: Template, flash: Path, city: City, tmp_path: Path
) -> None:
    second = Path(shutil.copyfile(flash, tmp_path / "second.bin"))
    provision(template, flash, city, "corner")
    with PluggedIn(template.board, second, seed=1) as plugged, pytest.raises(CityError, match="another node is called"):
        steps.provision(plugged.port, template.board, city, name="corner", now=plugged.now)
    assert len(nodes(city.database)) == 1
    with PluggedIn(template.board, second, seed=1) as plugged:
        steps.provision(plugged.port, template.board, city, name="square", now=plugged.now)
    assert [node.name for node in in_service(city)] == ["corner", "square"]


def test_on_a_stock_partition_table_the_keys_are_a_file_and_the_node_says_so(tmp_path: Path) -> None:
    stock = make_template(load("esp32-s3-devkitc-1"), tmp_path, free_port(), stock_partitions=True)
    folder = tmp_path / "post"
    folder.mkdir()
    with LampPost(stock, folder) as post:
        secrets = flash_image.secrets_in(post.files()[flash_image.KEY_FILE])
        (node,) = in_service(post.city)
        assert secrets["public"] == node.identity
        post.open_city()
        post.power_on()
        post.run_until(lambda: post.count(Status.STORED) >= 1)
        assert [report.health.key_store for report in post.stored] == ["file"]


def test_a_node_with_sectors_for_its_keys_says_so(post: LampPost) -> None:
    post.power_on()
    post.run_until(lambda: post.count(Status.STORED) >= 1)
    assert [report.health.key_store for report in post.stored] == ["raw sectors"]
