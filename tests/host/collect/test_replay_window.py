"""The numbers that were accepted, against a set that remembers everything."""

from hypothesis import given
from hypothesis import strategies as st

from hadeda.collect.replay import Accepted
from hadeda.envelope.labels import EPOCH_MESSAGES_MAX

sequences = st.lists(st.integers(0, 200) | st.integers(0, EPOCH_MESSAGES_MAX - 1), max_size=80)


@given(sequences)
def test_each_number_is_accepted_once_whatever_came_before(numbers: list[int]) -> None:
    accepted, model = Accepted(), set[int]()
    for number in numbers:
        assert (number in accepted) == (number in model)
        accepted = accepted.including(number)
        model.add(number)
        accepted = Accepted.from_bytes(accepted.highest, accepted.to_bytes())
        assert accepted.highest == max(model)
    assert all(number in accepted for number in model)
    assert len(accepted.to_bytes()) <= EPOCH_MESSAGES_MAX // 8


@given(st.integers(0, 300))
def test_closed_is_closed_and_what_lies_above_is_open(sequence: int) -> None:
    closed = Accepted.closed_at(sequence)
    assert all(number in closed for number in range(sequence + 1))
    assert not any(number in closed for number in range(sequence + 1, sequence + 100))
