"""A city: one folder with settings, keys, TLS and the registry's database.

    city.toml  secrets.toml
    policy.toml  policy.toml.signed  floor.toml       what nodes may count and say: see policies.py
    keys/index.json  keys/ROLE-....key       the city's own keys: see keyring.py
    revoked.txt                              ids of revoked nodes: see registry/revoking.py
    tls/ca.pem  ca.key  broker.pem  broker_key.pem
    city.db                                  registry and report store, unless city.toml names a PostgreSQL server

It is built beside its final place and moved there whole, so there is no such thing as half a city; but tables that were
made on a PostgreSQL server stay there when what comes after them fails.
"""

import os
import shutil
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError

from hadeda import randomness
from hadeda.city import certificates, keyfile, policies
from hadeda.city import settings as settings_file
from hadeda.city.keyring import ROLE_NAMES, Keyring, Unlock, one_passphrase, unlocked
from hadeda.city.settings import BrokerSettings, CitySettings, Secrets, WifiSettings
from hadeda.envelope import labels, open_enrolment, root_key
from hadeda.envelope.keys import CURVE
from hadeda.errors import CityError, ProvisionError, Rejected
from hadeda.provision.network import BrokerAccess, NodeNetwork, Wifi
from hadeda.registry import Database, Node, enrol
from hadeda.registry.enrolling import give

SETTINGS_FILE = "city.toml"
SECRETS_FILE = "secrets.toml"
DATABASE_FILE = "city.db"
ENVIRONMENT = "HADEDA_CITY"
KEYS_FOLDER = "keys"
AUTHORITY_KEY_FILE = "ca.key"
TLS_AUTHORITY_ROLE = "tls-authority"


