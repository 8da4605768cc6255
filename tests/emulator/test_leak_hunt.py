"""A week in a street full of markers: none of them, nor a plain hash of one, is anywhere afterwards.

The shipped firmware runs on a board with every sensor that knows of somebody. Its post has power for some minutes of
each day, as on a lamp circuit, an hour later every day; in one of these minutes the markers pass. Looked at is
everything that was ever written to flash and to RTC memory, whether or not it is still there, what the broker saw, what
is inside of that, what the board printed, and what the city keeps. Ciphertexts are looked at opened, and only so.

Then bugs are planted in the firmware of the same board, and the same hunt has to find every one.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flash_image
import planted_street
import pytest
from eavesdropper import Tap
from lamp_post import HOUR_S, NIGHT, LampPost, Template, make_template
from marker_clues import Clue, found, identity, moment, numbers, tells_a_moment, text
from mosquitto_process import free_port
from opened_mail import ciphertext, integers, opened

from hadeda.collect.collector import Status
from hadeda.emulator.flash import SECTOR
from hadeda.envelope import labels
from hadeda.paths import FIRMWARE
from hadeda.provision.shipment import compiled

pytestmark = pytest.mark.xdist_group("leaks")  # with --dist loadgroup the week passes only once

DAYS = 7
DAY_S = 24 * HOUR_S
EARLY_S = 15  # the post gets power so long before the minute of the markers
WINDOWS = 2  # a day: those seconds, and the minute
ROTATED, REBOOTED, UNHEARD = 1, 3, 5  # days on which something else happens too
DAY_LIMIT_S = 120.0
FLASH, RTC, LOG, WIRE, OPENED, CITY = "flash", "RTC memory", "console log", "wire", "opened messages", "city"


class Written:
    """Everything that was ever programmed into a flash, what was programmed in one go in one piece."""

    def __init__(self) -> None:
        self._pieces: list[bytearray] = []
        self._end = -1

    def note(self, address: int, data: bytes | None) -> None:
        """Flash.before_change."""
        if data is not None:
            if address != self._end:
                self._pieces.append(bytearray())
            self._pieces[-1] += data
            self._end = address + len(data)

    @property
    def all(self) -> bytes:
        return b"\n".join(self._pieces)


class Hunt:
    """A lamp post in the planted street for some days, and everything that keeps traces of them."""

    def __init__(self, post: LampPost, tap: Tap, days: int) -> None:
        self.post = post
        self._tap = tap
        self._minutes_s = [NIGHT + day * (DAY_S + HOUR_S) for day in range(days)]
        self.street = planted_street.PlantedStreet(post.world, [post.world.start_s + at_s for at_s in self._minutes_s])
        self.street.move_in(post.emulated, post.board)
        self._before = post.emulated.flash.image()
        self._written = Written()
        self._retained: list[bytes] = []
        post.emulated.flash.before_change = self._written.note
        post.emulated.rtc.on_keep = self._retained.append

    def live(self) -> None:
        """All the days; in the end the board has power, a window is open, and it stands still."""
        for day, minute_s in enumerate(self._minutes_s):
            self.post.power_off()
            self.post.wait_without_power(minute_s - EARLY_S - self.post.clock_s)
            self._order(day)
            self.post.power_on()
            self.post.run_windows(1, DAY_LIMIT_S)
            self.post.emulated.radio.in_reach = day != UNHEARD
            self.post.run_windows(WINDOWS - 1, DAY_LIMIT_S)
            self.post.emulated.radio.in_reach = True

    def _order(self, day: int) -> None:
        if day == ROTATED:
            self.post.command(labels.OPERATION_ROTATE, {})
        if day == REBOOTED:
            self.post.command(labels.OPERATION_REBOOT)

    @property
    def messages(self) -> list[bytes]:
        """Everything sealed, in both directions."""
        return self.post.collector.messages + self.post.collector.letters_written

    @property
    def opened(self) -> list[bytes]:
        """What is in the messages."""
        return [opened(self.post.city, message) for message in self.messages]

    def places(self) -> dict[str, bytes]:
        """Where a marker could have got to, by name; without the ciphertexts that lie there."""
        image, before = self.post.emulated.flash.image(), self._before
        sectors = [slice(at, at + SECTOR) for at in range(0, len(image), SECTOR)]
        changed = [image[sector] for sector in sectors if image[sector] != before[sector]]
        broker = [file.read_bytes() for file in self.post.folder.glob("mosquitto*/*") if file.is_file()]
        found = {
            FLASH: b"\n".join([*changed, self._written.all]),
            RTC: b"\n".join(self._retained),
            LOG: bytes(self.post.serial.transcript),
            WIRE: b"\n".join([*(bytes(way) for one in self._tap.sessions for way in (one.up, one.down)), *broker]),
            OPENED: b"\n".join(self.opened),
            CITY: b"\n".join(file.read_bytes() for file in self.post.city.directory.rglob("*") if file.is_file()),
        }
        for sealed in {ciphertext(message) for message in self.messages}:
            found = {place: held.replace(sealed, b"") for place, held in found.items()}
        return found

    def clues(self) -> list[Clue]:
        """Everything to look for."""
        seen = planted_street.seen_by_the_node()
        clues = [clue for plate in planted_street.PLATES for clue in text("plate", plate)]
        for address, name in planted_street.PHONES.items():
            clues += identity("address", address) + text("name", name)
        for passage in self.street.vehicles + self.street.walkers:
            clues += moment("moment", passage.time_s)
        clues += [clue for row in (*seen.boxes, *seen.places) for clue in numbers("box", row)]
        clues += [clue for row in seen.passages for clue in numbers("passage", row)]
        clues += [Clue("passage", "text", f"{speed} km/h".encode()) for speed in planted_street.SPEEDS_KMH]
        return clues + numbers("passage", planted_street.SPEEDS_KMH)

    def found(self) -> dict[tuple[str, str], list[str]]:
        """(place, marker) -> in which forms; empty is what we want."""
        hits = found(self.places(), self.clues())
        moments_s = [passage.time_s for passage in self.street.vehicles + self.street.walkers]
        told = [number for payload in self.opened for number in integers(payload) if tells_a_moment(number, moments_s)]
        if told:
            hits.setdefault((OPENED, "moment"), []).append(f"the numbers {told}")
        return hits


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A node with radar, camera and ear, provisioned under a policy that allows all of them."""
    folder = tmp_path_factory.mktemp("everything")
    return make_template(planted_street.board_with_everything(folder), folder, free_port(), every_source=True)


