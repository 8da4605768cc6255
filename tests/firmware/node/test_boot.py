"""The whole node on a board of stand-ins: enrolled over the REPL, windows to sealed reports, resets in between."""

import asyncio
from binascii import hexlify, unhexlify

from firmware.board_fakes import Board
from firmware.city_pen import Address, Led, Pen, floor_map, topic
from firmware.fakes import Flash, PowerCut, SelfRunningClock, Uart, cells_of, raises
from firmware.key_sectors import KeySectors
from firmware.opened_ready import OpenedReady

from envelope import cbor, cose, ecdh, ecdsa, keys, labels
from envelope.drbg import Drbg
from envelope.errors import Rejected
from node import build, counter
from node.errors import NodeError, Unprovisioned
from node.keystore import open_keystore
from node.ledger import LOST

HOST = Drbg(b"h" * 32)
PEN = Pen()
COLLECTOR = PEN.keys[labels.ROLE_COLLECTOR]
COLLECTOR_PRIVATE, COLLECTOR_PUBLIC = COLLECTOR
NONCE = b"n" * 16
ENTROPY_HEX = "5a" * 32
NONCE_HEX = hexlify(NONCE).decode()
WINDOW_S = 60
EPSILON = 10000000


def _pms_frame():
    body = b"BM\x00\x1c"
    for value in (9, 9, 9, 5, 9, 14, 1, 2, 3, 4, 5, 6, 0x9700):
        body += value.to_bytes(2, "big")
    return body + sum(body).to_bytes(2, "big")


def _pms():
    uart = Uart()

    def answer(data):
        if data[2] == 0xE2:
            uart.arrive(_pms_frame())

    uart.on_write = answer
    return uart


def _radar():
    uart = Uart()

    def answer(data):
        uart.arrive(b"\xfd\xfc\xfb\xfa\x04\x00" + bytes((data[6], 1, 0, 0)) + b"\x04\x03\x02\x01")

    uart.on_write = answer
    return uart


def _car(radar, metre):
    """What the radar says in a second of a car that comes nearer at 36 km/h: ten frames."""
    for tenth in range(10):
        target = bytes((metre - tenth, 1, 36, 20))
        radar.arrive(b"\xf4\xf3\xf2\xf1\x07\x00\x01\x01\x80" + target + b"\xf8\xf7\xf6\xf5")


# Noise that is hardly ever there, so that a test can count cars
PLAIN = {"window": WINDOW_S, "k": 1, "epsilon_release": EPSILON, "epsilon_day": 200 * EPSILON}
FLOOR = {"window": WINDOW_S, "k": 1, "epsilon_release": EPSILON, "epsilon_day": 200 * EPSILON}


def _config(topic="hadeda/up", pen=PEN, **policy):
    content = dict(PLAIN)
    content.update(policy)
    return {
        "board": "esp32-s3-devkitc-1",
        "version": 3,
        "wifi": {"ssid": "", "password": ""},
        "broker": {"host": "broker", "port": 1883, "topic": topic},
        "ntp": "",
        "authorities": pen.authorities,
        "buses": {
            "uart1": {"kind": "uart", "id": 1, "tx": 17, "rx": 18, "baudrate": 9600},
            "uart2": {"kind": "uart", "id": 2, "tx": 15, "rx": 16, "baudrate": 115200},
        },
        "sensors": [
            {"part": "pms5003", "bus": "uart1", "period_s": 5},
            {"part": "ld2451", "bus": "uart2", "period_s": 0},
        ],
        "floor": cbor.encode(floor_map(**FLOOR)),
        "policy": pen.policy(**content),
    }


def _board(sectors=False, **policy):
    flash = Flash()
    partition = KeySectors(flash) if sectors else None
    board = Board({("uart", 1): _pms(), ("uart", 2): _radar()}, partition, flash)
    board.flash.files["/config.cbor"] = cbor.encode(_config(**policy))
    return board


class Registered:
    """What the city knows of a node after its enrolment message."""

    def __init__(self, message):
        payload = cbor.decode(cbor.decode(message, (labels.TAG_SIGN1,)).value[2])
        self.public = payload[labels.ENROL_IDENTITY]
        verifier = ecdsa.Verifier(self.public)
        aad = cbor.encode([labels.PROFILE, "enrol"])
        self.payload = cbor.decode(cose.open_sign1(message, aad, verifier))
        z = ecdh.agree(COLLECTOR_PRIVATE, self.payload[labels.ENROL_EPHEMERAL], HOST)
        self.node_id = keys.thumbprint(self.public)
        self.collector_id = keys.thumbprint(COLLECTOR_PUBLIC)
        self.root = keys.root(z, self.payload[labels.ENROL_NONCE], self.node_id, self.collector_id)
        self.verifier = verifier
        self.use(1)

    def use(self, epoch, root=None):
        """Expect messages of this epoch, under that root key."""
        self.root = root or self.root
        self.epoch = epoch
        self.keys = self.epoch_keys = keys.epoch(self.root, epoch)

    def ratchet(self):
        self.use(self.epoch + 1, keys.next_root(self.root))

    def topic(self):
        return topic(self.keys)

    def open(self, sealed):
        """(sequence, report)"""
        sequence, payload = cose.open(
            sealed, self.keys, self.epoch, labels.DIRECTION_UP, self.node_id, self.collector_id, self.verifier
        )
        return sequence, cbor.decode(payload)


