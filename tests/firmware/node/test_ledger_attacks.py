"""The city plays with every key but the second, and with clock and power: no passage out twice, nothing out unpaid."""

import asyncio

from firmware.city_pen import Pen, floor_map
from firmware.fakes import Random, SelfRunningClock, cells_of, raises
from firmware.node.test_boot import EPSILON, FLOOR, PLAIN, _board, _enrol
from firmware.node.test_boot import PEN as CITY

from envelope import cbor, labels
from node import accept
from node.errors import PolicyRefused

DAY_MS = 86400000
YEAR_MS = 365 * DAY_MS
CELLS = {1: ["vehicle"], 2: ["approaching", "receding"], 3: [30, 50, 70]}
OTHER_CELLS = {1: ["vehicle"], 2: ["receding"], 3: []}
THIEF = Pen(b"t")


class Interrupted(Exception):
    """The power is off."""


class Driven(SelfRunningClock):
    """Calls `tick` whenever the node sleeps."""

    def __init__(self):
        super().__init__()
        self.tick = None

    async def sleep_ms(self, milliseconds):
        await super().sleep_ms(milliseconds)
        if self.tick is not None:
            self.tick()


class Notes:
    """In the place of the sealer: keeps the reports as they would be sealed."""

    def __init__(self):
        self.reports = []

    def seal(self, plaintext):
        self.reports.append(cbor.decode(plaintext))
        return (b"sealed",)


def _stage(**policy):
    """(board, notes); boot it with _boot."""
    board = _board(**policy)
    _enrol(board)
    board.clock = Driven()
    return board, Notes()


def _boot(board, notes):
    pipeline = board.boot()
    pipeline.sealer = notes
    return pipeline


def _pass_by(pipeline, speed_kmh):
    """A vehicle, past the radar; False in safe mode, where nobody looks."""
    outputs = pipeline.sampler._outputs
    if outputs:
        outputs[1].passage("vehicle", "receding", speed_kmh)
    return bool(outputs)


# What starts the board again


def _power_cut(board, _pipeline):
    board.power.cut()


def _dip(board, _pipeline):
    """Too short for RTC memory: the node takes it for a crash, as it must."""
    board.power.cause = 1


def _reboot_command(_board, pipeline):
    pipeline.boots.reset()


def _released(report):
    return [count for count in cells_of(report) if count > 0]


def _check_paid(reports, epsilon_day):
    """In the order of the reports of one ledger day: what is told is paid for, and never above a day's."""
    paid = 0
    for report in reports:
        _version, epsilon, spent, _unit = report[labels.REPORT_PRIVACY]
        paid += epsilon
        assert spent >= paid
        assert spent <= epsilon_day
        assert not _released(report) or epsilon == EPSILON
        assert not _released(report) or report[labels.REPORT_WINDOW] >= FLOOR["window"] - 2
    return paid


# The clock


STEPS = ("open", "spend", "release", "seal", "append", "due")


def _jumping(board, pipeline, step, jump_ms):
    """Let the clock jump while this step of the first window is taken."""
    owner = {
        "open": pipeline.minimiser,
        "spend": pipeline.ledger,
        "release": pipeline.minimiser,
        "seal": pipeline.sealer,
        "append": pipeline.store,
        "due": pipeline.sender,
    }[step]
    call = getattr(owner, step)
    jumped = []

    def wrapped(*args):
        if not jumped:
            jumped.append(1)
            board.clock.set_unix_ms(board.clock.unix_ms() + jump_ms)
        return call(*args)

    setattr(owner, step, wrapped)


def test_the_clock_may_jump_a_day_back_or_a_year_ahead_at_any_step_and_the_ledger_holds():
    for step in STEPS:
        for jump_ms in (-DAY_MS, YEAR_MS):
            board, notes = _stage(epsilon_day=3 * EPSILON)
            pipeline = _boot(board, notes)
            _jumping(board, pipeline, step, jump_ms)
            cars = []

            def pass_by(pipeline=pipeline, cars=cars):
                cars.append(1)
                pipeline.sampler._outputs[1].passage("vehicle", "receding", 40)

            board.clock.tick = pass_by
            for _ in range(6):
                asyncio.run(pipeline.one_window())
            assert len(notes.reports) == 6, (step, jump_ms)
            assert _check_paid(notes.reports, 3 * EPSILON) == pipeline.ledger.spent == 3 * EPSILON
            told = [sum(_released(report)) for report in notes.reports]
            assert 0 < sum(told) <= len(cars), (step, jump_ms, told)
            assert max(told) <= 12, "passages of two windows in one report"
            for report in notes.reports:
                assert 1 <= report[labels.REPORT_WINDOW] <= 86400


