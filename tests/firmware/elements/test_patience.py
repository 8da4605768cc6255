"""Reports that wait for their chip: in order, bounded, with the index they are stored under, and no number spent."""

from elements.patience import WAITING_MAX, PatientSealer
from envelope import cbor, labels
from envelope.errors import FaultDetected

NO_ANSWER = 8 * labels.FAULT_PLACE_IDENTITY + labels.FAULT_NO_ANSWER


class Fault(FaultDetected):
    kind = labels.FAULT_NO_ANSWER


class Node:
    """A chip that is there or not, and a store."""

    def __init__(self):
        self.there = True
        self.spent = 0
        self.checks = 0
        self.stored = []
        self.keychain = self
        self.secrets = self
        self.private = b"\x00\x00\x07\x06"
        self.sealer = PatientSealer(self, self, self.row)

    # node.seal.Sealer
    def seal_once(self, report):
        self.spent += 1
        if not self.there:
            raise Fault("no answer")
        return b"sealed" + report

    # elements.signer.Signer
    def check(self, private):
        assert private == self.private
        self.checks += 1
        if not self.there:
            raise Fault("no answer")

    def row(self):
        return [1 + len(self.stored), 0]

    def window(self, start, **others):
        report = {labels.REPORT_START: start, labels.REPORT_OUTBOX: self.row()}
        report.update({int(key[1:]): value for key, value in others.items()})
        for sealed in self.sealer.seal(cbor.encode(report)):
            self.stored.append(cbor.decode(sealed[6:]))


def test_with_its_chip_a_report_is_sealed_as_it_is():
    node = Node()
    node.window(1)
    node.window(2, r6={9: 3})
    assert node.stored == [
        {labels.REPORT_START: 1, labels.REPORT_OUTBOX: [1, 0]},
        {labels.REPORT_START: 2, labels.REPORT_FAULTS: {9: 3}, labels.REPORT_OUTBOX: [2, 0]},
    ]
    assert (node.spent, node.checks) == (2, 0)


def test_what_waited_comes_in_order_under_the_index_that_it_gets_and_tells_why():
    node = Node()
    node.window(1)
    node.there = False
    for start in (2, 3, 4):
        node.window(start, r6={9: 1})
    assert (len(node.stored), node.spent, node.checks) == (1, 2, 2), "numbers were spent on a chip that is away"
    node.there = True
    node.window(5)
    assert [report[labels.REPORT_START] for report in node.stored] == [1, 2, 3, 4, 5]
    assert [report[labels.REPORT_OUTBOX][0] for report in node.stored] == [1, 2, 3, 4, 5]
    assert node.stored[1][labels.REPORT_FAULTS] == {9: 1, NO_ANSWER: 3}
    assert node.stored[2][labels.REPORT_FAULTS] == {9: 1}
    assert labels.REPORT_FAULTS not in node.stored[4]
    node.window(6)
    assert node.checks == 3


def test_a_chip_that_fails_in_the_midst_of_catching_up_costs_nothing():
    node = Node()
    node.there = False
    node.window(1)
    node.window(2)
    node.there = True
    right, node.seal_once = node.seal_once, None
    left = [1]

    def seal_once(report):
        if not left:
            raise Fault("again")
        left.pop()
        return right(report)

    node.seal_once = seal_once
    node.window(3)
    assert [report[labels.REPORT_START] for report in node.stored] == [1]
    node.seal_once = right
    node.window(4)
    assert [report[labels.REPORT_START] for report in node.stored] == [1, 2, 3, 4]
    assert node.stored[1][labels.REPORT_FAULTS] == {NO_ANSWER: 1}


def test_the_oldest_go_when_too_many_wait():
    node = Node()
    node.there = False
    for start in range(WAITING_MAX + 5):
        node.window(start)
    node.there = True
    node.window(100)
    starts = [report[labels.REPORT_START] for report in node.stored]
    assert starts == list(range(5, WAITING_MAX + 5)) + [100]  # noqa: RUF005 (MicroPython)
    assert [report[labels.REPORT_OUTBOX][0] for report in node.stored] == list(range(1, WAITING_MAX + 2))


def test_what_the_counts_say_is_bounded():
    node = Node()
    node.there = False
    for start in range(300):
        node.window(start)
    node.there = True
    node.window(300)
    assert node.stored[0][labels.REPORT_FAULTS] == {NO_ANSWER: 255}
