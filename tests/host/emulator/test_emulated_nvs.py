"""NVS: what was committed survives, and a power cut at any flash operation leaves the old or the new value."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from hadeda.board.partitions import Partition, stock
from hadeda.emulator.errors import BoardOSError
from hadeda.emulator.flash import Flash, PowerCut
from hadeda.emulator.nvs import NOT_ENOUGH_SPACE, NOT_FOUND, VALUE_TOO_LONG, Key, Nvs
from hadeda.emulator.surface import opcodes

PARTITION = next(partition for partition in stock(4) if partition.label == "nvs")
SMALL = Partition(1, 2, 0x9000, 0x2000, "nvs")  # two sectors: is full soon
Values = dict[Key, bytes]


def key(name: str, kind: int = opcodes.NVS_BLOB) -> Key:
    return (b"hadeda", name.encode(), bytes([kind])[0])


def new_flash() -> Flash:
    return Flash(4 << 20)


def test_values_are_there_after_commit_and_restart() -> None:
    flash = new_flash()
    nvs = Nvs(flash, PARTITION)
    nvs.set(key("a"), b"one")
    nvs.commit()
    assert Nvs(flash, PARTITION).get(key("a")) == b"one"


def test_what_was_not_committed_is_gone_after_a_reset() -> None:
    nvs = Nvs(new_flash(), PARTITION)
    nvs.set(key("a"), b"one")
    assert nvs.get(key("a")) == b"one"
    nvs.restart()
    with pytest.raises(BoardOSError) as caught:
        nvs.get(key("a"))
    assert caught.value.args == NOT_FOUND


def test_types_are_apart_and_erase_takes_all_of_a_name() -> None:
    nvs = Nvs(new_flash(), PARTITION)
    nvs.set(key("a", opcodes.NVS_I32), b"\1\0\0\0")
    nvs.set(key("a", opcodes.NVS_BLOB), b"blob")
    nvs.commit()
    nvs.erase(b"hadeda", b"a")
    nvs.commit()
    for kind in (opcodes.NVS_I32, opcodes.NVS_BLOB):
        with pytest.raises(BoardOSError):
            nvs.get(key("a", kind))
    with pytest.raises(BoardOSError) as caught:
        nvs.erase(b"hadeda", b"a")
    assert caught.value.args == NOT_FOUND


def test_overwritten_value_stays_readable_in_flash_as_on_the_chip() -> None:
    flash = new_flash()
    nvs = Nvs(flash, PARTITION)
    for value in (b"the old secret", b"the new secret"):
        nvs.set(key("k"), value)
        nvs.commit()
    assert b"the old secret" in flash.image()


def test_thousands_of_commits_recycle_the_partition() -> None:
    flash = new_flash()
    nvs = Nvs(flash, SMALL)
    nvs.set(key("kept"), b"still here")
    for number in range(3000):
        nvs.set(key("counter"), number.to_bytes(4, "little"))
        nvs.commit()
    again = Nvs(flash, SMALL)
    assert again.get(key("counter")) == (2999).to_bytes(4, "little")
    assert again.get(key("kept")) == b"still here"
    assert set(flash.image()[: SMALL.address] + flash.image()[SMALL.address + SMALL.size :]) == {0xFF}


def test_full_partition_refuses_and_keeps_what_it_has() -> None:
    flash = new_flash()
    nvs = Nvs(flash, SMALL)
    for number in range(3):
        nvs.set(key(f"k{number}"), bytes([number]) * 1000)
        nvs.commit()
    with pytest.raises(BoardOSError) as caught:
        nvs.set(key("too much"), bytes(1500))
    assert caught.value.args == NOT_ENOUGH_SPACE
    nvs.set(key("k0"), b"smaller")
    nvs.commit()
    again = Nvs(flash, SMALL)
    assert [len(again.get(key(f"k{number}"))) for number in range(3)] == [7, 1000, 1000]


def test_oversized_value_is_refused() -> None:
    with pytest.raises(BoardOSError) as caught:
        Nvs(new_flash(), PARTITION).set(key("a"), bytes(4001))
    assert caught.value.args == VALUE_TOO_LONG


def series(seed: int) -> list[tuple[Key, bytes | None]]:
    """Sets and erasures of a few keys, values up to 300 bytes: enough to fill SMALL several times."""
    draw = random.Random(seed)
    steps: list[tuple[Key, bytes | None]] = []
    for _ in range(60):
        name = key(draw.choice("abcd"))
        steps.append((name, None if draw.random() < 0.15 else draw.randbytes(draw.randrange(300))))
    return steps


def apply(nvs: Nvs, name: Key, value: bytes | None) -> None:
    if value is not None:
        nvs.set(name, value)
    else:
        try:
            nvs.erase(*name[:2])
        except BoardOSError:
            return
    nvs.commit()


def contents(flash: Flash) -> Values:
    nvs = Nvs(flash, SMALL)
    found: Values = {}
    for name in map(key, "abcd"):
        try:
            found[name] = nvs.get(name)
        except BoardOSError:
            continue
    return found


def after(values: Values, name: Key, value: bytes | None) -> Values:
    kept = {other: data for other, data in values.items() if other != name}
    return kept if value is None else {**kept, name: value}


def cut_at(number: int, part: float) -> Callable[[int, bytes | None], None]:
    """Cut the power at the `number`th change, after `part` of its bytes."""
    count = itertools.count()

    def before_change(_address: int, data: bytes | None) -> None:
        if next(count) == number:
            raise PowerCut(done=int(len(data or b"") * part))

    return before_change


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_power_cut_at_every_flash_change_leaves_old_or_new(part: float) -> None:
    steps = series(seed=5)
    changes = 0
    while True:
        flash = new_flash()
        flash.before_change = cut_at(changes, part)
        nvs = Nvs(flash, SMALL)
        before: Values = {}
        try:
            for name, value in steps:
                wanted = after(before, name, value)
                apply(nvs, name, value)
                before = wanted
        except PowerCut:
            flash.before_change = None
            assert contents(flash) in (before, wanted), f"cut at change {changes}"
            apply(Nvs(flash, SMALL), key("a"), b"goes on")
            assert contents(flash)[key("a")] == b"goes on"
        else:
            break
        changes += 1
    assert changes > 100
