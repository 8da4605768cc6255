"""Letters as the collector sends them: what is due, under which keys, until when; and that numbers are never reused."""

from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from key_life import Scene
from sealing import enrolled, example_report, letter_number
from test_rekeys import prepare

from hadeda.city import City
from hadeda.city.rotation import key_state, plan
from hadeda.collect import Collector, Status
from hadeda.envelope import labels
from hadeda.errors import CityError
from hadeda.registry import CommandState, revoke
from hadeda.registry.commands import commands, queue


@pytest.fixture
def scene(city: City) -> Scene:
    return Scene(city)


def states(scene: Scene) -> list[tuple[str, str, int | None]]:
    """(operation, state, result) of the node's commands, newest first."""
    with scene.city.database.read() as session:
        return [(row.operation_name, row.state, row.result) for row in commands(session, scene.registered())]


def test_nothing_is_published_while_nothing_is_due(scene: Scene) -> None:
    assert scene.stored(scene.node, 0).letters == ()
    assert scene.collector.letters() == []


def test_a_command_waits_at_the_nodes_topic_until_it_is_answered(scene: Scene) -> None:
    command = scene.command(labels.OPERATION_SET_PERIOD, {labels.SET_PERIOD_WINDOW: 3600})
    scene.stored(scene.node, 6)
    letter = scene.letter(scene.node)
    assert letter is not None
    assert letter[1] == 7, "one more than the highest number heard"
    assert scene.node.check_command(letter[2]) == {
        1: command.number, 2: labels.OPERATION_SET_PERIOD, 3: command.last_epoch, 4: {1: 3600},
    }  # fmt: skip
    scene.stored(scene.node, 7)
    assert scene.letter(scene.node) == {**letter, 1: 8, 4: 2}, "sealed anew, so that it is fresh"
    scene.stored(scene.node, 8, r8=[command.number & 0xFFFF, labels.RESULT_DONE])
    assert scene.topics == {}
    assert states(scene) == [("set-period", "answered", labels.RESULT_DONE)]


def test_with_few_windows_a_day_it_waits_in_the_next_epoch_too_because_the_node_may_be_there(scene: Scene) -> None:
    scene.command(labels.OPERATION_REBOOT)
    node = scene.node
    for _ in range(3):
        scene.stored(node, 0, r2=21_600)
        following = node.ratchet()
        letter = scene.letter(following)
        assert letter is not None
        assert letter[1] == 0
        following.check_command(letter[2])
        assert len(scene.topics) <= 4
        node = following
        scene.clock.forward(hours=6)


def test_with_many_windows_a_day_no_letter_tells_the_broker_which_key_follows_which(scene: Scene) -> None:
    scene.command(labels.OPERATION_REBOOT)
    scene.stored(scene.node, 0)
    assert len(scene.topics) == 1
    outcome = scene.stored(scene.node.ratchet(), 0)
    assert scene.letter(scene.node.ratchet()) is not None, "a session later"
    assert all(payload for _, payload in outcome.letters), "nothing is taken back in the same moment"
    scene.clock.forward(minutes=59)
    assert scene.letter(scene.node) is not None
    scene.clock.forward(minutes=2)
    scene.stored(scene.node.ratchet(), 1)
    assert scene.letter(scene.node) is None


def test_letters_of_epochs_that_are_over_are_taken_back_all_at_once(scene: Scene) -> None:
    others = [enrolled(scene.city, f"other {number}") for number in range(5)]
    for node in others:
        for sequence in range(4):
            scene.stored(node, sequence)
        scene.clock.forward(minutes=1)
        scene.stored(node.ratchet(), 0)
    standing = {topic for topic in scene.topics if any(node.keys["kid"].hex() in topic for node in others)}
    assert len(standing) == 5
    scene.clock.forward(hours=2)
    cleared = [topic for topic, payload in scene.stored(scene.node, 0).letters if not payload]
    assert cleared == sorted(standing)