class City:
    """An open city folder. `close` it, or use it as a context manager: it holds the database."""

    def __init__(self, directory: Path, settings: CitySettings, secrets: Secrets, unlock: Unlock) -> None:
        self.directory = directory
        self.settings = settings
        self.secrets = secrets
        self.keyring = Keyring(directory / KEYS_FOLDER, unlock)
        self._unlock = unlock
        self.database = Database(directory / DATABASE_FILE, settings.database)

    @classmethod
    def init(
        cls,
        directory: Path,
        name: str,
        *,
        broker_host: str = "localhost",
        broker_port: int = 8883,
        extra_hosts: Sequence[str] = (),
        wifi_ssid: str = "",
        wifi_password: str = "",
        ntp: str = "",
        database: str = "",
        passphrase: bytes | None = None,
        now: datetime | None = None,
    ) -> Self:
        """Make a city in `directory`, which must not be there yet or be empty, and open it; raises CityError.

        `database` is the URL of an empty PostgreSQL database, without a password.

        The broker's certificate is for `broker_host`, `extra_hosts` and this machine's own names. Without a
        `passphrase` the city's private keys are on disk in the clear.
        """
        target = Path(os.path.abspath(directory))  # noqa: PTH100  (resolve() would follow a link the user put there)
        _refuse_taken(target)
        now = now or datetime.now(UTC).replace(microsecond=0)
        try:
            settings = CitySettings(
                name=name,
                created=now,
                ntp=ntp,
                database=database,
                broker=BrokerSettings(host=broker_host, port=broker_port),
                wifi=WifiSettings(ssid=wifi_ssid),
            )
            secrets = Secrets(
                broker_user="hadeda-node",
                broker_password=randomness.password(),
                city_user="hadeda-city",
                city_password=randomness.password(),
                wifi_password=wifi_password,
            )
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise CityError(f"the city's {key} cannot be used ({first['msg']})", "choose another one") from None
        _build_and_move(target, settings, secrets, (broker_host, *extra_hosts), passphrase, now)
        return cls(target, settings, secrets, one_passphrase(passphrase))

    @classmethod
    def open(cls, directory: Path | None = None, passphrase: bytes | Unlock | None = None) -> Self:
        """Open the city in `directory`, else in the environment's HADEDA_CITY, else here; raises CityError.

        A private key is unlocked when it is first needed, with `passphrase` or with those that it offers for a role.
        """
        directory = directory or Path(os.environ.get(ENVIRONMENT) or ".")
        if not (directory / SETTINGS_FILE).is_file():
            raise CityError(
                f"no city in {directory}", f"make one with `hadeda city init DIR`, or give --city DIR or {ENVIRONMENT}"
            )
        settings = settings_file.load(directory / SETTINGS_FILE, CitySettings)
        secrets = settings_file.load(directory / SECRETS_FILE, Secrets)
        if not settings.database and not (directory / DATABASE_FILE).is_file():
            raise CityError(f"{directory / DATABASE_FILE} is missing", "restore the city folder from its backup")
        unlock = passphrase if callable(passphrase) else one_passphrase(passphrase)
        return cls(directory.resolve(), settings, secrets, unlock)

    @property
    def collector_private(self) -> ec.EllipticCurvePrivateKey:
        """The key that new nodes agree their keys with; raises CityError."""
        return self.keyring.private(labels.ROLE_COLLECTOR)

    @property
    def collector_public(self) -> bytes:
        """Its uncompressed point, 65 bytes. Needs no passphrase."""
        return self.keyring.public(labels.ROLE_COLLECTOR)

    @property
    def collector_id(self) -> bytes:
        """Its thumbprint, 32 bytes."""
        return self.keyring.thumbprint(labels.ROLE_COLLECTOR)

    def authorities(self) -> dict[int, bytes]:
        """The city's current public keys by role (`labels.ROLES`), as a new node is told them."""
        return self.keyring.authorities()

    def protect_authority(self, passphrase: bytes | None) -> None:
        """Encrypt the TLS authority's key under another passphrase, or under none; raises CityError."""
        path = self.directory / "tls" / AUTHORITY_KEY_FILE
        private, _old = unlocked(keyfile.KeyFile.read(path), self._unlock)
        keyfile.supersede_private_file(path, keyfile.render(TLS_AUTHORITY_ROLE, private, passphrase))

    @property
    def ca_file(self) -> Path:
        """The authority's certificate, PEM."""
        return self.directory / "tls" / "ca.pem"

    @property
    def broker_certificate_file(self) -> Path:
        """The broker's certificate, PEM."""
        return self.directory / "tls" / "broker.pem"

    @property
    def broker_key_file(self) -> Path:
        """The broker's private key, PEM."""
        return self.directory / "tls" / "broker_key.pem"

    def ca_der(self) -> bytes:
        """The authority's certificate in DER, as nodes take it."""
        return x509.load_pem_x509_certificate(self.ca_file.read_bytes()).public_bytes(Encoding.DER)

    def tls_context(self) -> ssl.SSLContext:
        """For a client of the city's broker: trusts the city's authority and nobody else."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise CityError(f"{self.ca_file} cannot be used ({error})", "restore it from the city's backup") from error

    def node_network(self) -> NodeNetwork:
        """What a node needs to reach the city; raises ProvisionError where the city's settings cannot serve a node."""
        broker = self.settings.broker
        return NodeNetwork(
            Wifi(self.settings.wifi.ssid, self.secrets.wifi_password),
            BrokerAccess(
                host=broker.host,
                port=broker.port,
                user=self.secrets.broker_user,
                password=self.secrets.broker_password,
                ca=self.ca_der(),
                topic=broker.topic,
                down=broker.down,
            ),
            self.settings.ntp,
        )

    def enrol(
        self,
        message: bytes,
        nonce: bytes,
        *,
        name: str = "",
        configuration: Mapping[str, Any],
        now: datetime | None = None,
    ) -> Node:
        """Register the node whose enrolment `message` answers `nonce` (16 bytes the host gave it), in one transaction.

        `configuration` is what the node was given, the city's public keys among it; passwords are not kept. Raises
        ProvisionError where the message is not right or one of those keys is not the city's any more, CityError where
        the name is taken or the node revoked.
        """
        told, current = dict(configuration.get("authorities") or self.authorities()), self.authorities()
        old = [name for role, name in ROLE_NAMES.items() if told.get(role) != current[role]]
        if old:
            raise ProvisionError(
                f"the city's keys changed while the node was provisioned ({', '.join(old)})",
                "provision it again: it is told the new ones",
            )
        try:
            enrolment = open_enrolment(message, nonce, self.collector_id)
            root = root_key(self.collector_private, enrolment.ephemeral, nonce, enrolment.node_id, self.collector_id)
        except Rejected as refusal:
            raise ProvisionError(
                f"the node's enrolment is not accepted ({refusal.reason})", "reset the node and provision it again"
            ) from refusal
        return enrol(self.database, enrolment, root, name=name, configuration=configuration, authorities=told, now=now)

    def renew(self, node: Node, configuration: Mapping[str, Any]) -> None:
        """Note the policy and the floor that an enrolled node has taken over the cable, from its configuration."""
        with self.database.write() as session:
            give(session.get_one(Node, node.id), configuration)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _refuse_taken(target: Path) -> None:
    """Raise CityError where a new city cannot be put."""
    if (target / SETTINGS_FILE).exists():
        raise CityError(f"there is a city in {target} already", "name a new folder, or use this one with --city")
    if target.is_dir() and target == Path.cwd():
        raise CityError(f"{target} is the folder you are in", "name a folder below it, such as `my-city`")
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise CityError(f"{target} is there already and is not an empty folder", "name a new folder")