def _enrol(board):
    enrol = board.repl()
    enrol.begin(ENTROPY_HEX, NONCE_HEX)
    word, message = board.lines.pop().split()
    assert word == "ENROL"
    registered = Registered(unhexlify(message))
    enrol.commit()
    assert board.lines.pop() == "ENROLLED " + hexlify(registered.node_id).decode()
    return registered


def _run_windows(board, windows, during=None, rest_s=8):
    """Boot the node and let so many windows go by, and the last slot after them."""

    async def scene():
        pipeline = board.boot()
        task = asyncio.create_task(pipeline.run())
        for second in range(windows * WINDOW_S + rest_s):
            if during is not None:
                during(second)
            await board.clock.advance(1000, 200)
        pipeline.sampler.stop()
        pipeline.sender.stop()
        task.cancel()
        await asyncio.sleep(0)
        return pipeline

    return asyncio.run(scene())


def test_flash_that_fails_at_boot_starts_the_board_again():
    for where in ("read", "find"):
        board = _board(sectors=True)
        _enrol(board)

        def failing(*_):
            raise OSError(5)

        main = board.wired()
        if where == "read":
            board.partition.read = failing
        else:
            build.KeyPartition.find = failing
        main.Files = lambda board=board: board.flash
        main.Clock = SelfRunningClock
        printed = []
        main.print = lambda *words, printed=printed: printed.append(words)
        asyncio.run(main._run())
        assert (board.power.resets, board.power.watched) == (1, True)
        assert printed[0][0] == "hadeda: starting again after:"


def test_an_unprovisioned_board_is_left_to_the_repl():
    board = _board()
    main = board.wired()
    main.Files = lambda: board.flash
    main.Clock = SelfRunningClock
    raises(Unprovisioned, asyncio.run, main._run())
    assert (board.power.resets, board.power.watched) == (0, False)


def test_who_finds_the_board_at_the_repl_and_resets_it_has_not_crashed_it():
    for reason in (KeyboardInterrupt(), Unprovisioned("no identity"), NodeError("stopped")):
        board = _board()
        _enrol(board)
        main = board.wired()

        class Loops:
            def run(node, main=main, board=board, reason=reason):
                node.close()
                main.Boots(board.flash, board.power)
                raise reason

            def new_event_loop():
                pass

        class Watchdog:
            started = False

        main.asyncio = Loops
        board.power.Watchdog = Watchdog
        for _ in range(5):
            main.start()
            board.power.reset()  # as provisioning ends
        boots = main.Boots(board.flash, board.power)
        assert (boots.count, boots.cause, boots.safe) == (6, 2, 0)
        main.asyncio = asyncio


def test_enrolment_message_says_who_where_and_for_whom():
    board = _board()
    registered = _enrol(board)
    assert registered.payload[labels.ENROL_BOARD] == "esp32-s3-devkitc-1"
    assert registered.payload[labels.ENROL_NONCE] == NONCE
    assert registered.payload[labels.ENROL_COLLECTOR] == registered.collector_id
    assert registered.payload[labels.ENROL_FIRMWARE].count(".") == 2


def test_status_follows_the_enrolment():
    board = _board()
    enrol = board.repl()
    enrol.status()
    enrol.begin(ENTROPY_HEX, NONCE_HEX)
    enrol.status()
    enrol.commit()
    enrol.status()
    words = [line.split()[:2] for line in board.lines]
    assert [words[0], words[2][:2][0], words[4][:2]] == [["STATUS", "unprovisioned"], "STATUS", ["STATUS", "enrolled"]]
    assert words[2][1] == "pending"


def test_an_aborted_enrolment_leaves_the_node_unprovisioned():
    board = _board()
    board.repl().begin(ENTROPY_HEX, NONCE_HEX)
    raises(Unprovisioned, board.boot)


def test_a_commit_may_be_repeated_and_interrupted():
    for sectors in (False, True):
        cut = 0
        interrupted = True
        while interrupted:
            board = _board(sectors)
            enrol = board.repl()
            enrol.begin(ENTROPY_HEX, NONCE_HEX)
            board.flash.cut_after(cut)
            try:
                enrol.commit()
                interrupted = False
            except PowerCut:
                cut += 1
            board.flash.power_on()
            enrol.commit()
            enrol.commit()
            board.boot()
        assert cut >= 3


