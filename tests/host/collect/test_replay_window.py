"""The replay window against a set that remembers everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hadeda.collect.replay import SIZE, ReplayWindow
from hadeda.errors import Rejected

sequences = st.lists(st.integers(0, 200) | st.integers(0, 2**40 - 1), max_size=80)


@given(sequences)
def test_each_number_is_admitted_once_and_only_within_the_window(numbers: list[int]) -> None:
    window, accepted = ReplayWindow(), set[int]()
    for number in numbers:
        highest = max(accepted, default=-1)
        fresh = number not in accepted and number > highest - SIZE
        if fresh:
            window = window.admit(number)
            accepted.add(number)
        else:
            with pytest.raises(Rejected) as refusal:
                window.admit(number)
            reason = "replayed" if number > highest - SIZE else "older than the replay window"
            assert refusal.value.reason == reason
        window = ReplayWindow.from_bytes(window.highest, window.to_bytes())


def test_the_edges_of_the_window() -> None:
    window = ReplayWindow().admit(100)
    window.admit(100 - SIZE + 1)
    for number in (100, 100 - SIZE):
        with pytest.raises(Rejected):
            window.admit(number)
