"""What a board.toml must satisfy beyond its shape: pins against the chip and the headers, buses, addresses, parts.

Every rule is a function that yields `Problem`s; `problems` runs them all, so that one run of `hadeda board show`
reports everything there is to put right.
"""

from collections.abc import Iterator
from itertools import chain

from hadeda.board.chips import CHIPS, Chip
from hadeda.board.parts import Part
from hadeda.board.problems import Problem, close_to
from hadeda.board.road_users import sharing
from hadeda.board.schema import Board, Bus, GpioBus, I2cBus, Sensor, UartBus

CONSOLE_UART = 0
POINT_TO_POINT = ("uart", "gpio")  # kinds of bus with one part and no addresses
SLOTS = 2  # of firmware: while one runs, the next is written beside it


def problems(board: Board, parts: dict[str, Part]) -> list[Problem]:
    """Everything that is wrong with a board of the right shape, in the order of the file."""
    chip = CHIPS.get(board.chip)
    if chip is None:
        return [Problem("", "chip", f"no chip {board.chip!r}", close_to(board.chip, list(CHIPS)))]
    return list(
        chain(
            _image(board, chip),
            _budgets(board),
            _pins(board, chip),
            _led(board, chip),
            _pin_conflicts(board),
            _pulls(board, chip),
            _controllers(board, chip),
            _rates(board, chip, parts),
            _unused_buses(board),
            _sensors(board, parts),
            _identity(board, parts),
            _sharing(board, parts),
            _channels(board, parts),
            _classes(board, parts),
            _sleep(board, parts),
        )
    )


def _image(board: Board, chip: Chip) -> Iterator[Problem]:
    """A generic image is made for one chip; a maker's own image is taken on trust."""
    image = board.micropython.image.split("-")[0]
    generic = {other.image for other in CHIPS.values()}
    if image != chip.image and image in generic:
        yield Problem("[micropython]", "image", f"{image} is not made for {chip.title}", f"use {chip.image}")
    if board.micropython.oldest < (1, 24):
        yield Problem("[micropython]", "min_version", "the firmware needs MicroPython 1.24", 'say "1.24" or later')


def _budgets(board: Board) -> Iterator[Problem]:
    firmware = SLOTS * board.budgets.firmware_kb
    asked = firmware + board.budgets.outbox_kb
    if asked > board.filesystem_kb:
        yield Problem(
            "[budgets]",
            "outbox_kb",
            f"two slots of firmware and the outbox ask for {asked} KB, the file system of a {board.flash_mb} MB flash "
            f"has {board.filesystem_kb} KB",
            f"at most {max(board.filesystem_kb - firmware, 0)} are left for the outbox",
        )


def _wired(board: Board) -> Iterator[tuple[str, str, int, bool]]:
    """Every pin a bus takes: table, key, GPIO, whether the chip drives it."""
    for name, bus in board.buses.items():
        for key, (pin, drives) in bus.pins().items():
            yield f"[bus.{name}]", key, pin, drives


def _pins(board: Board, chip: Chip) -> Iterator[Problem]:
    led_out = {label for labels in board.headers.values() for label in labels if isinstance(label, int)}
    usable = [
        pin for pin in chip.free(drives=False) if (not led_out or pin in led_out) and str(pin) not in board.onboard
    ]
    for table, key, pin, drives in _wired(board):
        choose = "use one of " + ", ".join(str(pin) for pin in usable if not chip.why_not(pin, drives))
        if reason := chip.why_not(pin, drives):
            yield Problem(table, key, reason, choose)
        elif use := board.onboard.get(str(pin)):
            yield Problem(table, key, f"GPIO{pin} is taken on this board: {use}", choose)
        elif led_out and pin not in led_out:
            yield Problem(table, key, f"GPIO{pin} is on none of the board's headers", choose)


