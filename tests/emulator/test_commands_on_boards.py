"""Commands end to end: the city writes a letter, the node does what it says once. And what else a mailbox may hold."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import flash_image
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from lamp_post import LampPost, is_ready

from hadeda.collect.collector import Status
from hadeda.collect.letters import topic_of
from hadeda.envelope import Command, Letter, epoch_keys, labels, seal_letter, sign_command, thumbprint
from hadeda.envelope.keys import CURVE, EpochKeys
from hadeda.registry.commands import RESULTS

RaisePost = Callable[..., LampPost]
POWER_ON, HARD_RESET = 1, 2
WINDOWS = 4  # until a command is answered: it is queued, told, answered, and a window to spare
BLINKS = 2 * 60 * 2  # changes of a lamp that blinks at two hertz for a minute


@pytest.fixture
def standing(post: LampPost) -> LampPost:
    """A node that has reported once."""
    post.power_on()
    post.run_until_stored(1)
    return post


def answered(post: LampPost, operation: int, arguments: dict[int, int] | None = None, windows: int = WINDOWS) -> str:
    """Queue a command and wait for the node's answer."""
    number = post.command(operation, arguments)
    known = post.run_until_known(lambda: post.results()[number] is not None, windows)
    assert known, post.explain("the command is not answered")
    post.run_until(lambda: not post.emulated.radio.online)
    return RESULTS[post.results()[number]]


def test_reboot_restarts_the_node_once_and_only_once(standing: LampPost) -> None:
    post = standing
    assert answered(post, labels.OPERATION_REBOOT) == "done"
    assert post.emulated.resets == [POWER_ON, HARD_RESET]
    post.run_windows(2)
    assert post.emulated.resets == [POWER_ON, HARD_RESET], post.explain("it was done twice")
    sequences = [report.sequence for report in post.stored]
    assert sequences == list(range(len(sequences)))


def test_an_extra_report_says_nothing_of_the_street(standing: LampPost) -> None:
    post = standing
    assert answered(post, labels.OPERATION_REPORT_NOW) == "done"
    post.run_until_stored(len(post.stored) + 1)
    (extra,) = [report for report in post.stored if report.window_s == 1]
    assert extra.air == extra.faults == ()
    assert {cell.count for cell in extra.traffic} == {None}
    starts = [report.window_start.timestamp() for report in post.stored[1:] if report.window_s != 1]
    gaps = {later - earlier for earlier, later in itertools.pairwise(starts)}
    assert gaps == {60.0}, "the extra report cut a window short"


def test_windows_get_longer_and_never_shorter_than_promised(standing: LampPost) -> None:
    post = standing
    assert answered(post, labels.OPERATION_SET_PERIOD, {labels.SET_PERIOD_WINDOW: 120}) == "done"
    post.run_until_stored(len(post.stored) + 1)
    post.run_until_stored(len(post.stored) + 1)
    assert [report.window_s for report in post.stored[-1:]] == [120]
    for refused in (30, 61, 172800):
        arguments = {labels.SET_PERIOD_WINDOW: refused}
        assert answered(post, labels.OPERATION_SET_PERIOD, arguments, 2 * WINDOWS) == "refused", refused
    assert post.secrets["window_s"] == 120
    post.power_off()
    post.power_on()
    assert answered(post, labels.OPERATION_SET_PERIOD, {labels.SET_PERIOD_WINDOW: 60}, 2 * WINDOWS) == "done"
    post.run_until_stored(len(post.stored) + 2)
    assert post.stored[-1].window_s == 60


def test_locate_blinks_for_a_minute_and_nothing_to_set_is_refused(standing: LampPost) -> None:
    post = standing
    lamp = post.emulated.wiring.led
    assert lamp is not None
    assert not lamp.changes
    assert answered(post, labels.OPERATION_LOCATE) == "done"
    post.run_windows(2)
    assert len(lamp.changes) == BLINKS
    assert not lamp.lit
    assert lamp.changes[-1][0] - lamp.changes[0][0] == pytest.approx(60, abs=2)
    assert answered(post, labels.OPERATION_SET_POLICY) == "refused"
    assert len(lamp.changes) == BLINKS


# --- attacks ---------------------------------------------------------------------------------------------------------


class Mailbox:
    """What somebody writes into a node's mailbox who has the keys of its epoch, and some of the city's."""

    def __init__(self, post: LampPost) -> None:
        secrets = post.secrets
        self.post = post
        self.epoch: int = secrets["epoch"]
        self.keys: EpochKeys = epoch_keys(secrets["root"], self.epoch)
        self.node_id = thumbprint(secrets["public"])
        self.topic = topic_of(post.city, self.keys.kid)
        self.number = 1 << 39  # above every number the city gives

    def letter(
        self,
        signer: ec.EllipticCurvePrivateKey,
        *,
        letter_to: bytes | None = None,
        command_to: bytes | None = None,
        receipt: ec.EllipticCurvePrivateKey | None = None,
        epoch: int | None = None,
        last_epoch: int = 1000,
        operation: int = labels.OPERATION_LOCATE,
    ) -> bytes:
        """A letter with a command that would show: fresh, numbered above all others, unless said otherwise."""
        self.number += 1
        command = Command(self.number, operation, last_epoch, {})
        signed = sign_command(signer, command_to or self.node_id, command)
        return seal_letter(
            self.keys,
            self.epoch if epoch is None else epoch,
            self.number,
            receipt or self.private(labels.ROLE_RECEIPT),
            letter_to or self.node_id,
            Letter(60000, signed),
        )

    def private(self, role: int) -> ec.EllipticCurvePrivateKey:
        """A private key of the city."""
        return self.post.city.keyring.private(role)