# Everything at once


class Play:
    """One node, and a city that does what it likes at random between two ticks."""

    def __init__(self, seed):
        self.random = Random(seed)
        self.board, self.notes = _stage(epsilon_day=12 * EPSILON)
        self.pipeline = _boot(self.board, self.notes)
        self.board.clock.tick = self.tick
        self.version = 1
        self.cars = 0
        self.refused = 0
        self.played = {}

    def tick(self):
        for _ in range(self.random.below(3)):
            self.cars += _pass_by(self.pipeline, self.random.below(120))
        for chance, move in (
            (30, self.report_now),
            (25, self.other_policy),
            (40, self.other_period),
            (40, self.set_clock),
            (40, self.start_again),
            (80, self.looser_floor),
            (120, self.ratchet),
        ):
            if self.random.below(chance) == 0:
                self.played[move.__name__] = self.played.get(move.__name__, 0) + 1
                move()

    def report_now(self):
        self.pipeline.report_now()

    def other_policy(self):
        """Cells that overlap those before, another window: in turn."""
        self.version += 1
        content = dict(PLAIN)
        content.update({"version": self.version, "epsilon_day": 12 * EPSILON})
        content["cells"] = (CELLS, OTHER_CELLS)[self.version % 2]
        content["window"] = (60, 120, 300)[self.random.below(3)]
        keychain = self.pipeline.keychain
        policy, floor = accept.by_command(keychain.secrets, {1: CITY.policy(**content)})
        keychain.set_policy(policy, floor, keychain.command + 1)

    def other_period(self):
        keychain = self.pipeline.keychain
        keychain.set_window_s((60, 120, 180, 600)[self.random.below(4)], keychain.command + 1)

    def set_clock(self):
        clock = self.board.clock
        jump_ms = (-DAY_MS, YEAR_MS, -1500, 1500, 40000, -40000)[self.random.below(6)]
        clock.set_unix_ms(clock.unix_ms() + jump_ms)

    def start_again(self):
        (_power_cut, _dip, _reboot_command)[self.random.below(3)](self.board, self.pipeline)
        raise Interrupted

    def looser_floor(self):
        secrets = self.pipeline.keychain.secrets
        content = dict(FLOOR)
        content.update({"version": 2, "epsilon_day": 2000000000, "window": 60, "sources": []})
        signed = CITY.floor(**content)
        for released in (
            None,
            CITY.release(self.pipeline.keychain.node_id, labels.ROLE_POLICY, **content),
            CITY.release(self.pipeline.keychain.node_id, labels.ROLE_COMMAND, **content),
            THIEF.release(self.pipeline.keychain.node_id, **content),
        ):
            arguments = {2: signed} if released is None else {2: signed, 3: released}
            raises(PolicyRefused, accept.by_command, secrets, arguments)
            self.refused += 1

    def ratchet(self):
        self.pipeline.keychain.ratchet()

    def live(self, windows):
        for _ in range(windows):
            before = self.cars
            try:
                asyncio.run(self.pipeline.one_window())
            except Interrupted:
                self.pipeline = _boot(self.board, self.notes)
                continue
            told = _released(self.notes.reports[-1])
            assert not told or sum(told) == self.cars - before, "not the passages of this window"


def test_the_city_plays_with_every_key_but_the_second_and_the_ledger_holds():
    moves = {}
    full = 0
    for seed in range(1, 7):
        play = Play(seed)
        floor = play.pipeline.keychain.secrets.floor
        play.live(40)
        reports = play.notes.reports
        paid = _check_paid(reports, 12 * EPSILON)
        # The power may have failed after a window was paid for, never before
        assert paid <= play.pipeline.ledger.spent
        full += play.pipeline.ledger.spent == 12 * EPSILON
        told = sum(sum(_released(report)) for report in reports)
        assert 0 < told <= play.cars, (seed, told, play.cars)
        assert play.pipeline.keychain.secrets.floor == floor == cbor.encode(floor_map(**FLOOR))
        for report in reports:
            cells = 8 if report[labels.REPORT_PRIVACY][0] % 2 == 0 or report[labels.REPORT_PRIVACY][0] == 1 else 1
            assert len(cells_of(report)) == cells, "cells of one policy under the name of another"
        for move in play.played:
            moves[move] = moves.get(move, 0) + play.played[move]
    assert len(moves) == 7, moves
    assert full >= 1, "the budget was never used up: this test sees nothing"