def _led(board: Board, chip: Chip) -> Iterator[Problem]:
    """The board's maker may have put it on a pin that is fit for no bus; a soldered one needs a pin one can reach."""
    if board.led is None:
        return
    pin, own = board.led.pin, str(board.led.pin) in board.onboard
    wired = {taken: f"{table} {key}" for table, key, taken, _drives in _wired(board)}
    led_out = {label for labels in board.headers.values() for label in labels if isinstance(label, int)}
    reason = chip.why_not(pin, drives=True)
    if reason and not (own and pin in chip.strapping):
        yield Problem("[led]", "pin", reason, "use a pin that the chip can drive")
    elif pin in wired and not own:  # a bus on a pin of the board's own is a problem of that bus
        yield Problem("[led]", "pin", f"GPIO{pin} is already {wired[pin]}", "give each its own pin")
    elif led_out and pin not in led_out and not own:
        what = f"GPIO{pin} is on none of the board's headers"
        yield Problem("[led]", "pin", what, "list it under [onboard] if the board's own LED is there")


def _pin_conflicts(board: Board) -> Iterator[Problem]:
    owner: dict[int, str] = {}
    for table, key, pin, _drives in _wired(board):
        if pin in owner:
            yield Problem(table, key, f"GPIO{pin} is already {owner[pin]}", "give each its own pin")
        else:
            owner[pin] = f"{table} {key}"


def _pulls(board: Board, chip: Chip) -> Iterator[Problem]:
    """A plain input that nobody pulls reads whatever is in the air."""
    for name, bus in board.buses.items():
        if isinstance(bus, GpioBus) and bus.pull == "internal" and bus.pin in chip.input_only:
            what = f"GPIO{bus.pin} is input-only on {chip.title} and has no pull-up of its own"
            yield Problem(f"[bus.{name}]", "pull", what, 'put a resistor to 3V3 there and say "external"')


def _controllers(board: Board, chip: Chip) -> Iterator[Problem]:
    owner: dict[tuple[str, int], str] = {}
    for name, bus in board.buses.items():
        if isinstance(bus, GpioBus):  # every pin is one
            continue
        table = f"[bus.{name}]"
        count = chip.i2c_count if isinstance(bus, I2cBus) else chip.uart_count
        first = 0 if isinstance(bus, I2cBus) else CONSOLE_UART + 1
        kind = bus.kind.upper()
        use = f"use {first} to {count - 1}" if count - 1 > first else f"use {first}, it has no other"
        if isinstance(bus, UartBus) and bus.id == CONSOLE_UART:
            yield Problem(table, "id", "UART0 is the console", use)
        elif bus.id >= count:
            yield Problem(table, "id", f"{chip.title} has no {kind}{bus.id}", use)
        elif (bus.kind, bus.id) in owner:
            yield Problem(table, "id", f"{kind}{bus.id} is already {owner[bus.kind, bus.id]}", "give each its own")
        owner.setdefault((bus.kind, bus.id), table)


def _rates(board: Board, chip: Chip, parts: dict[str, Part]) -> Iterator[Problem]:
    """The bus is no faster than the chip and each part on it, and a UART speaks the part's baud rate."""
    for name, bus in board.buses.items():
        table = f"[bus.{name}]"
        rows = [parts[sensor.part] for sensor in board.wired if sensor.bus == name and sensor.part in parts]
        if isinstance(bus, I2cBus):
            limits = [(chip.i2c_max_hz, chip.title), *((row.max_freq_hz, row.title) for row in rows if row.max_freq_hz)]
            limit, whose = min(limits)
            if bus.freq_hz > limit:
                yield Problem(table, "freq_hz", f"{bus.freq_hz} is more than {whose} allows", f"at most {limit}")
        if not isinstance(bus, UartBus):
            continue
        limit = chip.uart_max_baud
        if bus.baud > limit:
            yield Problem(table, "baud", f"{bus.baud} is more than {chip.title} allows", f"at most {limit}")
        for row in rows:
            if row.baud not in (None, bus.baud):
                what = f"the {row.title} speaks {row.baud} baud, not {bus.baud}"
                yield Problem(table, "baud", what, f"say {row.baud}")


