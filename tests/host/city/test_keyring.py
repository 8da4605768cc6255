"""The city's keyring: five roles, rotation, retirement, and a power cut at every step of each."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cut_disk import CutDisk, PowerCut
from hypothesis import given, settings
from hypothesis import strategies as st
from sealing import cose_thumbprint, point

from hadeda.city.keyfile import Cost, KeyFile
from hadeda.city.keyring import INDEX_FILE, Keyring, KeyState, one_passphrase
from hadeda.envelope import labels
from hadeda.errors import CityError

QUICK = Cost(n=1 << 14)
COMMAND = labels.ROLE_COMMAND
PASSPHRASE = b"open sesame"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """A new keyring, not encrypted."""
    return Keyring.create(tmp_path / "keys")


@pytest.fixture
def locked(tmp_path: Path) -> Keyring:
    """A new keyring, encrypted, as another process would find it."""
    Keyring.create(tmp_path / "keys", PASSPHRASE, cost=QUICK)
    return Keyring(tmp_path / "keys", one_passphrase(PASSPHRASE))


def rest(keyring: Keyring, role: int) -> list[bytes]:
    """The public halves of a role's keys, the current one first."""
    return [entry.public for entry in keyring.entries if entry.role == role]


def test_every_role_has_a_key_of_its_own(keyring: Keyring) -> None:
    assert [entry.role for entry in keyring.entries] == list(labels.ROLES)
    assert len({entry.public for entry in keyring.entries}) == 5
    for role in labels.ROLES:
        assert point(keyring.private(role)) == keyring.public(role) == keyring.authorities()[role]
        assert keyring.thumbprint(role) == cose_thumbprint(keyring.public(role))
        assert keyring.privates(role) == [(keyring.thumbprint(role), keyring.private(role))]


def test_a_key_is_unlocked_only_when_it_is_needed(tmp_path: Path) -> None:
    Keyring.create(tmp_path / "keys", PASSPHRASE, cost=QUICK)
    asked: list[str] = []

    def unlock(role: str) -> Iterator[bytes]:
        asked.append(role)
        yield b"another"
        yield PASSPHRASE

    keyring = Keyring(tmp_path / "keys", unlock)
    keyring.authorities()
    assert asked == []
    keyring.private(COMMAND)
    keyring.private(COMMAND)
    assert asked == ["command"]
    assert keyring.passphrase(COMMAND) == PASSPHRASE


def test_one_role_can_have_another_passphrase(locked: Keyring) -> None:
    locked.protect(COMMAND, b"another", QUICK)
    again = Keyring(locked.folder, one_passphrase(PASSPHRASE))
    assert again.private(labels.ROLE_COLLECTOR)
    with pytest.raises(CityError, match=r"does not open .*command-"):
        again.private(COMMAND)
    assert Keyring(locked.folder, one_passphrase(b"another")).private(COMMAND)


def test_protecting_overwrites_the_file_that_stood_there(keyring: Keyring) -> None:
    path = keyring.folder / keyring.entry(COMMAND).file_name
    with path.open("rb") as old:
        keyring.protect(COMMAND, PASSPHRASE, QUICK)
        assert set(old.read()) == {0}


def test_two_rotations_at_once_lose_no_key(keyring: Keyring) -> None:
    def rotate(role: int) -> None:
        mine = Keyring(keyring.folder)
        for _ in range(8):
            mine.rotate(role, None)

    threads = [Thread(target=rotate, args=(role,)) for role in labels.ROLES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(rest(keyring, role)) for role in labels.ROLES] == [9] * 5
    assert len(list(keyring.folder.glob("*.key"))) == 45


def test_protection_can_be_put_on_and_taken_off(keyring: Keyring) -> None:
    keyring.rotate(COMMAND, None)
    keyring.protect(COMMAND, PASSPHRASE, QUICK)
    command = [entry for entry in keyring.entries if entry.role == COMMAND]
    assert len(command) == 2
    assert all(keyring.file(entry).protected for entry in command), "retiring keys too"
    with pytest.raises(CityError, match="locked"):
        Keyring(keyring.folder).private(COMMAND)
    again = Keyring(keyring.folder, one_passphrase(PASSPHRASE))
    again.protect(COMMAND, None)
    assert Keyring(keyring.folder).private(COMMAND)