def test_begin_refuses_too_little_entropy_and_a_wrong_nonce():
    enrol = _board().repl()
    raises(NodeError, enrol.begin, "00" * 31, NONCE_HEX)
    raises(NodeError, enrol.begin, ENTROPY_HEX, "00" * 15)


def test_windows_become_reports_that_the_city_can_open():
    board = _board()
    registered = _enrol(board)
    radar = board.buses["uart", 2]

    def drive(second):
        if 10 <= second < 19:
            _car(radar, 95 - (second - 10) * 10)

    _run_windows(board, 3, drive)
    assert len(board.city.messages) == 3
    opened = [registered.open(sealed) for sealed in board.city.messages]
    assert [sequence for sequence, _ in opened] == [0, 1, 2]
    reports = [report for _, report in opened]
    start = board.clock.offset_ms // 1000 + 1
    assert [report[labels.REPORT_START] for report in reports] == [start, start + 60, start + 120]
    assert [report[labels.REPORT_WINDOW] for report in reports] == [60, 60, 60]
    assert reports[1][labels.REPORT_AIR][5] == [reports[1][labels.REPORT_AIR][5][0], 90, 0, 0]
    assert cells_of(reports[0]) == [-1, 1, -1, -1, -1, -1, -1, -1]
    assert cells_of(reports[1]) == [labels.WITHHELD_BELOW_K] * 8
    spent = [report[labels.REPORT_PRIVACY] for report in reports]
    assert spent == [[1, EPSILON, number * EPSILON, 1] for number in (1, 2, 3)]
    assert labels.REPORT_FAULTS not in reports[1]
    assert reports[2][labels.REPORT_HEALTH][0] == 1
    assert max(len(sealed) for sealed in board.city.messages) <= 256