def test_a_receipt_goes_with_every_fourth_report_and_the_first_of_an_epoch(scene: Scene) -> None:
    receipts = []
    for sequence in range(10):
        outcome = scene.stored(scene.node, sequence)
        receipts.append([scene.node.open_letter(payload) for _, payload in outcome.letters])
    letters = {4: {1: 4, 4: 4}, 8: {1: 8, 4: 8}}
    assert receipts == [[letters[index]] if index in letters else [] for index in range(1, 11)]
    assert scene.letter(scene.node) == letters[8], "it stands until the next"
    later = scene.node.ratchet()
    scene.stored(later, 0)
    assert scene.letter(later) == {1: 1, 4: 11}


def test_a_report_that_comes_again_gets_the_receipt_its_node_has_missed_once_a_minute(scene: Scene) -> None:
    sealed = scene.node.seal(example_report(), 0)
    assert scene.take(sealed).letters == ()
    assert scene.take(sealed).status is Status.REPEATED
    first = scene.sealed_letter(scene.node)
    assert first is not None
    assert scene.node.open_letter(first) == {1: 1, 4: 1}
    for _ in range(100):
        assert scene.take(sealed).letters == ()
    scene.clock.forward(seconds=61)
    scene.take(sealed)
    assert letter_number(scene.sealed_letter(scene.node) or b"") == letter_number(first) + 610


def test_a_letter_that_asked_for_something_does_not_stand_once_that_is_done(scene: Scene) -> None:
    for sequence in range(4):
        scene.stored(scene.node, sequence)
    command = scene.command(labels.OPERATION_REBOOT)
    scene.stored(scene.node, 4)
    assert scene.letter(scene.node) is not None
    scene.stored(scene.node, 5, r8=[command.number & 0xFFFF, 0])
    assert scene.letter(scene.node) is None, "or the node would answer again and again"
    for sequence in range(6, 9):
        scene.stored(scene.node, sequence)
    assert scene.letter(scene.node) == {1: 9, 4: 9}


def test_hundreds_of_repetitions_a_second_use_up_no_letter_numbers(scene: Scene) -> None:
    scene.stored(scene.node, 0)
    ready = scene.node.rekey()
    scene.take(ready)
    assert scene.node.pending is not None
    first = scene.sealed_letter(scene.node.pending) or b""
    for _ in range(300):
        assert scene.take(ready).letters == ()
    assert scene.sealed_letter(scene.node.pending) == first, "it stands"
    scene.clock.forward(seconds=61)
    scene.take(ready)
    assert letter_number(scene.sealed_letter(scene.node.pending) or b"") == letter_number(first) + 610


@pytest.mark.parametrize("answer", [[0, 0], [0xFFFF, 0]])
def test_an_answer_to_another_command_changes_nothing(scene: Scene, answer: list[int]) -> None:
    command = scene.command(labels.OPERATION_REBOOT)
    assert command.number & 0xFFFF not in answer
    scene.stored(scene.node, 0, r8=answer)
    assert states(scene) == [("reboot", "waiting", None)]
    assert scene.letter(scene.node) is not None


@pytest.mark.parametrize("answer", [[0x10000, 0], [-1, 0], [0, 5], [0, -1], [0], [0, 0, 0], None, {}, b"\0\0"])
def test_an_answer_of_another_form_is_refused(scene: Scene, answer: Any) -> None:
    scene.refusal(scene.node.seal(example_report(r8=answer), 0))


def test_a_result_that_is_not_done_is_an_answer_too(scene: Scene) -> None:
    command = scene.command(labels.OPERATION_LOCATE)
    scene.stored(scene.node, 0, r8=[command.number & 0xFFFF, labels.RESULT_UNSUPPORTED])
    assert states(scene) == [("locate", "answered", labels.RESULT_UNSUPPORTED)]


def test_commands_go_one_after_the_other_in_their_order(scene: Scene) -> None:
    first, second = scene.command(labels.OPERATION_REBOOT), scene.command(labels.OPERATION_LOCATE)
    assert second.number == first.number + 1, "at the same time, and yet above"
    for sequence, command in enumerate((first, second)):
        scene.stored(scene.node, 2 * sequence)
        letter = scene.letter(scene.node)
        assert letter is not None
        assert scene.node.check_command(letter[2])[1] == command.number
        scene.stored(scene.node, 2 * sequence + 1, r8=[command.number & 0xFFFF, 0])
    assert scene.topics == {}