@contextmanager
def hunted(template: Template, folder: Path, days: int, parcels: dict[str, bytes] | None = None) -> Iterator[Hunt]:
    """The hunt after so many days; `parcels` are put on the board first."""
    port = free_port()

    def through_the_tap(config: dict[str, Any]) -> None:
        config["broker"]["port"] = port

    with LampPost(template, folder, tls=False, start=NIGHT - HOUR_S, changed_config=through_the_tap) as post:
        flash_image.change(post.flash, post.board, parcels)
        with Tap(port, port + 1) as tap:
            broker = post.broker(port=port + 1, tls=False)
            broker.start()
            post.collect_plain(broker.port)
            hunt = Hunt(post, tap, days)
            hunt.live()
            yield hunt


@pytest.fixture(scope="module")
def week(everything: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hunt]:
    """The board as it is shipped."""
    with hunted(everything, tmp_path_factory.mktemp("week"), DAYS) as hunt:
        yield hunt


def test_everything_planted_was_seen_heard_and_counted(week: Hunt) -> None:
    post, stored = week.post, week.post.stored
    assert post.count(Status.REJECTED) == 0, post.explain("refused")
    assert len(stored) >= DAYS * WINDOWS - 1, post.explain("reports are missing")
    counted = dict.fromkeys(("vehicle", "person"), 0)
    for cell in (cell for report in stored for cell in report.traffic):
        counted[cell.road_user] += cell.count or 0
    street = week.street
    whole = (DAYS - 1) / DAYS - 0.1  # the reboot shortens a window, which is withheld; there is some noise
    assert counted["vehicle"] >= whole * len(street.vehicles), "the radar's markers were not counted"
    assert counted["person"] >= whole * len(street.walkers), "the camera's markers were not counted"
    spoilt = [fault.count for report in stored for fault in report.faults if fault.part == "grove_vision"]
    assert spoilt, "the camera said nothing that is no answer"
    assert set(spoilt) == {1}, "how many of its lines were bad shows how many walked by"
    assert post.emulated.bluetooth.heard_in_all > 1000, "nobody listened"
    heard = [report.footfall.count or 0 for report in stored if report.footfall]
    assert max(heard) >= len(planted_street.PHONES), "the phones are not in the sketch"


def test_the_week_was_eventful(week: Hunt) -> None:
    post = week.post
    assert list(post.results().values()) == [labels.RESULT_DONE] * 2, post.explain("commands are open")
    assert len(post.emulated.resets) == DAYS + 1, post.explain("it has not been reset once")
    assert len(post.collector.letters_written) > DAYS // 2, "the city wrote hardly anything"
    assert all(len(held) > 50 for held in week.places().values()), "a place is empty"


def test_after_a_week_no_marker_and_no_hash_of_one_is_anywhere(week: Hunt) -> None:
    assert week.found() == {}


def test_four_bytes_are_chance_and_eight_are_not(week: Hunt) -> None:
    clues = week.clues()
    checksums = [zlib.crc32(address).to_bytes(4) for address in planted_street.PHONES]
    assert found({FLASH: bytes(9) + checksums[0]}, clues) == {}
    assert set(found({FLASH: b"?".join(checksums[:2])}, clues)) == {(FLASH, "address")}


