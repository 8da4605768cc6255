"""What a node takes: the CBOR of a policy and a floor, and back."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_texts import BELOW_FLOOR, FLOOR, STREET, policy

from hadeda.envelope import labels
from hadeda.policy import Compiled, PolicyError, compile_floor, compile_policy, decompile, read_floor, read_policy
from hadeda.policy.compiled import Cells, CompiledFootfall, decompile_floor
from hadeda.policy.schema import DAY_S, EPSILON_DAY_MAX, EPSILON_RELEASE_MAX, K_MAX, VERSION_MAX, WINDOW_MIN_S

CITY = bytes(range(32))
WINDOWS = [s for s in range(WINDOW_MIN_S, DAY_S + 1) if DAY_S % s == 0]
WORDS = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), min_size=1, max_size=4, unique=True)


def _policy(footfall: CompiledFootfall | None, vision: bool, presence: bool, **others: Any) -> Compiled:
    sources = (1,) * (footfall is not None) + (2,) * vision + (3,) * presence
    return Compiled(footfall=footfall, sources=sources, **others)


POLICIES = st.builds(
    _policy,
    city=st.binary(min_size=32, max_size=32),
    version=st.integers(1, VERSION_MAX),
    window_s=st.sampled_from(WINDOWS),
    channels=st.lists(st.sampled_from(sorted(labels.CHANNELS)), unique=True).map(tuple),
    cells=st.builds(
        Cells,
        classes=WORDS.map(tuple),
        directions=WORDS.map(tuple),
        speed_bands_kmh=st.lists(st.integers(1, 300), max_size=15, unique=True).map(sorted).map(tuple),
    ),
    k=st.integers(1, K_MAX),
    epsilon_release=st.integers(1, EPSILON_RELEASE_MAX),
    epsilon_day=st.integers(1, EPSILON_DAY_MAX),
    name=st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4}){0,2}", fullmatch=True),
    footfall=st.none()
    | st.builds(CompiledFootfall, k=st.integers(1, K_MAX), epsilon_release=st.integers(1, EPSILON_RELEASE_MAX)),
    vision=st.booleans(),
    presence=st.booleans(),
)
FLOORS = st.builds(
    lambda content: {**content, 5: sorted(content[5]), 6: sorted(content[6])},
    st.fixed_dictionaries(
        {
            1: st.integers(WINDOW_MIN_S, DAY_S),
            2: st.integers(1, K_MAX),
            3: st.integers(1, EPSILON_RELEASE_MAX),
            4: st.integers(1, EPSILON_DAY_MAX),
            5: st.sets(st.integers(1, 6)),
            6: st.sets(st.integers(1, 2)),
            7: st.integers(1, VERSION_MAX),
        },
        optional={8: st.fixed_dictionaries({1: st.integers(3600, DAY_S), 2: st.integers(100, 1_000_000)})},
    ),
)


def test_the_map_is_the_one_the_node_knows() -> None:
    compiled = compile_policy(read_policy(STREET).model, CITY)
    assert cbor2.loads(compiled) == {
        1: CITY,
        2: 1,
        3: 900,
        4: [1, 2, 3, 4, 5, 6],
        5: {1: ["vehicle"], 2: ["approaching", "receding"], 3: [30]},
        6: 5,
        7: 500_000,
        8: 48_000_000,
        9: "street",
    }


def test_the_floor_is_the_one_the_node_knows() -> None:
    floor = compile_floor(read_floor(FLOOR).model)
    assert cbor2.loads(floor) == {1: 300, 2: 3, 3: 1_000_000, 4: 96_000_000, 5: [], 6: [1], 7: 1}


@settings(deadline=None)
@given(content=FLOORS)
def test_a_floor_comes_back(content: dict[int, object]) -> None:
    data = cbor2.dumps(content, canonical=True)
    assert compile_floor(decompile_floor(data)) == data


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (1, 59),
        (2, 0),
        (2, "3"),
        (3, None),
        (3, 10_000_001),
        (4, -1),
        (5, [12]),
        (5, [2, 1]),
        (6, [4]),
        (6, 1),
        (7, 0),
        (8, 1),
        (8, {}),
        (8, {1: 3600}),
        (8, {1: 3599, 2: 100}),
        (8, {1: 86_401, 2: 100}),
        (8, {1: 3600, 2: 99}),
        (8, {1: 3600, 2: 100, 3: 1}),
    ],
)
def test_values_no_floor_can_have_do_not_come_back(key: int, value: object) -> None:
    content = cbor2.loads(compile_floor(read_floor(FLOOR).model))
    with pytest.raises(PolicyError, match="not a compiled floor"):
        decompile_floor(cbor2.dumps(content | {key: value}, canonical=True))


@settings(deadline=None)
@given(data=st.binary(max_size=64))
def test_anything_else_is_no_floor(data: bytes) -> None:
    with pytest.raises(PolicyError):
        decompile_floor(data)


def test_what_is_not_asked_for_is_off(tmp_path: Path) -> None:
    quiet = policy(tmp_path, {"channels": "channels = []"}).model
    compiled = decompile(compile_policy(quiet, CITY))
    assert (compiled.channels, compiled.footfall, compiled.sources) == ((), None, ())
    assert not {10, 11} & set(cbor2.loads(compiled.encode()))


def test_energy_is_a_channel_that_is_asked_for_in_a_table_of_its_own(tmp_path: Path) -> None:
    asked = policy(tmp_path, more="[energy]").model
    assert cbor2.loads(compile_policy(asked, CITY))[4] == [1, 2, 3, 4, 5, 6, 11]
    assert decompile(compile_policy(asked, CITY)).channel_names[-1] == "energy"


def test_footfall_vision_and_presence_are_in_it_when_asked_for(tmp_path: Path) -> None:
    assert cbor2.loads(compile_policy(read_policy(BELOW_FLOOR).model, CITY))[10] == {1: 1, 2: 2_000_000}
    assert cbor2.loads(compile_policy(read_policy(BELOW_FLOOR).model, CITY))[11] == [1]
    assert cbor2.loads(compile_policy(policy(tmp_path, more="[vision]").model, CITY))[11] == [2]
    assert cbor2.loads(compile_policy(policy(tmp_path, more="[presence]\n[vision]").model, CITY))[11] == [2, 3]


@settings(deadline=None)
@given(compiled=POLICIES)
def test_what_is_compiled_comes_back(compiled: Compiled) -> None:
    assert decompile(compiled.encode()) == compiled


@settings(deadline=None)
@given(compiled=POLICIES, data=st.data())
def test_a_damaged_policy_is_another_policy_or_a_policy_error(compiled: Compiled, data: st.DataObject) -> None:
    damaged = bytearray(compiled.encode())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(PolicyError):
        assert decompile(bytes(damaged)) != compiled


@settings(deadline=None)
@given(data=st.binary(max_size=64))
def test_anything_else_is_a_policy_error(data: bytes) -> None:
    with pytest.raises(PolicyError):
        decompile(data)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (3, 700),
        (6, 0),
        (7, 0),
        (7, 10_000_001),
        (8, -1),
        (10, {1: 5, 2: 500_000}),
        (11, [1]),
        (12, 1),
        (1, b"short"),
        (5, [1]),
        (9, "No Name"),
        (4, [4, True]),
    ],
)
def test_values_no_policy_can_have_do_not_come_back(key: int, value: object) -> None:
    content = cbor2.loads(compile_policy(read_policy(STREET).model, CITY))
    with pytest.raises(PolicyError, match="not a compiled policy"):
        decompile(cbor2.dumps(content | {key: value}, canonical=True))


def test_a_city_is_named_by_32_bytes() -> None:
    with pytest.raises(PolicyError, match="32 bytes"):
        compile_policy(read_policy(STREET).model, b"Testville")