def test_a_later_command_of_the_same_operation_supersedes_the_waiting_one(scene: Scene) -> None:
    for window_s in (1800, 3600):
        scene.command(labels.OPERATION_SET_PERIOD, {labels.SET_PERIOD_WINDOW: window_s})
    scene.command(labels.OPERATION_REBOOT)
    assert [state for _, state, _ in states(scene)] == ["waiting", "waiting", "superseded"]


def test_a_command_expires_with_the_epochs_it_was_made_for(scene: Scene) -> None:
    last = scene.node.ratchet(labels.REKEY_JUMP + 2)
    assert scene.command(labels.OPERATION_REBOOT, lifetime=2).last_epoch == last.epoch
    scene.stored(scene.node.ratchet(40), 0)
    scene.stored(last, 0, r2=86_400)
    assert scene.letter(last) is not None
    assert scene.letter(last.ratchet()) is None, "it could not be executed there"
    scene.stored(last.ratchet(), 0)
    assert states(scene) == [("reboot", "expired", None)]
    assert scene.letter(last.ratchet()) is None


def test_a_new_identity_or_command_key_ends_what_was_signed_for_the_old(scene: Scene) -> None:
    renewed = prepare(scene, scene.node, new_identity=True)
    scene.command(labels.OPERATION_REBOOT)
    scene.stored(renewed, 0)
    assert states(scene) == [("reboot", "expired", None)]
    command = scene.command(labels.OPERATION_REBOOT)
    scene.stored(renewed, 1)
    letter = scene.letter(renewed)
    assert letter is not None
    assert renewed.check_command(letter[2])[1] == command.number
    with pytest.raises(InvalidSignature):
        scene.node.check_command(letter[2])


def test_a_command_survives_a_plain_re_key_that_was_pending_when_it_was_made(scene: Scene) -> None:
    renewed = prepare(scene, scene.node)
    scene.command(labels.OPERATION_REBOOT)
    scene.stored(renewed, 0)
    letter = scene.letter(renewed)
    assert letter is not None
    assert renewed.check_command(letter[2])[2] == labels.OPERATION_REBOOT


def test_a_command_survives_the_jump_of_a_re_key_that_begins_after_it(scene: Scene) -> None:
    command = scene.command(labels.OPERATION_SET_PERIOD, {labels.SET_PERIOD_WINDOW: 1800})
    renewed = prepare(scene, scene.node)
    scene.stored(renewed.ratchet(14), 0)
    letter = scene.letter(renewed.ratchet(14))
    assert letter is not None
    assert renewed.check_command(letter[2])[1] == command.number
    scene.stored(renewed.ratchet(15), 0)
    assert states(scene) == [("set-period", "expired", None)]


def test_a_re_key_with_another_receipt_key_ends_no_command(scene: Scene) -> None:
    new = scene.city.keyring.rotate(labels.ROLE_RECEIPT, None)
    told = scene.command(labels.OPERATION_ROTATE, {labels.ROTATE_KEYS: {labels.ROLE_RECEIPT: new.public}})
    renewed = prepare(scene, scene.node, keys={labels.ROLE_RECEIPT: new.public}, command=told.number)
    scene.command(labels.OPERATION_REBOOT)
    scene.stored(renewed, 0)
    assert states(scene) == [("reboot", "waiting", None), ("rotate", "answered", labels.RESULT_DONE)]
    assert scene.letter(renewed) is not None


def test_a_rotation_whose_keys_were_never_taken_is_lost_and_not_done(scene: Scene) -> None:
    command = scene.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1})
    prepare(scene, scene.node, new_identity=True, command=command.number)
    later = scene.node.ratchet(labels.REKEY_GRACE)  # the letter did not come: it drops them, and makes its own
    scene.stored(later, 0)
    assert states(scene) == [("rotate", "answered", labels.RESULT_DONE)]
    scene.stored(prepare(scene, later), 0)
    assert scene.registered().node_id == scene.node.node_id.hex(), "the old identity"
    assert states(scene) == [("rotate", "lost", None)]
    with scene.city.database.read() as session:
        assert key_state(scene.city, session, scene.registered()) == "last rotation lost: rotate again"
    assert [step.before for step in plan(scene.city, [scene.registered()]).steps] == [
        "last rotation lost: rotate again"
    ]
    scene.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1})
    with scene.city.database.read() as session:
        assert key_state(scene.city, session, scene.registered()) == "rotation waits"