def test_no_plaintext_in_flash():
    board = _board()
    _enrol(board)
    board.city.reachable = False
    _run_windows(board, 2)
    segments = [data for path, data in board.flash.files.items() if path.endswith(".seg")]
    assert len(segments) == 1
    # A record head, then COSE_Encrypt0's tag; a report's first bytes are nowhere
    assert segments[0][10] == 0xD0
    start = (board.clock.offset_ms // 1000 + 1).to_bytes(4, "big")
    for data in list(board.flash.files.values()) + list(board.flash.values.values()):
        assert data.find(start) < 0


def test_reports_wait_for_the_network_and_survive_a_power_cut():
    board = _board()
    registered = _enrol(board)
    board.city.reachable = False
    _run_windows(board, 2)
    assert board.city.messages == []
    board.power.cut()
    board.city.reachable = True
    _run_windows(board, 1)
    opened = [registered.open(sealed) for sealed in board.city.messages]
    # The power cut gave the rest of the block up; nothing is used twice
    assert [sequence for sequence, _ in opened] == [0, 1, 64]
    assert opened[2][1][labels.REPORT_HEALTH][3] == 2


def test_after_a_reset_numbers_continue():
    board = _board()
    registered = _enrol(board)
    for _ in range(3):
        _run_windows(board, 1)
    sequences = [registered.open(sealed)[0] for sealed in board.city.messages]
    assert sequences == list(range(len(sequences)))
    assert len(sequences) >= 3


def test_a_lost_counter_costs_the_epoch_and_not_the_node():
    board = _board()
    registered = _enrol(board)
    for key in [key for key in board.flash.values if key.startswith("seq")]:
        del board.flash.values[key]
    _run_windows(board, 1)
    registered.ratchet()
    ready, sealed = board.city.messages
    assert registered.open(sealed)[0] == 0
    assert OpenedReady(ready, COLLECTOR, registered.public).epoch > 2


def test_a_new_enrolment_has_new_keys_and_begins_with_an_empty_outbox():
    board = _board()
    first = _enrol(board)
    board.city.reachable = False
    _run_windows(board, 1)
    second = _enrol(board)
    assert first.node_id != second.node_id
    assert [key for key in board.flash.values if key.startswith("seq")] == [counter._key(second.keys.kid)]
    board.city.reachable = True
    _run_windows(board, 1)
    (sealed,) = board.city.messages
    sequence, report = second.open(sealed)
    assert (sequence, report[labels.REPORT_OUTBOX]) == (0, [1, 0])


def test_the_outbox_of_another_city_is_thrown_away():
    board = _board()
    _enrol(board)
    board.city.reachable = False
    _run_windows(board, 1)
    board.flash.files["/config.cbor"] = cbor.encode(_config(pen=Pen(b"e")))
    enrol = board.repl()
    enrol.begin(ENTROPY_HEX, NONCE_HEX)
    enrol.commit()
    assert [path for path in board.flash.files if path.startswith("/outbox")] == []


def test_the_watchdog_is_fed_by_the_pipeline():
    board = _board()
    _enrol(board)
    _run_windows(board, 1)
    assert board.power.fed >= WINDOW_S // 5


def test_a_dead_radar_withholds_traffic_and_the_air_goes_on():
    board = _board()
    registered = _enrol(board)
    board.buses["uart", 2].on_write = None
    _run_windows(board, 2)
    _, report = registered.open(board.city.messages[1])
    assert cells_of(report) == [labels.WITHHELD_BLIND] * 8
    assert report[labels.REPORT_PRIVACY] == [1, 0, 0, 1]
    assert report[labels.REPORT_FAULTS][8 + labels.FAULT_NO_ANSWER] > 0
    assert report[labels.REPORT_AIR][5][1] == 90


def test_private_keys_are_never_printed():
    board = _board()
    _enrol(board)
    enrol = board.repl()
    enrol.status()
    enrol.begin(ENTROPY_HEX, NONCE_HEX)
    keystore = open_keystore(board.flash, None)
    for secrets in (keystore.load(), keystore.load_pending_enrolment()):
        for line in board.lines:
            assert hexlify(secrets.private).decode() not in line
            assert hexlify(secrets.root).decode() not in line


def test_the_health_report_says_which_key_store_it_is():
    for sectors in (False, True):
        board = _board(sectors)
        registered = _enrol(board)
        _run_windows(board, 1)
        assert registered.open(board.city.messages[0])[1][labels.REPORT_HEALTH][2] == int(sectors)


def _answer(registered, sealed):
    """(answer, echo) of a report."""
    report = registered.open(sealed)[1]
    return report.get(labels.REPORT_ANSWER), report.get(labels.REPORT_ECHO)


def test_a_command_is_executed_and_answered_in_the_next_report():
    board = _board(sectors=True)
    board.led = Led()
    registered = _enrol(board)
    command = PEN.command(registered.node_id, 65537, labels.OPERATION_LOCATE)
    board.city.retained[registered.topic()] = PEN.letter(registered, 1, command, challenge=b"8 bytes!")
    _run_windows(board, 2)
    assert board.led.blinks == [60]
    assert _answer(registered, board.city.messages[0]) == (None, None)
    assert _answer(registered, board.city.messages[1]) == ([1, labels.RESULT_DONE], b"8 bytes!")


def test_report_now_says_nothing_of_the_street_and_leaves_the_open_window_alone():
    board = _board()
    registered = _enrol(board)
    radar = board.buses["uart", 2]

    def drive(second):
        # The car goes by in the second window, before and after the extra report
        if 61 <= second < 70:
            _car(radar, 95 - (second - 61) * 10)

    command = PEN.command(registered.node_id, 7, labels.OPERATION_REPORT_NOW)
    board.city.retained[registered.topic()] = PEN.letter(registered, 1, command)
    _run_windows(board, 2, drive)
    opened = [registered.open(sealed) for sealed in board.city.messages]
    assert [sequence for sequence, _ in opened] == [0, 1, 2]
    first, extra, second = [report for _, report in opened]
    assert extra[labels.REPORT_ANSWER] == [7, labels.RESULT_DONE]
    assert extra[labels.REPORT_AIR] == {}
    assert cells_of(extra) == [labels.WITHHELD_BLIND] * 8
    assert extra[labels.REPORT_PRIVACY] == [1, 0, EPSILON, 1]
    assert labels.REPORT_FAULTS not in extra
    assert extra[labels.REPORT_WINDOW] == 1
    assert second[labels.REPORT_START] <= extra[labels.REPORT_START] < second[labels.REPORT_START] + 9
    assert second[labels.REPORT_START] == first[labels.REPORT_START] + 60
    assert (first[labels.REPORT_WINDOW], second[labels.REPORT_WINDOW]) == (60, 60)
    assert cells_of(second).count(1) == 1
    assert second[labels.REPORT_PRIVACY] == [1, EPSILON, 2 * EPSILON, 1]
    assert second[labels.REPORT_AIR][5][0] == WINDOW_S // 5


def test_a_longer_window_begins_with_the_next_window_and_never_undercuts_the_policy():
    board = _board()
    registered = _enrol(board)
    command = PEN.command(registered.node_id, 7, labels.OPERATION_SET_PERIOD, {1: 120})
    board.city.retained[registered.topic()] = PEN.letter(registered, 1, command)
    _run_windows(board, 6)
    lengths = [registered.open(sealed)[1][labels.REPORT_WINDOW] for sealed in board.city.messages]
    assert lengths[:2] == [60, 60]
    assert lengths[-1] == 120
    assert min(lengths) >= 60
    # A later policy promises more
    board.flash.files["/config.cbor"] = cbor.encode(_config(window=300, version=2))
    board.repl().renew()
    assert board.boot().window_s() == 300


def test_reboot_after_the_session():
    board = _board()
    registered = _enrol(board)
    command = PEN.command(registered.node_id, 7, labels.OPERATION_REBOOT)
    board.city.retained[registered.topic()] = PEN.letter(registered, 1, command)
    _run_windows(board, 1)
    assert board.power.resets == 1
    _run_windows(board, 2)
    assert board.power.resets == 1
    assert _answer(registered, board.city.messages[-1]) == ([7, labels.RESULT_DONE], None)


def test_the_epoch_ends_after_a_days_worth_of_windows():
    board = _board()
    registered = _enrol(board)
    pipeline = board.boot()
    pipeline.policy.window_s = 43200
    pipeline.sender._clock = SelfRunningClock()
    for _ in range(4):
        pipeline.report_now()
    asyncio.run(pipeline.sender.session())
    assert [cose.header(sealed)[1] for sealed in board.city.messages] == [1, 1, 2, 2]
    assert registered.open(board.city.messages[1])[0] == 1
    registered.ratchet()
    assert registered.open(board.city.messages[3])[0] == 1


def test_a_rotation_from_command_to_commit():
    board = _board(sectors=True)
    registered = _enrol(board)
    new = Pen(b"2")
    arguments = {
        labels.ROTATE_KEYS: {
            labels.ROLE_COLLECTOR: new.authorities[labels.ROLE_COLLECTOR],
            labels.ROLE_RECEIPT: new.authorities[labels.ROLE_RECEIPT],
        },
        labels.ROTATE_IDENTITY: 1,
    }
    command = PEN.command(registered.node_id, 7, labels.OPERATION_ROTATE, arguments)
    board.city.retained[registered.topic()] = PEN.letter(registered, 1, command)
    _run_windows(board, 1)
    report, message = board.city.messages
    ready = OpenedReady(message, new.keys[labels.ROLE_COLLECTOR], registered.public)
    assert ready.fields[labels.READY_COMMAND] == 7
    # Unconfirmed, it is announced first in every session, and reports go on under the old key
    _run_windows(board, 1)
    assert board.city.messages[2] == message
    assert _answer(registered, board.city.messages[3]) == (None, None)
    address = Address(ready.epoch, keys.epoch(ready.root, ready.epoch), ready.node_id)
    board.city.retained = {topic(address.epoch_keys): new.letter(address, 1)}
    _run_windows(board, 1)
    assert board.city.subscribed[-1] == [registered.topic(), topic(address.epoch_keys)]
    del board.city.messages[:]
    _run_windows(board, 1)
    assert board.city.subscribed[-1] == [topic(address.epoch_keys)]
    sealed = board.city.messages[-1]
    raises(Rejected, registered.open, sealed)
    registered.use(ready.epoch, ready.root)
    registered.verifier = ecdsa.Verifier(ready.identity)
    registered.node_id = ready.node_id
    registered.collector_id = keys.thumbprint(new.authorities[labels.ROLE_COLLECTOR])
    sequence, opened = registered.open(sealed)
    assert sequence == 0
    # The new identity goes on in the ledger of the old one; the windows after the first were cut short by resets
    assert opened[labels.REPORT_PRIVACY] == [1, 0, EPSILON, 1]
    assert report not in board.city.messages


def test_junk_in_the_mailbox_keeps_no_report_from_leaving():
    board = _board()
    registered = _enrol(board)
    board.city.retained[registered.topic()] = b"\xd0\x83" * 400
    _run_windows(board, 2)
    assert [registered.open(sealed)[0] for sealed in board.city.messages] == [0, 1]
    board.city.retained[registered.topic()] = bytes(70000)
    _run_windows(board, 2)
    sequences = [registered.open(sealed)[0] for sealed in board.city.messages]
    assert sorted(set(sequences)) == [0, 1, 2, 3]


WATCHDOG = 3


def test_three_crashes_switch_the_sensors_off_and_the_city_hears_why_and_can_speak():
    board = _board()
    registered = _enrol(board)
    board.power.cause = WATCHDOG
    for _ in range(2):
        board.boot()
    board.buses["uart", 1].sent.clear()
    board.buses["uart", 2].sent.clear()
    command = PEN.command(registered.node_id, 7, labels.OPERATION_REBOOT)
    board.city.retained[registered.topic()] = PEN.letter(registered, 1, command)
    _run_windows(board, 2)
    assert board.buses["uart", 1].sent + board.buses["uart", 2].sent == []
    report = registered.open(board.city.messages[0])[1]
    assert report[labels.REPORT_HEALTH][2] == 2 * WATCHDOG
    assert (report[labels.REPORT_AIR], cells_of(report)) == ({}, [labels.WITHHELD_BLIND] * 8)
    assert report[labels.REPORT_PRIVACY] == [1, 0, 0, 1]
    assert board.power.resets == 1, "the command came through"
    _run_windows(board, 1)
    report = registered.open(board.city.messages[-1])[1]
    assert (report[labels.REPORT_HEALTH][0], report[labels.REPORT_HEALTH][2]) == (2, 0)
    assert report[labels.REPORT_AIR][5][1] == 90


def test_safe_mode_ends_by_itself():
    board = _board()
    _enrol(board)
    board.power.cause = WATCHDOG
    for _ in range(2):
        board.boot()
    _run_windows(board, 61)
    assert board.power.resets >= 1
    assert board.boot().health.row()[2] == 0


def test_a_damaged_configuration_costs_the_sensors_and_not_the_node():
    for change in (
        {"sensors": []},
        {"sensors": 7},
        {"buses": None},
        {"version": 9},
        {"led": 3},
        {"floor": 1, "ntp": 5},
    ):
        board = _board()
        registered = _enrol(board)
        config = _config()
        config.update(change)
        board.flash.files["/config.cbor"] = cbor.encode(config)
        main = board.wired()
        found, damage = asyncio.run(build.configuration(board.flash, SelfRunningClock()))
        assert damage == labels.SAFE_CONFIG
        boots = main.Boots(board.flash, board.power)
        boots.spare(damage)
        pipeline = build.build(found, board.flash, board.clock, boots)
        pipeline.report_now()
        assert asyncio.run(pipeline.sender.session())
        report = registered.open(board.city.messages[0])[1]
        assert report[labels.REPORT_HEALTH][2] == 2 * labels.SAFE_CONFIG


def test_a_configuration_that_leads_nowhere_is_read_again_after_a_while():
    for data in (b"\xa1", b"\x00", cbor.encode({"board": "x"}), cbor.encode({"wifi": {"ssid": "a"}, "broker": 1})):
        board = _board()
        board.flash.files["/config.cbor"] = data
        main = board.wired()
        main.Files = lambda board=board: board.flash
        clock = SelfRunningClock()
        main.Clock = lambda clock=clock: clock
        before = clock.now_ms
        raises(NodeError, asyncio.run, main._run())
        assert board.power.resets == 1
        assert clock.now_ms - before == 600000


def test_the_watchdog_starves_when_the_sender_is_stuck():
    async def scene():
        board = _board()
        _enrol(board)
        pipeline = board.boot()

        async def stuck(_client, _most):
            while True:
                await board.clock.sleep_ms(1000)

        pipeline.sender._drain = stuck
        task = asyncio.create_task(pipeline.run())
        await board.clock.advance(400000, 1000)
        fed = board.power.fed
        await board.clock.advance(130000, 1000)
        task.cancel()
        pipeline.sampler.stop()
        pipeline.sender.stop()
        await asyncio.sleep(0)
        assert fed > 30
        assert board.power.fed == fed

    asyncio.run(scene())


def test_the_watchdog_starves_when_a_window_does_not_close():
    async def scene():
        board = _board()
        _enrol(board)
        pipeline = board.boot()
        opened = pipeline.timetable.open

        def open(*settings):
            window = opened(*settings)
            window.over = lambda: False
            return window

        pipeline.timetable.open = open
        task = asyncio.create_task(pipeline.run())
        await board.clock.advance(130000, 1000)
        fed = board.power.fed
        await board.clock.advance(130000, 1000)
        task.cancel()
        pipeline.sampler.stop()
        pipeline.sender.stop()
        await asyncio.sleep(0)
        assert fed > 10
        assert board.power.fed == fed

    asyncio.run(scene())


def test_without_a_time_server_the_citys_letter_sets_the_clock():
    board = _board()
    registered = _enrol(board)
    city_s = 1700000000

    def write(sealed):
        number = registered.open(sealed)[0]
        heard_s = city_s + number * WINDOW_S
        letter = PEN.letter(registered, number + 1, heard=number + 1, through=number + 1, city_s=heard_s)
        board.city.retained[registered.topic()] = letter

    board.city.on_message = write
    _run_windows(board, 4)
    opened = [registered.open(sealed)[1] for sealed in board.city.messages]
    clocks = [report[labels.REPORT_CLOCK] for report in opened]
    assert clocks[:2] == [labels.CLOCK_NEVER] * 2
    assert clocks[-1] == labels.CLOCK_SIGNED
    assert 0 <= opened[-1][labels.REPORT_START] - city_s <= 4 * WINDOW_S
    # The power fails: time goes on where the reports ended, and nobody knows how long it was dark
    end_s = opened[-1][labels.REPORT_START] + opened[-1][labels.REPORT_WINDOW]
    board.clock.set_unix_ms(946684800000)
    board.power.cut()
    board.city.on_message = None
    del board.city.messages[:]
    _run_windows(board, 1, rest_s=20)  # what had no receipt goes first
    report = registered.open(board.city.messages[0])[1]
    assert (report[labels.REPORT_START], report[labels.REPORT_CLOCK]) == (end_s, labels.CLOCK_NEVER)


def test_a_letter_that_heard_a_report_of_an_earlier_boot_sets_no_clock_back():
    board = _board()
    registered = _enrol(board)

    def write(sealed):
        number = registered.open(sealed)[0]
        letter = PEN.letter(registered, number + 1, heard=number + 1, city_s=board.clock.unix_s())
        board.city.retained[registered.topic()] = letter

    board.city.on_message = write
    _run_windows(board, 2)
    board.city.on_message = None  # its last letter stays where it is, and there was no receipt
    board.clock.now_ms += 3600000
    board.power.reset()
    offset_ms = board.clock.offset_ms
    heard = len(board.city.heard)
    _run_windows(board, 2, rest_s=20)
    assert board.city.heard[:2] == board.city.heard[heard : heard + 2], "sent again, as they were"
    assert board.clock.offset_ms == offset_ms


def _networks(board, registered, dead=()):
    """Command another Wi-Fi; what the node joined, and what it answered."""
    board.dead_networks = dead
    network = {labels.SET_NETWORK_SSID: "square", labels.SET_NETWORK_WIFI_PASSWORD: "lamp post 13"}
    command = PEN.command(registered.node_id, 7, labels.OPERATION_SET_NETWORK, network)

    def write(sealed):
        number, report = registered.open(sealed)
        answered = report.get(labels.REPORT_ANSWER)
        letter = PEN.letter(registered, number + 1, None if answered else command, heard=number + 1)
        board.city.retained[registered.topic()] = letter

    board.city.on_message = write
    _run_windows(board, 6)
    answers = [_answer(registered, sealed)[0] for sealed in board.city.messages]
    return [ssid for ssid, _ in board.joined], [answer for answer in answers if answer]


def test_a_network_that_leads_to_the_city_replaces_the_old_one():
    board = _board()
    joined, answers = _networks(board, _enrol(board))
    assert answers[0] == answers[-1] == [7, labels.RESULT_DONE]
    assert joined == [""] * 2 + ["square"] * (len(joined) - 2)
    assert board.joined[-1] == ("square", "lamp post 13")


def test_one_that_does_not_is_given_up_and_no_report_is_lost():
    board = _board()
    registered = _enrol(board)
    joined, answers = _networks(board, registered, dead=("square",))
    assert answers[0] == answers[-1] == [7, labels.RESULT_FELL_BACK]
    assert joined == [""] * 2 + ["square"] * 4 + [""] * (len(joined) - 6)
    assert [registered.open(sealed)[0] for sealed in board.city.messages] == list(range(len(board.city.messages)))


def _traffic_and_privacy(registered, board):
    opened = [registered.open(sealed)[1] for sealed in board.city.messages]
    return [(cells_of(report), report[labels.REPORT_PRIVACY]) for report in opened]


def test_another_policy_holds_from_the_next_window_and_reports_name_it():
    board = _board()
    registered = _enrol(board)
    cells = {1: ["vehicle"], 2: ["approaching"], 3: []}
    changed = dict(PLAIN)
    changed.update({"version": 2, "cells": cells, "channels": [5], "epsilon_release": 500000, "k": 5})
    command = PEN.command(registered.node_id, 7, labels.OPERATION_SET_POLICY, {1: PEN.policy(**changed)})
    board.city.retained[registered.topic()] = PEN.letter(registered, 1, command)
    _run_windows(board, 3)
    opened = [registered.open(sealed)[1] for sealed in board.city.messages]
    assert [report[labels.REPORT_PRIVACY] for report in opened] == [
        [1, EPSILON, EPSILON, 1],
        [1, EPSILON, 2 * EPSILON, 1],  # the letter came while this window was open
        [2, 500000, 2 * EPSILON + 500000, 1],
    ]
    assert [len(cells_of(report)) for report in opened] == [8, 8, 1]
    assert [sorted(report[labels.REPORT_AIR]) for report in opened] == [[4, 5, 6], [4, 5, 6], [5]]
    assert opened[1][labels.REPORT_ANSWER] == [7, labels.RESULT_DONE]


def test_an_exhausted_budget_withholds_the_counts_and_says_so():
    board = _board(epsilon_day=2 * EPSILON)
    registered = _enrol(board)
    _run_windows(board, 4)
    withheld = [labels.WITHHELD_BUDGET] * 8, [1, 0, 2 * EPSILON, 1]
    said = _traffic_and_privacy(registered, board)
    assert [privacy for _, privacy in said[:2]] == [[1, EPSILON, EPSILON, 1], [1, EPSILON, 2 * EPSILON, 1]]
    assert said[2:] == [withheld, withheld]
    assert registered.open(board.city.messages[3])[1][labels.REPORT_AIR][5][1] == 90
    # Neither a reboot nor a lost RTC memory refills it
    board.power.cut()
    _run_windows(board, 2)
    assert _traffic_and_privacy(registered, board)[-1] == withheld


def test_a_clock_that_is_set_refills_nothing():
    for jump_s in (-86400, 86400 * 365):
        for at_window in range(3):
            board = _board(epsilon_day=2 * EPSILON)
            registered = _enrol(board)

            def set_clock(second, board=board, at=at_window * WINDOW_S + 30, jump_s=jump_s):
                if second == at:
                    board.clock.set_unix_ms(board.clock.unix_ms() + jump_s * 1000)

            _run_windows(board, 4, set_clock)
            said = _traffic_and_privacy(registered, board)
            spent = [privacy[1] for _, privacy in said]
            assert sum(spent) == 2 * EPSILON
            assert said[-1] == ([labels.WITHHELD_BUDGET] * 8, [1, 0, 2 * EPSILON, 1])
            # What the jump cut short is shorter than the floor allows: its counts stay on the node, for nothing
            lengths = [registered.open(sealed)[1][labels.REPORT_WINDOW] for sealed in board.city.messages]
            for length_s, (traffic, privacy) in zip(lengths, said):  # noqa: B905
                assert length_s >= WINDOW_S - 2 or (traffic, privacy[1]) == ([labels.WITHHELD_POLICY] * 8, 0)
            assert min(lengths) < WINDOW_S - 2


def test_a_ledger_that_is_lost_or_another_nodes_withholds_and_says_so():
    other = _board()
    other.noise = 1000
    _enrol(other)
    for record in (None, b"", bytes(16), other.flash.values["ledger"]):
        board = _board()
        registered = _enrol(board)
        if record is None:
            del board.flash.values["ledger"]
        else:
            board.flash.values["ledger"] = record
        _run_windows(board, 1)
        assert _traffic_and_privacy(registered, board) == [([labels.WITHHELD_BUDGET] * 8, [1, 0, LOST, 1])]


def test_without_a_valid_policy_nothing_of_the_street_or_the_air_leaves():
    for changes in ({"policy": b""}, {"policy": b"\xff"}, {"floor": b""}):
        board = _board()
        registered = _enrol(board)
        store = open_keystore(board.flash, None)
        store.save(store.load().changed(**changes))
        pipeline = board.boot()
        assert pipeline.window_s() == 900
        pipeline.report_now()
        asyncio.run(pipeline.sender.session())
        (sealed,) = board.city.messages
        report = registered.open(sealed)[1]
        assert (report[labels.REPORT_AIR], cells_of(report)) == ({}, [])
        assert report[labels.REPORT_PRIVACY] == [0, 0, 0, 1]


def test_the_power_fails_anywhere_in_a_release_and_no_count_is_out_that_was_not_paid():
    cut = 0
    paid_for_nothing = 0
    while True:
        board = _board()
        registered = _enrol(board)
        board.city.reachable = False
        pipeline = board.boot()
        minimiser = pipeline.minimiser
        minimiser.open(pipeline.drbg)
        board.flash.cut_after(cut)
        try:
            _close_window(pipeline)
            break
        except PowerCut:
            cut += 1
        board.flash.power_on()
        board.power.cut()
        pipeline = board.boot()
        board.city.reachable = True
        asyncio.run(pipeline.sender.session())
        released = sum(privacy[1] for _, privacy in _traffic_and_privacy(registered, board))
        assert released <= pipeline.ledger.spent <= EPSILON
        paid_for_nothing += released < pipeline.ledger.spent
    assert cut >= 3
    assert paid_for_nothing >= 1


def _close_window(pipeline):
    """What one_window does at a window's end."""
    cost = pipeline.minimiser.cost(WINDOW_S)
    granted = pipeline.ledger.spend(cost, pipeline.policy.epsilon_day, WINDOW_S)
    aggregates = pipeline.minimiser.release(granted)
    pipeline._report(pipeline.clock.unix_s(), WINDOW_S, 2, aggregates, cost if granted else 0)


def test_what_is_sent_again_is_the_same_bytes():
    board = _board(epsilon_release=100000)
    _enrol(board)
    lost = []

    def lose_the_line(_message):
        if len(lost) < 2:
            lost.append(1)
            raise OSError(104)

    board.city.on_message = lose_the_line
    _run_windows(board, 2)
    assert board.city.heard[0] == board.city.heard[1] == board.city.heard[2]
    assert len(set(board.city.messages)) >= 2


def test_a_burst_of_passages_blinds_nobody():
    board = _board()
    registered = _enrol(board)

    def burst(second):
        if second == 30:
            pipeline = pipelines[0]
            for _ in range(1000):
                pipeline.sampler._outputs[1].passage("vehicle", "receding", 40)

    pipelines = []
    boot = board.boot

    def booted():
        pipelines.append(boot())
        return pipelines[0]

    board.boot = booted
    _run_windows(board, 1, burst)
    report = registered.open(board.city.messages[0])[1]
    assert cells_of(report) == [-1, -1, -1, -1, -1, 1000, -1, -1]
    assert labels.REPORT_FAULTS not in report