def _unused_buses(board: Board) -> Iterator[Problem]:
    used = {sensor.bus for sensor in board.wired}
    for name in board.buses:
        if name not in used:
            yield Problem(f"[bus.{name}]", "", "no sensor uses this bus", "take it out, or put a sensor on it")


def _table(index: int) -> str:
    return f"[[sensor]] {index + 1}"


def _sensors(board: Board, parts: dict[str, Part]) -> Iterator[Problem]:
    for index, sensor in enumerate(board.sensors):
        table = _table(index)
        row, bus = parts.get(sensor.part), board.buses.get(sensor.bus or "")
        if row is None:
            yield Problem(table, "part", f"no part {sensor.part!r} in parts.toml", close_to(sensor.part, list(parts)))
        elif row.kind == "identity":
            what = f"the {row.title} measures nothing"
            yield Problem(table, "part", what, f'say identity = "{sensor.part}" at the top of the file')
        if row is not None and row.bus is None:
            yield from _own_radio(table, sensor, row)
        elif sensor.bus is None:
            yield Problem(table, "bus", "is missing", "add it")
        elif bus is None:
            yield Problem(table, "bus", f"no bus {sensor.bus!r}", close_to(sensor.bus, list(board.buses)))
        if row is not None and bus is not None and row.bus != bus.kind:
            what = f"the {row.title} is wired to {row.bus}, {sensor.bus!r} is {bus.kind}"
            yield Problem(table, "bus", what, "choose another bus")
        else:
            yield from _address(table, sensor, row, bus)
        if row is not None:
            yield from _period(table, sensor, row)


def _identity(board: Board, parts: dict[str, Part]) -> Iterator[Problem]:
    """The secure element needs an I2C bus, and its address on it for itself."""
    element = board.element
    if element is None:
        return
    title = parts[element.part].title if element.part in parts else element.part
    if element.bus is None:
        yield Problem("", "identity", f"the {title} is on I2C, and the board has no such bus", "add one, or say flash")
    for index, sensor in enumerate(board.sensors):
        if (sensor.bus, sensor.address) == (element.bus, element.address) and sensor.part != element.part:
            what = f"0x{element.address:02x} on {element.bus!r} belongs to the {title}, which has the identity key"
            yield Problem(_table(index), "address", what, "use another address or bus")


def _own_radio(table: str, sensor: Sensor, row: Part) -> Iterator[Problem]:
    """What needs no wires is on no bus."""
    for key, given in (("bus", sensor.bus), ("address", sensor.address)):
        if given is not None:
            yield Problem(table, key, f"the {row.title} is in the chip and not on a bus", "take it out")


def _address(table: str, sensor: Sensor, row: Part | None, bus: Bus | None) -> Iterator[Problem]:
    kind = bus.kind if bus is not None else row.bus if row is not None else None
    if kind in POINT_TO_POINT and sensor.address is not None:
        yield Problem(table, "address", f"a part on a {kind.upper()} has no address", "take it out")
    if kind != "i2c" or row is None:
        return
    possible = " or ".join(f"0x{address.value:02x}" for address in row.address)
    if sensor.address is None:
        yield Problem(table, "address", "is missing", f"the {row.title} answers at {possible}")
    elif sensor.address not in {address.value for address in row.address}:
        yield Problem(
            table, "address", f"the {row.title} cannot answer at 0x{sensor.address:02x}", f"it can be {possible}"
        )


def _period(table: str, sensor: Sensor, row: Part) -> Iterator[Problem]:
    if row.streams and sensor.period_s != 0:
        yield Problem(table, "period_s", f"the {row.title} speaks by itself and is not read", "say 0")
    if not row.streams and sensor.period_s < row.min_period_s:
        yield Problem(
            table,
            "period_s",
            f"{sensor.period_s} is too often for the {row.title}",
            f"at least {row.min_period_s}; 0 is for parts that speak by themselves",
        )