def test_a_rotation_whose_new_identity_was_taken_unheard_is_not_lost(scene: Scene) -> None:
    command = scene.command(labels.OPERATION_ROTATE, {labels.ROTATE_IDENTITY: 1})
    taken = prepare(scene, scene.node, new_identity=True, command=command.number)
    scene.stored(prepare(scene, taken), 0)
    assert states(scene) == [("rotate", "answered", labels.RESULT_DONE)]


def test_a_ready_answers_the_rotation_that_asked_for_it(scene: Scene) -> None:
    command = scene.command(labels.OPERATION_ROTATE)
    scene.stored(scene.node, 0)
    assert scene.letter(scene.node) is not None
    prepare(scene, scene.node, command=command.number)
    assert states(scene) == [("rotate", "answered", labels.RESULT_DONE)]
    assert scene.letter(scene.node) is None


def test_letter_numbers_rise_and_are_never_below_the_time(scene: Scene) -> None:
    scene.command(labels.OPERATION_REBOOT)
    numbers = []
    for sequence in range(5):
        scene.stored(scene.node, sequence)
        sealed = scene.sealed_letter(scene.node)
        assert sealed is not None
        numbers.append(letter_number(sealed))
        scene.clock.forward(seconds=30 * (sequence % 2))
    assert numbers == sorted(set(numbers))
    assert numbers[0] >= (scene.clock.now.year - 2021) * 365 * 86_400 * 10
    scene.clock.forward(hours=-48)
    scene.stored(scene.node, 5)
    sealed = scene.sealed_letter(scene.node)
    assert sealed is not None
    assert letter_number(sealed) == numbers[-1] + 1, "a clock that is set back reuses nothing"


def test_the_number_of_an_expected_epoch_is_not_used_again_when_it_is_current(scene: Scene) -> None:
    scene.command(labels.OPERATION_REBOOT)
    scene.stored(scene.node, 0, r2=86_400)
    following = scene.node.ratchet()
    ahead = scene.sealed_letter(following)
    scene.stored(following, 0)
    now = scene.sealed_letter(following)
    assert ahead is not None
    assert now is not None
    assert letter_number(now) > letter_number(ahead)


def test_a_new_connection_publishes_all_that_is_due_anew(scene: Scene) -> None:
    other = enrolled(scene.city, "other")
    scene.command(labels.OPERATION_REBOOT)
    renewed = prepare(scene, other)
    scene.stored(scene.node, 0)
    lost, scene.topics = scene.topics, {}
    scene.publish(scene.collector.letters())
    assert set(scene.topics) == set(lost)
    assert scene.letter(scene.node) is not None
    assert scene.said(renewed) == {1: 0}
    assert not set(scene.topics.values()) & set(lost.values()), "with new numbers"


def test_a_node_that_was_revoked_gets_nothing_and_what_stood_is_cleared(scene: Scene) -> None:
    scene.command(labels.OPERATION_REBOOT)
    scene.stored(scene.node, 0)
    assert scene.topics
    revoke(scene.city.database, "corner")
    with pytest.raises(CityError, match="was revoked"):
        scene.command(labels.OPERATION_REBOOT)
    scene.publish(scene.collector.letters())
    assert scene.topics == {}


def test_the_collector_works_without_the_command_key(scene: Scene) -> None:
    scene.command(labels.OPERATION_REBOOT)
    for file in (scene.city.directory / "keys").glob("command-*.key"):
        file.unlink()
    with City.open(scene.city.directory) as again:
        scene.collector = Collector(again, clock=scene.clock)
        scene.stored(scene.node, 0)
        letter = scene.letter(scene.node)
        assert letter is not None
        assert scene.node.check_command(letter[2])[2] == labels.OPERATION_REBOOT
        with pytest.raises(CityError), again.database.write() as session:
            queue(
                session, scene.registered(), labels.OPERATION_LOCATE, {},
                lambda thumb: again.keyring.private(labels.ROLE_COMMAND, thumb),
            )  # fmt: skip
    assert states(scene) == [("reboot", CommandState.WAITING, None)]


