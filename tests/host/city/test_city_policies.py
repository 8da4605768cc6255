"""What a city gives its nodes: the policy it signed, the floor in its folder, and nothing that a node would refuse."""

import shutil
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from policy_texts import FLOOR, STREET
from policy_texts import written as policy_file

from hadeda.city import City
from hadeda.city.policies import for_provisioning, read_signed, sign
from hadeda.envelope import labels
from hadeda.errors import CityError, PolicyError
from hadeda.policy import read_floor, read_policy, sign_policy, verify_policy
from hadeda.policy.lint import lint


def changed(folder: Path, **lines: str) -> Path:
    """The shipped policy for Testville with some lines replaced, in a file of its own."""
    folder.mkdir(exist_ok=True)
    named = {"version": "version = 1", "city": 'city = "Testville"'} | lines
    return policy_file(folder, named, source=STREET)


def test_a_new_city_can_provision_at_once(city: City) -> None:
    given = for_provisioning(city)
    assert (given.policy.name, given.policy.version) == ("street", 1)
    assert given.signed == (city.directory / "policy.toml.signed").read_bytes()
    assert cbor2.loads(given.floor)[labels.FLOOR_K] == 3
    verify_policy(given.signed, city.keyring.public(labels.ROLE_POLICY))


@pytest.mark.parametrize("name", ["Testville", 'a "quoted" \\ town', "eThekwini \u2600", "''", " "])
def test_the_starting_policy_is_the_citys_own_and_without_errors(tmp_path: Path, name: str) -> None:
    with City.init(tmp_path / "c", name, passphrase=b"open sesame") as city:
        policy = read_policy(city.directory / "policy.toml")
        assert policy.model.city == name
        floor = read_floor(city.directory / "floor.toml")
        assert not [found for found in lint(policy, floor) if found.severity == "error"]
        assert for_provisioning(city).policy.version == 1


def test_the_newest_policy_is_what_nodes_are_given(city: City, tmp_path: Path) -> None:
    row = sign(city, read_policy(changed(tmp_path, version="version = 4", k="k = 7")))
    given = for_provisioning(city)
    assert (given.signed, given.policy.version, given.policy.k) == (row.signed, 4, 7)
    first = for_provisioning(city, city.directory / "policy.toml.signed")
    assert first.policy.version == 1, "one that is named may be older"


def test_another_policy_under_the_same_version_is_refused(city: City, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"version 1 is another policy already.*above 1"):
        sign(city, read_policy(changed(tmp_path, k="k = 7")))
    assert for_provisioning(city).policy.k == 5


def test_signing_again_what_is_recorded_takes_no_key(tmp_path: Path) -> None:
    City.init(tmp_path / "c", "Testville", passphrase=b"open sesame").close()
    with City.open(tmp_path / "c") as locked:
        again = sign(locked, read_policy(locked.directory / "policy.toml"))
        assert again.signed == (locked.directory / "policy.toml.signed").read_bytes()
        with pytest.raises(CityError, match="policy key is locked"):
            sign(locked, read_policy(changed(tmp_path / "p", version="version = 2")))


def test_a_policy_below_the_citys_floor_is_not_given(city: City) -> None:
    floor = city.directory / "floor.toml"
    floor.write_text(floor.read_text().replace("min_k = 3", "min_k = 9"))
    with pytest.raises(PolicyError, match="k 5 is below the floor's 9"):
        for_provisioning(city)
    assert for_provisioning(city, floor_file=FLOOR).policy.k == 5


def test_without_a_floor_nothing_is_given(city: City) -> None:
    (city.directory / "floor.toml").unlink()
    with pytest.raises(PolicyError, match=r"floor.toml cannot be read"):
        for_provisioning(city)


@pytest.mark.parametrize("content", [b"", b"min_k = 3", b"\xff\xfe", b"[window]\nmin_seconds = 0\n"])
def test_a_damaged_floor_is_not_given(city: City, content: bytes) -> None:
    (city.directory / "floor.toml").write_bytes(content)
    with pytest.raises(PolicyError):
        for_provisioning(city)


def test_after_a_new_policy_key_the_policy_has_to_be_signed_again(city: City) -> None:
    city.keyring.rotate(labels.ROLE_POLICY, None)
    with pytest.raises(PolicyError, match=r"present policy key: give it a higher version"):
        for_provisioning(city)
    with pytest.raises(PolicyError, match="another key signed it"):
        sign(city, read_policy(city.directory / "policy.toml"))
    text = (city.directory / "policy.toml").read_text()
    (city.directory / "policy.toml").write_text(text.replace("version = 1", "version = 2"))
    sign(city, read_policy(city.directory / "policy.toml"))
    assert for_provisioning(city).policy.version == 2


def test_another_citys_signed_policy_is_not_given(city: City, tmp_path: Path) -> None:
    file = tmp_path / "p.signed"
    file.write_bytes(sign_policy(read_policy(STREET).model, ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(PolicyError, match="signature is not accepted"):
        for_provisioning(city, file)


@pytest.mark.parametrize("content", [None, b"", b"name = 1", b"\xd2", b"\xd2" + bytes(40_000)])
def test_what_is_no_signed_policy_is_not_given(city: City, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "p.signed"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PolicyError):
        for_provisioning(city, file)


def test_a_policy_with_too_many_long_names_is_not_signed(city: City, tmp_path: Path) -> None:
    names = ", ".join(f'"{letter * 32}"' for letter in "abcdefgh")
    directions = ", ".join(f'"{letter * 32}"' for letter in "wxyz")
    file = changed(
        tmp_path, version="version = 2", classes=f"classes = [{names}]", directions=f"directions = [{directions}]"
    )
    with pytest.raises(PolicyError, match="a node takes 400"):
        sign(city, read_policy(file))


def test_a_copy_of_the_folder_has_the_policy_with_it(city: City, tmp_path: Path) -> None:
    city.close()
    shutil.copytree(city.directory, tmp_path / "copy")
    with City.open(tmp_path / "copy") as copy:
        assert read_signed(copy.directory / "policy.toml.signed") == for_provisioning(copy).signed
