"""A lamp post for one test: an emulated board with the real firmware, its city, and time that can be told to pass.

    post.power_on()
    post.run_until(9 * 3600)                 # board time, seconds since the street's midnight
    post.wait_stored(3)

The board lives in a thread of its own while time passes, and stands still between two calls.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import cbor2
import flash_image
from caught_up import MARK, CaughtUp
from mosquitto_process import Mosquitto
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import select

from hadeda.board import Board
from hadeda.city import City
from hadeda.city.policies import sign
from hadeda.collect.collector import Collector, Outcome, Status
from hadeda.collect.mqtt import MqttCollector
from hadeda.emulator.board import ELEMENT_FILE, EmulatedBoard
from hadeda.emulator.clock import VirtualTime
from hadeda.emulator.flash import PowerCut
from hadeda.emulator.serial_port import SerialPort
from hadeda.envelope import Opened, labels, open_report, parse_sealed
from hadeda.policy import read_policy
from hadeda.provision import steps
from hadeda.provision.shipment import shipment
from hadeda.registry import StoredReport, reports
from hadeda.registry.commands import commands, queue
from hadeda.registry.epochs import Chain, Epoch, Standing, candidates, standing
from hadeda.registry.nodes import select_node
from hadeda.scenario import World

SEED = 7
NAME = "corner"
LIMIT_S = 60.0  # real seconds no step of a test may take
WINDOW_S = 60  # of the template's policy
# A policy and a floor as loose as they can be: the noise is zero but for one count in ten thousand, and two hundred
# windows a day are paid for. A cell that counted nothing is below k
LOOSE_POLICY = {
    "version": "version = {version}",
    "seconds": "seconds = {window_s}",
    "speed_bands_kmh": "speed_bands_kmh = [30, 50, 70]",
    "k ": "k = 1",
    "epsilon_per_release": "epsilon_per_release = 10",
    "epsilon_per_day": "epsilon_per_day = 2000",
}
LOOSE_FLOOR = {
    "min_seconds": "min_seconds = 60",
    "min_k": "min_k = 1",
    "max_epsilon_per_release": "max_epsilon_per_release = 10",
    "max_epsilon_per_day": "max_epsilon_per_day = 2000",
}
ENERGY_POLICY = "\n[energy]\n"
ENERGY_FLOOR = "\n[energy]\nmin_seconds = 3600\nmin_step_wh = 100\n"
SETTLE_S = 12  # board seconds after a window of a minute by which a node has called
SLOT_LAST_S = 60  # board seconds after a longer window by which a node begins to call
HOUR_S = 3600
# Somebody is at the serial port: board time must not run away from him, as it does when nobody looks
BESIDE_PACE = 10.0
# Seconds after the street's midnight. At night nobody counted, so nobody passes: time passes faster in the emulator
NIGHT = 2 * HOUR_S - 60
MORNING = 7 * HOUR_S - 60


def repeated_numbers(messages: list[bytes]) -> dict[tuple[bytes, int], set[bytes]]:
    """(kid, number) under which different messages were sealed: what must never be, in either direction."""
    seen: dict[tuple[bytes, int], set[bytes]] = {}
    for sealed in messages:
        message = parse_sealed(sealed)
        seen.setdefault((message.kid, message.sequence), set()).add(sealed)
    return {key: found for key, found in seen.items() if len(found) > 1}


def is_ready(payload: bytes) -> bool:
    """Whether a message of a node announces a re-key."""
    return payload.startswith(bytes((0xD8, labels.TAG_ENCRYPT)))


class Recording(Collector):
    """A collector that keeps every message the broker delivered and every letter the city wrote, and can lose both.

    `lose` is asked for every message and letter, by topic: the broker acknowledged it, and then it was gone.
    `board_time` is its clock, in Unix time: that of the board that lives.
    """

    def __init__(self, city: City, board_time: Callable[[], float]) -> None:
        self.board_time = board_time
        super().__init__(city, lambda: datetime.fromtimestamp(self.board_time(), UTC))
        self.messages: list[bytes] = []
        self.written: list[tuple[str, bytes]] = []
        self.lose: Callable[[str, bytes], bool] = lambda _topic, _payload: False
        self.caught_up: CaughtUp | None = None  # who asks whether this collector is through
        self._up = city.settings.broker.topic

    @property
    def reports(self) -> list[bytes]:
        """The sealed reports among the messages, each once."""
        return list(dict.fromkeys(payload for payload in self.messages if not is_ready(payload)))

    @property
    def letters_written(self) -> list[bytes]:
        """Every letter, whether it got through or not."""
        return [payload for _topic, payload in self.written if payload]

    def receive_many(self, payloads: Sequence[bytes]) -> list[Outcome]:
        return [self.receive(payload) for payload in payloads]

    def receive(self, payload: bytes) -> Outcome:
        if self.caught_up is not None and payload.startswith(MARK):
            return Outcome(Status.REPEATED, len(payload), letters=((self.caught_up.topic, payload),))
        self.messages.append(payload)
        if self.lose(self._up, payload):
            return Outcome(Status.REJECTED, len(payload), "lost on the way")
        outcome = super().receive(payload)
        self.written += outcome.letters
        kept = tuple(letter for letter in outcome.letters if not self.lose(*letter))
        return replace(outcome, letters=kept)


class TappedSerial(SerialPort):
    """A serial port that keeps what crossed it, both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.transcript = bytearray()

    def read(self) -> bytes:
        data = super().read()
        self.transcript += data
        return data

    def write(self, data: bytes, binary: bool = False) -> None:
        self.transcript += data
        super().write(data, binary)