def _sharing(board: Board, parts: dict[str, Part]) -> Iterator[Problem]:
    """Two parts on one I2C address, on one UART or one pin, or two for the one radio."""
    taken: dict[tuple[str | None, int | None], str] = {}
    for index, sensor in enumerate(board.sensors):
        row = parts.get(sensor.part)
        if row is not None and row.bus is None:
            owner = taken.setdefault((None, None), f"{_table(index)} ({sensor.part})")
            if not owner.startswith(f"{_table(index)} "):
                yield Problem(_table(index), "part", f"the radio already belongs to {owner}", "keep one of the two")
            continue
        bus = board.buses.get(sensor.bus or "")
        if bus is None or (bus.kind == "i2c" and sensor.address is None):
            continue
        place = (sensor.bus, sensor.address if bus.kind == "i2c" else None)
        if place not in taken:
            taken[place] = f"{_table(index)} ({sensor.part})"
        elif bus.kind in POINT_TO_POINT:
            what = f"{sensor.bus!r} already belongs to {taken[place]}"
            yield Problem(_table(index), "bus", what, f"one part for each {bus.kind.upper()}")
        else:
            spare = [address.value for address in row.address if address.value != sensor.address] if row else []
            yield Problem(
                _table(index),
                "address",
                f"0x{sensor.address:02x} on {sensor.bus!r} already belongs to {taken[place]}",
                f"use 0x{spare[0]:02x}" if spare else "use another bus",
            )


def _channels(board: Board, parts: dict[str, Part]) -> Iterator[Problem]:
    """The report has each channel once."""
    measured: dict[str, str] = {}
    for index, sensor in enumerate(board.sensors):
        row = parts.get(sensor.part)
        channels = row.channels if row is not None else ()
        if twice := [name for name in channels if name in measured]:
            what = f"{twice[0]} is already measured by {measured[twice[0]]}"
            yield Problem(_table(index), "part", what, "the report has each channel once: keep one of the two")
        for name in channels:
            measured.setdefault(name, f"{_table(index)} ({sensor.part})")


def counted(sensor: Sensor, row: Part) -> tuple[str, ...]:
    """The road users that a sensor counts."""
    return row.classes if sensor.classes is None else sensor.classes


def _classes(board: Board, parts: dict[str, Part]) -> Iterator[Problem]:
    """Each road user is counted by one sensor, or one passage would be counted twice."""
    owner: dict[str, str] = {}
    for index, sensor in enumerate(board.sensors):
        table, row = _table(index), parts.get(sensor.part)
        if row is None:
            continue
        for name in sensor.classes or ():
            if name not in row.classes:
                possible = f"it tells {', '.join(row.classes)}" if row.classes else "take it out"
                yield Problem(table, "classes", f"the {row.title} cannot tell {name!r}", possible)
        mine = [name for name in counted(sensor, row) if name in row.classes]
        for name in mine:
            for other in (name, *sharing(name)):
                if other in owner:
                    what = f"{name!r} is already counted by {owner[other]}"
                    what += "" if other == name else f", as {other!r}"
                    yield Problem(table, "classes", what, "say in `classes` which sensor counts what")
                    break
        for name in mine:
            owner.setdefault(name, f"{table} ({sensor.part})")


def _sleep(board: Board, parts: dict[str, Part]) -> Iterator[Problem]:
    """Who sleeps deeply hears nothing meanwhile and forgets: only what is read at a period can be on such a board."""
    for index, sensor in enumerate(board.sensors):
        row = parts.get(sensor.part)
        if board.sleep is None or row is None or not row.stays_awake:
            continue
        needs = "be listened to all the time" if row.streams else "be compared with what it said last"
        what = f"the {row.title} has to {needs}, and [sleep] has the chip sleep deeply"
        yield Problem(_table(index), "part", what, "take out one of the two")