def _started_again_and_again(start_again):
    """(notes, pipelines) of a node that lives 40 s at a time, less than the floor's window."""
    board, notes = _stage(window=300)
    ticks = []

    def tick():
        _pass_by(pipelines[-1], 40)
        ticks.append(1)
        if len(ticks) % 8 == 0:
            start_again(board, pipelines[-1])
            raise Interrupted

    pipelines = [_boot(board, notes)]
    board.clock.tick = tick
    for _ in range(60):
        before = pipelines[-1].ledger.spent
        try:
            asyncio.run(pipelines[-1].one_window())
        except Interrupted:
            pipelines.append(_boot(board, notes))
        assert pipelines[-1].ledger.spent == before
    assert len(pipelines) > 50
    board.clock.tick = None
    return notes, pipelines


def test_reboots_within_a_window_release_nothing_and_buy_nothing():
    for start_again in (_power_cut, _dip, _reboot_command):
        notes, pipelines = _started_again_and_again(start_again)
        assert [_released(report) for report in notes.reports] == [[] for _ in notes.reports]
        safe = [pipeline.boots.safe for pipeline in pipelines]
        if start_again is _dip:
            assert safe[:8] == [0, 0, 0, labels.RESET_BROWN_OUT, 0] + 3 * [labels.RESET_BROWN_OUT]
        else:
            assert not any(safe), "who cuts the power or commands a reboot switches no sensor off"
        asyncio.run(pipelines[-1].one_window())
        asyncio.run(pipelines[-1].one_window())
        assert _released(notes.reports[-1]) == []
        # A whole window is paid for, and nothing where nobody looked
        assert pipelines[-1].ledger.spent >= EPSILON or safe[-1]


def test_what_waits_between_two_policies_is_counted_under_neither_twice():
    """A command may come at any moment of a window; its passages are all told under the policy the report names."""
    board, notes = _stage()
    pipeline = _boot(board, notes)
    keychain = pipeline.keychain
    state = {"ticks": 0, "version": 1}

    def tick():
        state["ticks"] += 1
        pipeline.sampler._outputs[1].passage("vehicle", "receding", 40)
        if state["ticks"] % 5 == 0:
            state["version"] += 1
            content = dict(PLAIN)
            content.update({"version": state["version"], "cells": (CELLS, OTHER_CELLS)[state["version"] % 2]})
            arguments = {1: CITY.policy(**content)}
            keychain.set_policy(accept.by_command(keychain.secrets, arguments)[0], keychain.secrets.floor, 1)

    board.clock.tick = tick
    for _ in range(12):
        before = state["ticks"]
        asyncio.run(pipeline.one_window())
        report = notes.reports[-1]
        assert sum(_released(report)) == state["ticks"] - before
        assert len(cells_of(report)) == (8 if pipeline.policy.version in (1,) else len(_cells(pipeline)))
        assert report[labels.REPORT_PRIVACY][0] == pipeline.policy.version
    assert state["version"] > 12


def _cells(pipeline):
    policy = pipeline.policy
    return range(len(policy.classes) * len(policy.directions) * (len(policy.edges) + 1))


def test_one_window_is_sealed_and_stored_once_as_it_was_noised():
    board, notes = _stage()
    pipeline = _boot(board, notes)
    stored = []
    pipeline.store.append = stored.append
    drawn = []
    generate = pipeline.drbg.generate

    def drawing(count):
        drawn.append(pipeline.minimiser._noise is None)
        return generate(count)

    pipeline.drbg.generate = drawing
    board.clock.tick = lambda: pipeline.sampler._outputs[1].passage("vehicle", "receding", 40)
    for _ in range(3):
        asyncio.run(pipeline.one_window())
    assert (len(notes.reports), stored) == (3, [b"sealed"] * 3)
    # Only while a window opens: nothing is drawn once it has noise
    assert drawn
    assert all(drawn)