@dataclass(frozen=True)
class Template:
    """A node provisioned once: copies of its flash image and of its city are what tests start from."""

    board: Board
    city: Path
    flash: Path
    unenrolled: Path  # the same board's flash when the firmware was on it and the node had no keys
    parcels: dict[str, bytes]
    transcript: bytes
    stock_partitions: bool = False


class LampPost:
    """One board in one city, both copies of a template's; a context manager.

    `name` is what its city calls it. Beside a `neighbour` it stands in the neighbour's city and uses its collector;
    they live in turn, never at once: the collector's clock is that of the one that does.
    """

    def __init__(
        self,
        template: Template,
        folder: Path,
        *,
        seed: int = SEED,
        start: float = NIGHT,
        window_s: int = WINDOW_S,
        tls: bool = True,
        changed_config: Callable[[dict[str, object]], None] = lambda _: None,
        name: str = NAME,
        neighbour: "LampPost | None" = None,
    ) -> None:
        self.board = template.board
        self.name = name
        self.seed = seed
        self.folder = folder
        self.flash = folder / "flash.bin"
        if neighbour is None:
            shutil.copytree(template.city, folder / "city")
        copy_board(template.flash, self.flash)
        if window_s != WINDOW_S:
            renew_policy(self.board, neighbour.city.directory if neighbour else folder / "city", self.flash, window_s)
        config = cbor2.loads(flash_image.files(self.flash, self.board)["/config.cbor"])
        if not tls:
            del config["broker"]["ca"]
        changed_config(config)
        flash_image.change(self.flash, self.board, {"/config.cbor": cbor2.dumps(config, canonical=True)})
        self.window_s = window_s
        self.tls = tls
        self.start = start
        self.world = World(seed=seed)
        self.city = City.open(folder / "city") if neighbour is None else neighbour.city
        self.serial = TappedSerial()
        self.emulated = EmulatedBoard(
            self.board,
            self.world,
            seed=seed,
            clock=VirtualTime(),
            start_s=self.world.start_s + start,
            flash_file=self.flash,
            serial=self.serial,
            stock_partitions=template.stock_partitions,
        )
        self._stack = ExitStack()
        if neighbour is None:
            self.collector = Recording(self.city, self.emulated.now)
            self._stack.callback(self.city.close)
        else:
            self.collector = neighbour.collector
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.emulated.close()

    # --- the city's side ---------------------------------------------------------------------------------------

    def open_city(self) -> Mosquitto:
        """Broker and collector, until the end of the test."""
        broker = self.broker()
        broker.start()
        self.collect()
        return broker

    def broker(self, **settings: Any) -> Mosquitto:
        """A broker that is not started yet, and stopped at the end of the test."""
        broker = Mosquitto(self.city, self.folder / f"mosquitto{len(list(self.folder.iterdir()))}", **settings)
        self._stack.callback(broker.stop)
        return broker

    def collect(self) -> None:
        """The collector at the city's broker, until the end of the test; board time waits for it between sessions."""
        self._stack.enter_context(MqttCollector(self.city, self.collector))
        self._wait_for_it()

    def _wait_for_it(self, plain_port: int | None = None) -> None:
        self.collector.caught_up = CaughtUp(self.city, plain_port)
        self._stack.callback(self.collector.caught_up.close)

    def collect_plain(self, port: int) -> None:
        """A collector at a broker without TLS, until the end of the test; board time waits for it, too."""
        client = Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set(self.city.secrets.city_user, self.city.secrets.city_password)

        def receive(_client: Client, _data: object, message: MQTTMessage) -> None:
            for topic, payload in self.collector.receive(bytes(message.payload)).letters:
                client.publish(topic, payload, 1, retain=True)

        client.on_message = receive
        subscribed = threading.Event()
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect("127.0.0.1", port)
        client.subscribe(self.city.settings.broker.topic, 1)
        client.loop_start()
        self._stack.callback(client.loop_stop)
        self._stack.callback(client.disconnect)
        assert subscribed.wait(10), "the plain broker does not let us subscribe"
        self._wait_for_it(port)

    @property
    def stored(self) -> list[StoredReport]:
        """What the city has, oldest first."""
        return reports(self.city.database)

    def count(self, status: Status) -> int:
        """How many messages ended so."""
        return self.collector.counts[status]

    def wait_stored(self, wanted: int, limit_s: float = 5.0) -> list[StoredReport]:
        """Real time for the collector to come to its `wanted`th report; returns all of them."""
        deadline = time.monotonic() + limit_s
        while self.count(Status.STORED) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.count(Status.STORED) >= wanted, self.explain(f"{wanted} reports are not stored")
        return self.stored

    def publish(self, *messages: tuple[str, bytes], retain: bool = True) -> None:
        """Put messages into mailboxes, as somebody who has the city's login at the broker: (topic, payload) each."""
        client = Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set(self.city.secrets.city_user, self.city.secrets.city_password)
        client.tls_set_context(self.city.tls_context())
        client.connect(self.city.settings.broker.host, self.city.settings.broker.port)
        client.loop_start()
        try:
            for topic, payload in messages:
                client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)
            client.disconnect()
        finally:
            client.loop_stop()

    def opened(self, sealed: bytes) -> Opened:
        """A sealed message, opened without storing it."""
        message = parse_sealed(sealed)
        with self.city.database.read() as session:
            known = candidates(session, message.kid, message.epoch)
        return open_report(message, known)

    def command(self, operation: int, arguments: dict[int, Any] | None = None, **options: Any) -> int:
        """Queue a command for the node, as `hadeda keys` and `hadeda node` do; returns its number."""
        with self.city.database.write() as session:
            queued = queue(
                session,
                select_node(session, self.name),
                operation,
                arguments or {},
                lambda thumb: self.city.keyring.private(labels.ROLE_COMMAND, thumb),
                now=datetime.fromtimestamp(self.emulated.now(), UTC),
                **options,
            )
            return queued.number

    def results(self) -> dict[int, int | None]:
        """What became of the commands: number -> labels.RESULT_*, None while there is no answer."""
        with self.city.database.read() as session:
            return {row.number: row.result for row in commands(session, select_node(session, self.name))}

    @property
    def standing(self) -> Standing:
        """Where the node's keys stand, as the city knows it."""
        with self.city.database.read() as session:
            return standing(session, select_node(session, self.name))

    def root_keys(self) -> set[bytes]:
        """The root keys of the node's living chains, as the city has them."""
        with self.city.database.read() as session:
            return {chain.root_key for chain in session.scalars(select(Chain)) if chain.root_key is not None}

    def traffic_keys(self) -> set[bytes]:
        """Every traffic key that the city has: AES keys and IVs of both directions."""
        sizes = (labels.KEY_SIZE, labels.IV_SIZE) * 2
        with self.city.database.read() as session:
            kept = [epoch.material for epoch in session.scalars(select(Epoch)) if epoch.material is not None]
            return {key for material in kept for key in material.take(*sizes) or ()}

    # --- the board's side --------------------------------------------------------------------------------------

    @property
    def clock_s(self) -> float:
        """Board time in seconds since the street's midnight of the first day."""
        return self.emulated.now() - self.world.start_s

    @property
    def console(self) -> str:
        """The end of what the board printed."""
        return bytes(self.emulated.output[-1500:]).decode(errors="replace")

    def explain(self, what: str) -> str:
        """A failure's text: what was expected, what is there, how to play it again."""
        return (
            f"{what}; board time {self.clock_s:.1f} s after midnight, seed {self.seed}, resets {self.emulated.resets}, "
            f"messages {dict(self.collector.counts)}, the board's console ends:\n{self.console}"
        )

    def power_on(self) -> None:
        """Plug it in."""
        self.emulated.power_on()

    def power_off(self) -> None:
        """Pull the plug."""
        self.emulated.power_off()

    def wait_without_power(self, seconds: float) -> None:
        """Board time passes while nothing runs."""
        self.emulated.clock.spend(int(seconds * 1e6))

    def run_windows(self, count: int, limit_s: float = LIMIT_S) -> None:
        """Let the next `count` windows end, and the node call after the last."""
        ends = self.clock_s // self.window_s + count
        self.run_until(max(self.clock_s, ends * self.window_s + SETTLE_S), limit_s)

    def run_until_stored(self, wanted: int, limit_s: float = LIMIT_S) -> None:
        """Let time pass until the city has `wanted` reports, and the node has hung up after that."""
        self.run_until(lambda: self.count(Status.STORED) >= wanted, limit_s)
        self.run_until(lambda: not self.emulated.radio.online, limit_s)

    def run_until_known(self, known: Callable[[], bool], windows: int, limit_s: float = LIMIT_S) -> bool:
        """Let time pass until the city knows something, at most so many windows and a slot; whether it knows it."""
        ends = (self.clock_s // self.window_s + windows) * self.window_s + SLOT_LAST_S + SETTLE_S
        asked, found = -1, False

        def over() -> bool:
            nonlocal asked, found
            processed = self.collector.counts.total()
            if processed != asked:
                asked, found = processed, known()
            return found or self.clock_s >= ends or not self.emulated.powered

        self.run_until(over, limit_s)
        return found or known()

    def run_until(self, moment: float | Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Let time pass until a moment (seconds since midnight) or an event; fails after `limit_s` real seconds."""
        until = moment if callable(moment) else lambda: self.clock_s >= moment
        thread = threading.Thread(target=self._run, args=(until,), name="board")
        thread.start()
        thread.join(limit_s)
        late = thread.is_alive()
        if late:
            self.emulated.stop()
            thread.join()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        assert not late, self.explain(f"not there after {limit_s} s")

    def _run(self, until: Callable[[], bool] | None) -> None:
        self.collector.board_time = self.emulated.now
        try:
            self.emulated.run(until and self._caught_up_before(until))
        except BaseException as failure:
            self._failure = failure

    def _caught_up_before(self, until: Callable[[], bool]) -> Callable[[], bool]:
        """`until`, and before the node's hanging up goes any further: whatever it sent has been processed."""
        online = self.emulated.radio.online

        def over() -> bool:
            nonlocal online
            before, online = online, self.emulated.radio.online
            if before and not online and self.collector.caught_up is not None:
                self.collector.caught_up.wait()
            return until()

        return over

    def run_beside(self, work: Callable[[], object]) -> None:
        """Let the board live while `work` is done, such as talking to its serial port."""
        pace, self.emulated.clock.pace = self.emulated.clock.pace, BESIDE_PACE
        thread = threading.Thread(target=self._run, args=(None,), name="board")
        thread.start()
        try:
            work()
        finally:
            self.emulated.stop()
            thread.join()
            self.emulated.clock.pace = pace
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    @property
    def port(self) -> str:
        """Its serial port."""
        assert self.emulated.serial is not None
        return self.emulated.serial.path

    @property
    def secrets(self) -> dict[str, Any]:
        """What the node's key sectors hold, by the names in firmware/node/keystore.py."""
        return flash_image.node_secrets(self.emulated.flash.image(), self.board)

    def files(self) -> dict[str, bytes]:
        """Every file on its flash, by path; the board stands still."""
        return flash_image.files(self.flash, self.board)


def make_template(
    board: Board,
    folder: Path,
    broker_port: int,
    *,
    stock_partitions: bool = False,
    every_source: bool = False,
    channels: Sequence[str] = (),
    energy: bool = False,
    lines: Mapping[str, str] | None = None,
    more: str = "",
) -> Template:
    """Provision a new node of a new city, through mpremote and the board's serial port.

    `every_source`: its policy has people, footfall and vision too, and its floor allows them. `channels`: it has
    these of the air, the street's if none. `energy`: it has energy, in hours and steps of 100 Wh. `lines` stand in the
    place of those of its policy that begin with their keys, `more` at its end.
    """
    flash, unenrolled = folder / "flash.bin", folder / "unenrolled.bin"
    parcels = shipment(board)

    def keep(step: str) -> None:
        if step.startswith("enrolling"):
            shutil.copyfile(flash, unenrolled)

    serial = TappedSerial()
    with (
        make_city(folder / "city", broker_port) as city,
        PluggedIn(board, flash, serial=serial, stock_partitions=stock_partitions) as plugged,
    ):
        sign_loose_policy(
            city, 2, WINDOW_S, every_source=every_source, channels=channels, energy=energy, lines=lines, more=more
        )
        steps.provision(serial.path, board, city, name=NAME, lock_chip=True, step=keep, now=plugged.now)
    return Template(board, folder / "city", flash, unenrolled, parcels, bytes(serial.transcript), stock_partitions)


def copy_board(flash: Path, copy: Path) -> None:
    """Copy a board's flash image, and with it what its secure element keeps, if it has one."""
    shutil.copyfile(flash, copy)
    element = flash.with_name(flash.name + ELEMENT_FILE)
    if element.is_file():
        shutil.copyfile(element, copy.with_name(copy.name + ELEMENT_FILE))


def sign_loose_policy(
    city: City,
    version: int,
    window_s: int,
    *,
    every_source: bool = False,
    channels: Sequence[str] = (),
    energy: bool = False,
    lines: Mapping[str, str] | None = None,
    more: str = "",
) -> None:
    """Let the city sign a policy that shows a test nearly the true counts, over a floor that allows it.

    `every_source`: it counts people too, by camera, and listens for footfall. `channels`: these of the air, or the
    street's. `energy`: energy too, in windows of an hour whatever `window_s` says. `lines` and `more` as make_template.
    """
    policy, floor = city.directory / "policy.toml", city.directory / "floor.toml"
    loose = {start: line.format(version=version, window_s=window_s) for start, line in LOOSE_POLICY.items()}
    _replace_lines(policy, loose | dict(lines or {}))
    with policy.open("a", encoding="utf-8") as file:
        file.write(more)
    _replace_lines(floor, LOOSE_FLOOR)
    if channels:
        _replace_lines(policy, {"channels": f"channels = {json.dumps(list(channels))}"})
    if every_source:
        # What a release costs is the sum of both
        halved = {"epsilon_per_release": "epsilon_per_release = 5"}
        _replace_lines(policy, {"classes": 'classes = ["vehicle", "person"]', **halved})
        _replace_lines(floor, {"sources": "sources = []"})
        with policy.open("a", encoding="utf-8") as file:
            file.write("\n[vision]\n\n[footfall]\nk = 1\nepsilon_per_release = 5\n")
    if energy:
        for file, more in ((policy, ENERGY_POLICY), (floor, ENERGY_FLOOR)):
            with file.open("a", encoding="utf-8") as opened:
                opened.write(more)
        _replace_lines(policy, {"seconds": f"seconds = {HOUR_S}"})
    sign(city, read_policy(policy))


def renew_policy(board: Board, folder: Path, flash: Path, window_s: int) -> None:
    """Give an enrolled node windows of another length, over its cable."""
    with City.open(folder) as city, PluggedIn(board, flash) as plugged:
        sign_loose_policy(city, 3, window_s)
        steps.provision(plugged.port, board, city, now=plugged.now)


def _replace_lines(file: Path, lines: dict[str, str]) -> None:
    """Put a line in the place of the one that begins with each key."""
    text = file.read_text(encoding="utf-8").splitlines()
    for start, line in lines.items():
        (place,) = (number for number, old in enumerate(text) if old.startswith(start))
        text[place] = line
    file.write_text("\n".join([*text, ""]), encoding="utf-8")


def make_city(folder: Path, broker_port: int) -> City:
    """A new city."""
    return City.init(
        folder, "Corner", broker_port=broker_port, wifi_ssid="street", wifi_password="lamp post 12", ntp="localhost"
    )


class PluggedIn:
    """A board on a technician's table: it lives while the block runs, until the cable is torn out at a flash operation.

    `cut_at` counts the changes of its flash from 1; a program gets as far as half its bytes.
    """

    def __init__(
        self,
        board: Board,
        flash: Path,
        *,
        serial: SerialPort | None = None,
        seed: int = SEED,
        cut_at: int = 0,
        stock_partitions: bool = False,
    ) -> None:
        world = World(seed=seed)
        self.now = datetime.fromtimestamp(world.start_s, UTC)
        self.serial = serial or SerialPort()
        self.port = self.serial.path
        self.changes = 0
        self._cut_at = cut_at
        self._done = False
        self.emulated = EmulatedBoard(
            board,
            world,
            seed=seed,
            clock=VirtualTime(pace=1.0),  # or windows would end while the technician types
            start_s=world.start_s,
            flash_file=flash,
            serial=self.serial,
            stock_partitions=stock_partitions,
        )
        self.emulated.flash.before_change = self._before_change
        self._thread = threading.Thread(target=self._run, name="board")

    def _before_change(self, _address: int, data: bytes | None) -> None:
        self.changes += 1
        if self.changes == self._cut_at:
            self.emulated.stop()
            raise PowerCut(0 if data is None else len(data) // 2)

    def _run(self) -> None:
        self.emulated.run(lambda: self._done or not self.emulated.powered)
        if not self.emulated.powered:
            self.emulated.serial = None  # as when the plug is pulled: the port is gone
            self.serial.close()

    @property
    def cut(self) -> bool:
        """Whether the power was cut."""
        return not self.emulated.powered

    def __enter__(self) -> Self:
        self.emulated.power_on()
        self._thread.start()
        deadline = time.monotonic() + LIMIT_S  # a Ctrl-C while the board boots is lost, as on silicon
        while not (b"hadeda: " in self.emulated.output or b">>> " in self.emulated.output or self.cut):
            assert time.monotonic() < deadline, f"the board does not boot: {bytes(self.emulated.output)!r}"
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._done = True
        self.emulated.stop()
        self._thread.join()
        self.emulated.close()