def test_rotation_keeps_the_older_keys_until_nobody_uses_them(keyring: Keyring) -> None:
    first = keyring.entry(COMMAND)
    second = keyring.rotate(COMMAND, None)
    third = keyring.rotate(COMMAND, None)
    assert [thumb for thumb, _key in keyring.privates(COMMAND)] == [
        third.thumbprint, second.thumbprint, first.thumbprint,
    ]  # fmt: skip
    assert keyring.public(COMMAND) == third.public
    assert point(keyring.private(COMMAND, first.thumbprint)) == first.public
    assert keyring.entry(COMMAND, first.thumbprint).state is KeyState.RETIRING
    assert len(keyring.privates(labels.ROLE_COLLECTOR)) == 1

    gone = keyring.erase_retired(lambda entry: entry.thumbprint == first.thumbprint)
    assert [entry.public for entry in gone] == [second.public]
    assert not (keyring.folder / second.file_name).exists()
    again = Keyring(keyring.folder)
    assert rest(again, COMMAND) == [third.public, first.public]
    with pytest.raises(CityError, match="no command key"):
        again.private(COMMAND, second.thumbprint)


def test_a_current_key_is_never_erased(keyring: Keyring) -> None:
    assert keyring.erase_retired(lambda _entry: False) == []
    assert len(keyring.entries) == 5


def test_a_running_process_sees_that_another_one_rotated_a_key(keyring: Keyring) -> None:
    collector = Keyring(keyring.folder)
    before = collector.public(labels.ROLE_COLLECTOR)
    made = keyring.rotate(labels.ROLE_COLLECTOR, None)
    assert collector.public(labels.ROLE_COLLECTOR) == made.public
    assert [thumb for thumb, _key in collector.privates(labels.ROLE_COLLECTOR)] == [
        made.thumbprint,
        cose_thumbprint(before),
    ]