def _build_and_move(
    target: Path,
    settings: CitySettings,
    secrets: Secrets,
    hosts: Sequence[str],
    passphrase: bytes | None,
    now: datetime,
) -> None:
    """Build everything in a folder beside `target`, then rename it; whatever goes wrong leaves nothing behind."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise CityError(f"{target} cannot be made ({error.strerror})", "name a folder you may write to") from error
    try:
        _build(building, settings, secrets, hosts, passphrase, now)
        building.rename(target)
    except OSError as error:
        raise CityError(f"{target} cannot be made ({error.strerror})", "make room, or name another folder") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _build(
    folder: Path,
    settings: CitySettings,
    secrets: Secrets,
    hosts: Sequence[str],
    passphrase: bytes | None,
    now: datetime,
) -> None:
    """Fill `folder` (mode 0700) with a whole city."""
    keyring = Keyring.create(folder / KEYS_FOLDER, passphrase, now=now)
    (folder / "tls").mkdir(mode=0o700)

    ca_key, broker_key = ec.generate_private_key(CURVE), ec.generate_private_key(CURVE)
    ca = certificates.authority(ca_key, settings.name, now)
    broker = certificates.broker_certificate(broker_key.public_key(), hosts, ca, ca_key, now)
    ca_file = keyfile.render(TLS_AUTHORITY_ROLE, ca_key, passphrase)
    keyfile.write_private_file(folder / "tls" / AUTHORITY_KEY_FILE, ca_file)
    keyfile.write_private_file(folder / "tls" / "broker_key.pem", keyfile.pem(broker_key))
    (folder / "tls" / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    (folder / "tls" / "broker.pem").write_bytes(broker.public_bytes(Encoding.PEM))

    keyfile.write_private_file(folder / SECRETS_FILE, secrets.render().encode())
    (folder / SETTINGS_FILE).write_text(settings.render(), encoding="utf-8")

    if not settings.database:
        keyfile.write_private_file(folder / DATABASE_FILE, b"")
    database = Database(folder / DATABASE_FILE, settings.database)
    try:
        database.create()
        policies.begin(folder, settings.name, keyring, database, now)
    finally:
        database.close()
