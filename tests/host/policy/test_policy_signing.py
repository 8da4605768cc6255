"""Signing: what the policy key signed for its own city is taken, everything else is refused."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from policy_texts import BELOW_FLOOR, STREET, written
from typer.testing import CliRunner

from envelope import cose as node_cose
from envelope import ecdsa
from hadeda.city import City
from hadeda.cli import policy as cli
from hadeda.envelope import cose, labels, thumbprint
from hadeda.envelope.keys import CURVE, public_point
from hadeda.policy import PolicyError, decompile, read_policy, sign_policy, verify_policy
from hadeda.policy.compiled import compile_policy
from hadeda.policy.signing import external_aad

KEY = ec.generate_private_key(CURVE)
PUBLIC = public_point(KEY.public_key())


def test_a_signed_policy_verifies_and_names_its_city() -> None:
    found = verify_policy(sign_policy(read_policy(STREET).model, KEY), PUBLIC)
    assert found.city == thumbprint(PUBLIC)
    assert (found.name, found.version, found.k) == ("street", 1, 5)


def test_the_nodes_own_code_takes_it() -> None:
    signed = sign_policy(read_policy(STREET).model, KEY)
    payload = node_cose.open_sign1(signed, external_aad(), ecdsa.Verifier(PUBLIC))
    assert decompile(payload).city == thumbprint(PUBLIC)


def test_s_is_always_the_lower_one() -> None:
    for version in range(20):
        signature = cose.parse_sign1(cose.sign(KEY, bytes([version]), external_aad())).signature
        assert int.from_bytes(signature[32:], "big") <= cose.P256_ORDER // 2


def test_another_citys_key_does_not_do() -> None:
    other = ec.generate_private_key(CURVE)
    signed = sign_policy(read_policy(STREET).model, other)
    with pytest.raises(PolicyError, match="signature is not accepted"):
        verify_policy(signed, PUBLIC)


def test_a_policy_for_another_city_does_not_do_even_with_our_signature() -> None:
    payload = compile_policy(read_policy(STREET).model, bytes(32))
    with pytest.raises(PolicyError, match="for another city"):
        verify_policy(cose.sign(KEY, payload, external_aad()), PUBLIC)


@pytest.mark.parametrize("context", ["command", "ready", "floor"])
def test_a_signature_made_for_something_else_does_not_do(context: str) -> None:
    payload = compile_policy(read_policy(STREET).model, thumbprint(PUBLIC))
    with pytest.raises(PolicyError, match="signature is not accepted"):
        verify_policy(cose.sign(KEY, payload, external_aad(context)), PUBLIC)


def test_every_byte_of_a_signed_policy_matters() -> None:
    signed = sign_policy(read_policy(STREET).model, KEY)
    for place in range(len(signed)):
        changed = bytearray(signed)
        changed[place] ^= 0x01
        with pytest.raises(PolicyError):
            verify_policy(bytes(changed), PUBLIC)
    for cut in (signed[:-1], signed + b"\x00", b""):
        with pytest.raises(PolicyError):
            verify_policy(cut, PUBLIC)


def test_the_command_writes_what_nodes_take(city: City, tmp_path: Path) -> None:
    file = written(tmp_path, {"city": 'city = "Testville"'})
    done = CliRunner().invoke(cli.app, ["sign", str(file), "--city", str(city.directory), "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    signed = Path(answer["signed"])
    assert signed == tmp_path / "policy.toml.signed"
    assert verify_policy(signed.read_bytes(), city.keyring.public(labels.ROLE_POLICY)).city.hex() == answer["city"]
    assert answer["bytes"] == len(signed.read_bytes()) < 1024


def test_a_policy_that_names_another_city_is_not_signed(city: City, tmp_path: Path) -> None:
    file = written(tmp_path)
    done = CliRunner().invoke(cli.app, ["sign", str(file), "--city", str(city.directory)])
    assert done.exit_code == 1
    assert "it is for the city 'demo', this is 'Testville'" in str(done.exception)
    assert not list(tmp_path.glob("*.signed"))


def test_a_policy_below_the_floor_is_not_signed(city: City, tmp_path: Path) -> None:
    file = written(tmp_path, source=BELOW_FLOOR)
    floor = str(STREET.parent / "floor.toml")
    done = CliRunner().invoke(cli.app, ["sign", str(file), "--city", str(city.directory), "--floor", floor])
    assert done.exit_code == 1
    assert "below the floor's 300 s" in str(done.exception)
    assert not list(tmp_path.glob("*.signed"))
