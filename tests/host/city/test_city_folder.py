"""The city folder: made whole or not at all, opened or refused with one line."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from sealing import CONFIGURATION, SealingNode, enrolled

from hadeda.city import City, certificates, keyfile
from hadeda.envelope import thumbprint
from hadeda.errors import CityError, ProvisionError
from hadeda.provision.network import Wifi
from hadeda.registry import find_node, nodes


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_city_opens_again_with_the_same_keys(tmp_path: Path) -> None:
    with City.init(
        tmp_path / "c", "Testville", broker_host="broker.example", wifi_ssid='cat "5"', ntp="time.example"
    ) as made:
        collector = made.collector_public
    with City.open(tmp_path / "c") as city:
        assert city.collector_public == collector
        assert city.collector_id == thumbprint(collector)
        assert (city.settings.name, city.settings.broker.host) == ("Testville", "broker.example")
        assert (city.settings.wifi.ssid, city.settings.ntp) == ('cat "5"', "time.example")
    assert leftovers(tmp_path) == ["c"]


def test_private_files_are_for_their_owner_only(city: City) -> None:
    private = [path for path in city.directory.rglob("*") if path.is_file() and path.suffix in (".pem", ".key", ".db")]
    private.append(city.directory / "secrets.toml")
    for path in private:
        if path.name not in ("ca.pem", "broker.pem"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(city.directory.stat().st_mode) == 0o700


def test_what_is_there_already_is_left_alone(tmp_path: Path, city: City) -> None:
    with pytest.raises(CityError, match="there is a city in"):
        City.init(city.directory, "Other")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x").write_text("mine")
    with pytest.raises(CityError, match="not an empty folder"):
        City.init(tmp_path / "notes", "Other")
    with pytest.raises(CityError, match="not an empty folder"):
        City.init(tmp_path / "notes" / "x", "Other")
    with City.open(city.directory) as again:
        assert again.settings.name == "Testville"
    assert leftovers(tmp_path) == ["city", "notes"]


def test_an_empty_folder_becomes_a_city_unless_one_stands_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(CityError, match="folder you are in"):
        City.init(Path(), "Here")
    monkeypatch.chdir(tmp_path)
    City.init(tmp_path / "empty", "Here").close()


def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for failure in (OSError(28, "No space left on device"), KeyboardInterrupt()):

        def fail(*_arguments: object, failure: BaseException = failure) -> None:
            raise failure

        monkeypatch.setattr(certificates, "broker_certificate", fail)
        with pytest.raises((CityError, KeyboardInterrupt)):
            City.init(tmp_path / "c", "Testville")
        assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CityError, match="cannot be made"):
        City.init(tmp_path / "file" / "c", "Testville")


@pytest.mark.parametrize("name", ["", "x" * 65, "two\nlines"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(CityError, match="name"):
        City.init(tmp_path / "c", name)
    assert leftovers(tmp_path) == []


def test_missing_city_and_missing_parts(tmp_path: Path, city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CityError, match=r"no city in .*: make one with"):
        City.open(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HADEDA_CITY", raising=False)
    with pytest.raises(CityError, match="no city in"):
        City.open()
    monkeypatch.setenv("HADEDA_CITY", str(city.directory))
    City.open().close()
    next((city.directory / "keys").glob("collector-*.key")).unlink()
    with City.open() as broken, pytest.raises(CityError, match=r"collector-.*\.key is missing"):
        _ = broken.collector_private
    (city.directory / "secrets.toml").rename(tmp_path / "away")
    with pytest.raises(CityError, match=r"secrets\.toml is missing"):
        City.open()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "name"),
        ('name = "x"\ncreated = 2025-01-01T00:00:00Z\nnmae = 1\n', "nmae"),
        ('name = "x"\ncreated = 2025-01-01T00:00:00Z\n[broker]\nport = 70000\n', r"broker\.port"),
        ('name = "x"\ncreated = 2025-01-01T00:00:00Z\n[broker]\ntopic = "#"\n', r"broker\.topic"),
        ("name = ", "not TOML"),
        ("name = " + "9" * 5000, "not TOML"),
        ("name = " + "[" * 5000, "not TOML"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_broken_city_toml_names_file_and_key(city: City, text: str, complaint: str) -> None:
    (city.directory / "city.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CityError, match=rf"city\.toml.*{complaint}"):
        City.open(city.directory)


def test_a_broken_secret_is_not_shown(city: City) -> None:
    (city.directory / "secrets.toml").write_text('broker_user = "u"\nbroker_password = 12345678\n')
    with pytest.raises(CityError, match="broker_password") as refusal:
        City.open(city.directory)
    assert "12345678" not in str(refusal.value)
    assert city.secrets.broker_password not in repr(city.secrets)


def test_a_passphrase_encrypts_every_private_key_but_the_brokers(tmp_path: Path) -> None:
    City.init(tmp_path / "c", "Testville", passphrase=b"open sesame").close()
    key_files = list((tmp_path / "c").rglob("*.key"))
    assert len(key_files) == 6
    for path in key_files:
        assert keyfile.KeyFile.read(path).protected, path
        assert b'"private"' not in path.read_bytes()
    with City.open(tmp_path / "c", passphrase=b"open sesame") as city:
        assert len(city.keyring.privates(1)) == 1
    for passphrase, words in ((None, "locked"), (b"wrong", "does not open")):
        with City.open(tmp_path / "c", passphrase) as city, pytest.raises(CityError, match=words):
            city.keyring.private(1)


def test_the_public_halves_need_no_passphrase(tmp_path: Path) -> None:
    with City.init(tmp_path / "c", "Testville", passphrase=b"open sesame") as made:
        public = made.authorities()
    with City.open(tmp_path / "c") as city:
        assert city.authorities() == public
        assert sorted(public) == [1, 2, 3, 4, 5]
        assert len(set(public.values())) == 5, "every role has a key of its own"


def test_the_brokers_certificate_is_the_authoritys_for_every_name_of_the_broker(tmp_path: Path) -> None:
    with City.init(tmp_path / "c", "Testville", broker_host="broker.example", extra_hosts=["192.0.2.7"]) as city:
        ca = x509.load_pem_x509_certificate(city.ca_file.read_bytes())
        broker = x509.load_pem_x509_certificate(city.broker_certificate_file.read_bytes())
        assert x509.load_der_x509_certificate(city.ca_der()) == ca
    policy = PolicyBuilder().store(Store([ca]))
    for name in ("broker.example", "localhost"):
        policy.build_server_verifier(x509.DNSName(name)).verify(broker, [])
    for address in ("127.0.0.1", "192.0.2.7", "::1"):
        policy.build_server_verifier(x509.IPAddress(certificates.ip_address(address))).verify(broker, [])
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("elsewhere.example")).verify(broker, [])
    assert broker.not_valid_before_utc == datetime(2000, 1, 1, tzinfo=UTC), "a node without a clock must get through"
    assert (broker.not_valid_after_utc - datetime.now(UTC)).days > 19 * 365


def test_what_a_node_is_told_of_the_network(tmp_path: Path) -> None:
    with City.init(tmp_path / "c", "Testville", wifi_ssid="street", wifi_password="long enough") as city:
        network = city.node_network()
        assert network.wifi == Wifi("street", "long enough")
        assert network.broker.topic == "hadeda/up"
        assert network.broker.ca == city.ca_der()
        assert city.secrets.broker_password not in repr(network)


def test_a_city_without_wifi_says_so_before_a_node_is_touched(tmp_path: Path) -> None:
    with City.init(tmp_path / "c", "Testville") as city, pytest.raises(ProvisionError, match=r"city\.toml"):
        city.node_network()


def test_an_enrolment_for_another_visit_is_a_provisioning_error(city: City) -> None:
    message = SealingNode().enrol(city.collector_public, bytes(16))
    with pytest.raises(ProvisionError, match="another nonce"):
        city.enrol(message, b"\1" * 16, configuration=CONFIGURATION)


def test_the_registry_knows_which_of_the_citys_keys_a_node_was_given(city: City) -> None:
    enrolled(city, "before")
    told = {str(role): thumbprint(public).hex() for role, public in city.authorities().items()}
    city.keyring.rotate(3, None)
    enrolled(city, "after")
    assert find_node(city.database, "before").authorities == told
    assert find_node(city.database, "after").authorities == told | {"3": city.keyring.thumbprint(3).hex()}


@pytest.mark.parametrize("role", [1, 2, 3, 4, 5])
def test_a_key_rotated_during_a_provisioning_refuses_the_node_that_was_told_the_old_one(city: City, role: int) -> None:
    node, nonce, given = SealingNode(), bytes(16), city.authorities()
    message = node.enrol(city.collector_public, nonce)
    city.keyring.rotate(role, None)
    with pytest.raises(ProvisionError, match="keys changed while the node was provisioned") as refusal:
        city.enrol(message, nonce, configuration=CONFIGURATION | {"authorities": given})
    assert "provision it again" in str(refusal.value)
    assert nodes(city.database) == []
    message = node.enrol(city.collector_public, nonce)
    city.enrol(message, nonce, configuration=CONFIGURATION | {"authorities": city.authorities()})