def test_without_the_receipt_key_a_node_knows_reports_are_taken_all_the_same(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.command(labels.OPERATION_REBOOT)
    scene.city.keyring.rotate(labels.ROLE_RECEIPT, None)
    scene.city.keyring.erase_retired(lambda _key: False)
    outcome = scene.stored(scene.node, 0)
    assert (outcome.status, outcome.letters) == (Status.STORED, ())
    assert "no letter to corner" in caplog.text


def test_a_letter_says_nothing_of_its_node_outside(scene: Scene) -> None:
    scene.command(labels.OPERATION_REBOOT)
    scene.stored(scene.node, 0)
    sealed = scene.sealed_letter(scene.node)
    assert sealed is not None
    for secret in (scene.node.node_id, scene.node.public[1:33], b"corner", scene.node.collector_id):
        assert secret not in sealed


@pytest.mark.parametrize(
    ("report", "due"),
    [
        ({"r3": labels.CLOCK_NEVER}, True),
        ({"r3": labels.CLOCK_FREE_RUNNING}, True),
        ({"r3": labels.CLOCK_SYNCHRONISED}, False),
        ({"r3": labels.CLOCK_SIGNED}, False),
    ],
)
def test_a_clock_that_nobody_keeps_is_told_when_its_report_came(
    scene: Scene, report: dict[str, Any], due: bool
) -> None:
    scene.stored(scene.node, 4, **report)
    letter = scene.letter(scene.node)
    assert (letter is not None) == due
    if letter is not None:
        heard_s = int(scene.clock().timestamp())
        assert letter == {labels.LETTER_HEARD: 5, labels.LETTER_THROUGH: 1, labels.LETTER_TIME: heard_s}
        scene.stored(scene.node, 5, r3=labels.CLOCK_SIGNED)
        assert scene.topics == {}, "it is set"


@pytest.mark.parametrize(("ahead_s", "due"), [(0, False), (299, False), (301, True), (3 * 365 * 86_400, True)])
def test_a_clock_that_is_ahead_of_ours_is_told_whoever_set_it(scene: Scene, ahead_s: int, due: bool) -> None:
    end = int(scene.clock().timestamp()) + ahead_s
    scene.stored(scene.node, 0, r1=end - 900, r3=labels.CLOCK_SYNCHRONISED)
    assert (scene.letter(scene.node) is not None) == due


def test_a_network_is_noted_without_its_passwords_and_only_when_it_holds(scene: Scene) -> None:
    network = {labels.SET_NETWORK_SSID: "square", labels.SET_NETWORK_WIFI_PASSWORD: "lamp post 13"}
    for number, result in enumerate((labels.RESULT_FELL_BACK, labels.RESULT_DONE)):
        command = scene.command(labels.OPERATION_SET_NETWORK, network)
        assert b"lamp post 13" in command.signed
        scene.stored(scene.node, number, r8=[command.number & 0xFFFF, result])
        assert states(scene)[0] == ("set-network", "answered", result)
        with scene.city.database.read() as session:
            assert all(row.signed == b"" for row in commands(session, scene.registered()))
        assert scene.registered().network == ({"wifi_ssid": "square"} if result == labels.RESULT_DONE else None)


def test_a_network_that_waits_no_more_for_whatever_reason_leaves_no_password(scene: Scene) -> None:
    network = {labels.SET_NETWORK_SSID: "square", labels.SET_NETWORK_WIFI_PASSWORD: "lamp post 13"}
    scene.command(labels.OPERATION_SET_NETWORK, network)
    scene.command(labels.OPERATION_SET_NETWORK, {labels.SET_NETWORK_PORT: 1884})
    with scene.city.database.read() as session:
        waiting, superseded = commands(session, scene.registered())
        assert (waiting.state, superseded.state) == (CommandState.WAITING, CommandState.SUPERSEDED)
        assert superseded.signed == b""
        assert waiting.signed