def test_a_key_can_live_elsewhere_and_is_missed_only_when_it_is_needed(keyring: Keyring, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    entry = keyring.entry(COMMAND)
    shutil.move(keyring.folder / entry.file_name, tmp_path / "stick")
    (keyring.folder / entry.file_name).symlink_to(tmp_path / "stick" / entry.file_name)
    again = Keyring(keyring.folder)
    assert point(again.private(COMMAND)) == entry.public
    (tmp_path / "stick").rename(tmp_path / "drawer")
    away = Keyring(keyring.folder)
    assert away.authorities() == again.authorities()
    assert away.private(labels.ROLE_RECEIPT)
    with pytest.raises(CityError, match=r"stick.*not there: bring its medium"):
        away.private(COMMAND)
    away.rotate(COMMAND, None)
    assert away.erase_retired(lambda _entry: False) == [], "a key that cannot be erased now is not forgotten"
    (tmp_path / "drawer").rename(tmp_path / "stick")
    assert [gone.public for gone in away.erase_retired(lambda _entry: False)] == [entry.public]
    assert list((tmp_path / "stick").iterdir()) == []


def test_swapped_files_are_told_apart(keyring: Keyring) -> None:
    command, release = (keyring.folder / keyring.entry(role).file_name for role in (COMMAND, labels.ROLE_RELEASE))
    content = command.read_bytes()
    command.write_bytes(release.read_bytes())
    release.write_bytes(content)
    again = Keyring(keyring.folder)
    with pytest.raises(CityError, match=r"command-.*holds another key: a release key.*put the right file back"):
        again.private(COMMAND)


def test_the_same_roles_older_file_is_told_apart_too(keyring: Keyring) -> None:
    first = keyring.entry(COMMAND)
    second = keyring.rotate(COMMAND, None)
    shutil.copy(keyring.folder / first.file_name, keyring.folder / second.file_name)
    with pytest.raises(CityError, match="holds another key"):
        Keyring(keyring.folder).private(COMMAND)


def test_a_missing_index_and_a_missing_key(keyring: Keyring) -> None:
    (keyring.folder / keyring.entry(COMMAND).file_name).unlink()
    with pytest.raises(CityError, match=r"command-.*is missing: restore"):
        Keyring(keyring.folder).private(COMMAND)
    (keyring.folder / INDEX_FILE).unlink()
    with pytest.raises(CityError, match=r"index\.json is missing: restore"):
        Keyring(keyring.folder).authorities()


def _without(role: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        index = json.loads(text)
        index["keys"] = [row for row in index["keys"] if row["role"] != role]
        return json.dumps(index)

    return change


def _twice(text: str) -> str:
    index = json.loads(text)
    index["keys"].append(index["keys"][0])
    return json.dumps(index)


@pytest.mark.parametrize(
    "change",
    [
        lambda _text: "",
        lambda _text: "[]",
        lambda _text: "[" * 100_000,
        lambda text: text.replace("receipt", "recipe"),
        lambda text: text.replace("current", "retiring", 1),
        lambda text: text.replace('"public":"04', '"public":"05', 1).replace('"public": "04', '"public": "05', 1),
        _without("policy"),
        _twice,
    ],
)
def test_a_damaged_index_is_one_kind_of_error(keyring: Keyring, change: Callable[[str], str]) -> None:
    index = keyring.folder / INDEX_FILE
    index.write_text(change(index.read_text()))
    with pytest.raises(CityError, match=r"index\.json is damaged: restore"):
        Keyring(keyring.folder).authorities()


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_whatever_the_index_holds_reading_it_raises_one_kind_of_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("keys")
    (folder / INDEX_FILE).write_bytes(content)
    with pytest.raises(CityError, match="damaged"):
        Keyring(folder).authorities()


# Power cuts: an operation is tried with the power cut before its first, second, ... step, until it goes through

Operation = Callable[[Keyring], object]


def cut_everywhere(keyring: Keyring, operation: Operation, check: Callable[[Keyring], None]) -> int:
    """Run `operation` on copies of the keyring, cut at each step; `check` what is left. Returns the steps."""
    for step in range(1, 100):
        folder = keyring.folder.parent / f"cut-{step}"
        shutil.copytree(keyring.folder, folder)
        with pytest.MonkeyPatch.context() as patch:
            disk = CutDisk(patch, step)
            try:
                operation(Keyring(folder, keyring._unlock))
            except PowerCut:
                cut = True
            else:
                cut = False
        disk.lose()
        check(Keyring(folder, keyring._unlock))
        if not cut:
            return step - 1
    raise AssertionError("it never goes through")


def test_rotation_cut_anywhere_leaves_the_old_keyring_or_the_new_one(locked: Keyring) -> None:
    before = rest(locked, COMMAND)
    seen = set()

    def check(left: Keyring) -> None:
        keys = rest(left, COMMAND)
        seen.add(len(keys))
        assert keys[-1:] == before
        assert [point(key) for _thumb, key in left.privates(COMMAND)] == keys
        made = left.rotate(COMMAND, PASSPHRASE, cost=QUICK)
        assert rest(left, COMMAND) == [made.public, *keys], "and the rotation can be done again"

    steps = cut_everywhere(locked, lambda keyring: keyring.rotate(COMMAND, PASSPHRASE, cost=QUICK), check)
    assert steps >= 6, "key file, its folder, index, its folder"
    assert seen == {1, 2}


def test_erasing_cut_anywhere_can_be_done_again_and_leaves_no_private_key_behind(keyring: Keyring) -> None:
    old = keyring.entry(COMMAND)
    new = keyring.rotate(COMMAND, None)

    def check(left: Keyring) -> None:
        left.erase_retired(lambda _entry: False)
        assert rest(left, COMMAND) == [new.public]
        assert not (left.folder / old.file_name).exists()
        assert left.privates(COMMAND)

    assert cut_everywhere(keyring, lambda ring: ring.erase_retired(lambda _entry: False), check) >= 4


def test_protecting_cut_anywhere_leaves_each_key_under_the_old_or_the_new_passphrase(locked: Keyring) -> None:
    locked.rotate(COMMAND, PASSPHRASE, cost=QUICK)

    def check(left: Keyring) -> None:
        both = Keyring(left.folder, lambda _role: (PASSPHRASE, b"another"))
        assert len(both.privates(COMMAND)) == 2
        both.protect(COMMAND, b"third", QUICK)
        assert Keyring(left.folder, one_passphrase(b"third")).privates(COMMAND)

    assert cut_everywhere(locked, lambda keyring: keyring.protect(COMMAND, b"another", QUICK), check) >= 8


def test_every_key_of_a_new_keyring_is_on_disk_before_the_index(tmp_path: Path) -> None:
    for step in range(1, 40):
        with pytest.MonkeyPatch.context() as patch:
            disk = CutDisk(patch, step)
            try:
                Keyring.create(tmp_path / str(step))
            except PowerCut:
                disk.lose()
        if (tmp_path / str(step) / INDEX_FILE).exists():
            ring = Keyring(tmp_path / str(step))
            assert all(isinstance(ring.private(role), ec.EllipticCurvePrivateKey) for role in labels.ROLES)


def test_the_key_files_carry_their_role_and_thumbprint_in_their_names(keyring: Keyring) -> None:
    for entry in keyring.entries:
        path = keyring.folder / f"{entry.role_name}-{entry.thumbprint.hex()[:16]}.key"
        assert KeyFile.read(path).public == entry.public