def traces(post: LampPost) -> list[object]:
    """Everything that a command could change: key sectors, resets, lamp; registry."""
    lamp = post.emulated.wiring.led
    assert lamp is not None
    keys = flash_image.key_sectors(post.emulated.flash.image(), post.board)
    return [keys, post.emulated.resets, len(lamp.changes), post.standing, post.results(), post.root_keys()]


def test_an_operator_with_every_key_but_the_command_key_makes_the_node_do_nothing(standing: LampPost) -> None:
    """Nor does a letter or a command for another node, or one that is over, or what the node sealed itself."""
    post = standing
    box = Mailbox(post)
    command_key, stranger = box.private(labels.ROLE_COMMAND), ec.generate_private_key(CURVE)
    another = thumbprint(post.city.keyring.public(labels.ROLE_RELEASE))
    before = traces(post)
    hostile = {
        "reflected": post.collector.reports[-1],
        "signed with the receipt key": box.letter(box.private(labels.ROLE_RECEIPT)),
        "signed with the collector's key": box.letter(box.private(labels.ROLE_COLLECTOR)),
        "signed with the policy key": box.letter(box.private(labels.ROLE_POLICY)),
        "signed with a key of nobody's": box.letter(stranger),
        "letter signed by nobody": box.letter(command_key, receipt=stranger),
        "letter signed with the command key": box.letter(command_key, receipt=command_key),
        "letter for another node": box.letter(command_key, letter_to=another),
        "command for another node": box.letter(command_key, command_to=another),
        "letter of another epoch": box.letter(command_key, epoch=2),
    }
    for refused, (name, payload) in enumerate(hostile.items(), 1):
        seen = f"not a letter for this node: {refused} so far"
        for _ in range(2):  # a receipt of the city may take its place before it is read
            if seen not in post.console:
                post.publish((box.topic, payload))
                post.run_windows(1)
        assert seen in post.console, post.explain(f"{name}: it was not looked at, this test sees nothing")
        assert traces(post) == before, name
    post.publish((box.topic, box.letter(command_key, last_epoch=0)))
    post.run_windows(1)
    assert "command is over" in post.console
    assert traces(post) == before
    post.publish((box.topic, box.letter(command_key)))
    post.run_windows(1)
    assert traces(post)[2] != before[2], "the command key has no effect either: this test sees nothing"
    assert len(post.stored) == len(post.collector.reports)
    assert set(post.collector.counts) <= {Status.STORED, Status.REPEATED}, post.collector.counts


@pytest.mark.parametrize("again", ["at once", "after a power cut"])
def test_a_letter_that_comes_again_is_not_executed_again(standing: LampPost, again: str) -> None:
    post = standing
    kept: list[tuple[str, bytes]] = []
    assert answered(post, labels.OPERATION_REBOOT) == "done"
    kept += [(topic, payload) for topic, payload in post.collector.written if payload]
    assert kept
    if again == "after a power cut":
        post.power_off()
        post.power_on()
    resets, sectors = list(post.emulated.resets), traces(post)[0]
    stored, heard = len(post.stored), len(post.collector.reports)
    # Whoever plays old letters again sees to it that no new one takes their place
    post.collector.lose = lambda topic, _payload: topic != post.city.settings.broker.topic
    for letter in kept:
        post.publish(letter)
        post.run_windows(1)
    post.run_windows(1)
    assert post.emulated.resets == resets, post.explain("an old command was executed again")
    assert traces(post)[0] == sectors
    assert len(post.stored) >= stored + 2
    answers = [post.opened(sealed).report.answer for sealed in post.collector.reports[heard:]]
    assert any(answers), post.explain("it was not looked at")


@contextmanager
def flood(post: LampPost, *messages: tuple[str, bytes]) -> Iterator[list[int]]:
    """Publish these over and over while the block runs; what it gives counts them."""
    done, count = threading.Event(), [0]

    def pour() -> None:
        while not done.wait(0.01):
            post.publish(*messages, retain=False)
            count[0] += len(messages)

    thread = threading.Thread(target=pour)
    thread.start()
    try:
        yield count
    finally:
        done.set()
        thread.join()


def test_a_flood_of_rubbish_costs_no_report(standing: LampPost) -> None:
    post = standing
    box = Mailbox(post)
    before = traces(post)
    rubbish = [b"", b"\xd0", bytes(labels.SEALED_MAX), box.letter(ec.generate_private_key(CURVE))[:-1] + b"?"]
    post.publish((box.topic, rubbish[-1]))
    with flood(post, *((box.topic, payload) for payload in rubbish * 20)) as count:
        post.run_windows(4)
        for _ in range(40):
            if count[0] <= 500:
                post.run_windows(1)
    assert count[0] > 500
    told = ("not a letter for this node", "the broker sends messages without end")
    assert any(text in post.console for text in told), "nothing came through: this test sees nothing"
    assert traces(post) == before
    post.run_until_known(lambda: len(post.stored) >= 5, 2)
    starts = [report.window_start.timestamp() for report in post.stored]
    assert {later - earlier for earlier, later in itertools.pairwise(starts[1:])} == {60.0}
    assert not [sealed for sealed in post.collector.messages if is_ready(sealed)]