@dataclass(frozen=True)
class Bug:
    """What somebody might write into the firmware: `edits` are (file, what is there, what comes before or behind it).

    `leak` is the place and the marker that gives it away.
    """

    edits: tuple[tuple[str, str, str], ...]
    leak: tuple[str, str]


# What one stage leaves lying about is what another one tells
_REMEMBERS = (
    ("node/sample.py", "    def __init__(self, queue: Queue,", "    first_s = 0\n    phone = b''\n"),
    (
        "node/sample.py",
        "        if cls in self._classes",
        "        import time\n        Output.first_s = Output.first_s or time.time() + 946684800\n",
    ),
    (
        "node/sample.py",
        "        if self.footfall is not None:",
        "        if address[0] == 0xDE:\n            Output.phone = bytes(address)\n",
    ),
)
BUGS = {
    "a camera driver prints what its module said": Bug(
        (("sensors/grove_vision.py", "        if reply is None:", "        print(reply)\n"),), (LOG, "plate")
    ),
    "a tracker keeps the last box for debugging": Bug(
        (
            (
                "sensors/box_tracks.py",
                "        self.votes[box[0]] += 1",
                "        from ports.flash import Nvs\n"
                "        Nvs().set('box', b''.join([n.to_bytes(2, 'little') for n in box]))\n",
            ),
        ),
        (FLASH, "box"),
    ),
    "an ear keeps the hash of who was heard last": Bug(
        (
            (
                "sensors/ble_footfall.py",
                "            out.device(",
                "            from hashlib import sha256\n"
                "            from ports.flash import Nvs\n"
                "            Nvs().set('heard', sha256(self._address).digest())\n",
            ),
        ),
        (FLASH, "address"),
    ),
    "a minimiser keeps the last passage in RTC memory": Bug(
        (
            (
                "node/minimise.py",
                "            cell = self.cell(event[1]",
                "            import machine\n            machine.RTC().memory(bytes(event))\n",
            ),
        ),
        (RTC, "passage"),
    ),
    "a pipeline appends events to a file, and removes it": Bug(
        (
            (
                "node/pipeline.py",
                "            self.minimiser.add(self._event)",
                "            import os\n"
                "            with open('/trace', 'a') as file:\n"
                "                file.write(str(list(self._event)))\n"
                "            os.remove('/trace')\n",
            ),
        ),
        (FLASH, "passage"),
    ),
    "a report begins with its first passage": Bug(
        (
            *_REMEMBERS,
            (
                "node/pipeline.py",
                "        told = self._report(window.start_s",
                "        window.start_s = sample.Output.first_s or window.start_s\n",
            ),
        ),
        (OPENED, "moment"),
    ),
    "a client tells the broker who was near": Bug(
        (
            *_REMEMBERS,
            (
                "node/mqtt.py",
                "    if user is not None:\n        flags |= _WITH_USER",
                "    from node.sample import Output\n    payload = _string(Output.phone.hex())\n",
            ),
        ),
        (WIRE, "address"),
    ),
    "a report has a hash where the echo belongs": Bug(
        (
            *_REMEMBERS,
            (
                "node/report.py",
                "    if answer is not None:",
                "    from hashlib import sha256\n"
                "    from node.sample import Output\n"
                "    echo = sha256(Output.phone).digest()[:8]\n",
            ),
        ),
        (OPENED, "address"),
    ),
}


def with_bugs(folder: Path) -> dict[str, bytes]:
    """The firmware files that have bugs, compiled as they are shipped, by their path on the board."""
    texts: dict[str, str] = {}
    for file, there, line in dict.fromkeys(edit for bug in BUGS.values() for edit in bug.edits):
        source = texts.get(file) or (FIRMWARE / file).read_text(encoding="utf-8")
        assert source.count(there) == 1, f"{file} has changed: {there!r} is not there once"
        texts[file] = source.replace(there, line + there)
    parcels = {}
    for file, source in texts.items():
        patched = folder / file.replace("/", "_")
        patched.write_text(source, encoding="utf-8")
        module = file.removesuffix(".py")
        parcels[f"/lib/{module}.mpy"] = compiled(patched, module.replace("/", "."))
    return parcels


@pytest.fixture(scope="module")
def leaks(everything: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], list[str]]]:
    """What the hunt finds after a day with a board that has all the bugs."""
    folder = tmp_path_factory.mktemp("bugs")
    parcels = with_bugs(folder)
    assert set(parcels) <= set(everything.parcels), f"{set(everything.parcels)} lacks {set(parcels)}"
    with hunted(everything, folder, 1, parcels) as hunt:
        yield hunt.found()


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(leaks: dict[tuple[str, str], list[str]], bug: str) -> None:
    assert BUGS[bug].leak in leaks, f"found only {sorted(leaks)}"


def test_every_place_can_be_found_to_leak(leaks: dict[tuple[str, str], list[str]]) -> None:
    assert {place for place, _marker in leaks} == {FLASH, RTC, LOG, WIRE, OPENED, CITY}
