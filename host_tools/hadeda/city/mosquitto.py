"""A Mosquitto configuration for a city: TLS with its certificate, nobody anonymous, nothing lost.

There are two logins. The nodes' may publish reports and read letters; the city's may read reports and publish letters.
A thief with a node has the first.
"""

import getpass
import os
from base64 import b64encode
from hashlib import pbkdf2_hmac
from pathlib import Path
from typing import Final

from hadeda.city.city import City
from hadeda.city.keyfile import write_private_file
from hadeda.envelope.labels import SEALED_MAX
from hadeda.errors import CityError

# Mosquitto's password file: user:$7$iterations$salt$hash, PBKDF2 with HMAC-SHA-512 (mosquitto_passwd(1))
_ITERATIONS: Final = 10_000
_SALT_SIZE: Final = 12


def write_configuration(city: City, directory: Path, port: int | None = None, bind: str | None = None) -> Path:
    """Write mosquitto.conf, its passwords and rights to the new folder `directory`; return the configuration's path.

    `port` is the city's unless given; `bind` limits the listener to one address. Raises CityError.
    """
    directory = directory.resolve()
    try:
        directory.mkdir(mode=0o700, parents=True)
        secrets = city.secrets
        logins = (secrets.broker_user, secrets.broker_password), (secrets.city_user, secrets.city_password)
        write_private_file(directory / "passwords", "".join(_password_line(*login) for login in logins).encode())
        write_private_file(directory / "rights", _rights(city).encode())
        configuration = directory / "mosquitto.conf"
        configuration.write_text(_configuration(city, directory, port or city.settings.broker.port, bind))
    except FileExistsError:
        raise CityError(f"{directory} is there already", "name a new folder") from None
    except OSError as error:
        raise CityError(
            f"{directory} cannot be written ({error.strerror})", "name a folder you may write to"
        ) from error
    return configuration


def _configuration(city: City, directory: Path, port: int, bind: str | None) -> str:
    return f"""\
# Mosquitto for the city "{city.settings.name}". Start it with: mosquitto -c {directory / "mosquitto.conf"}
# It reads the broker's key, passwords and rights as this user; as a system service, give them to its own user.
user {getpass.getuser()}
listener {port}{f" {bind}" if bind else ""}
cafile {city.ca_file}
certfile {city.broker_certificate_file}
keyfile {city.broker_key_file}
allow_anonymous false
password_file {directory / "passwords"}
acl_file {directory / "rights"}

# Reports wait here while the collector is down, and over a restart of the broker.
persistence true
persistence_location {directory}/
autosave_interval 60
max_inflight_messages 0
max_queued_messages 0
max_queued_bytes 268435456

# A sealed report is at most {SEALED_MAX} bytes, with room for MQTT's own.
message_size_limit {4 * SEALED_MAX}
"""


def _rights(city: City) -> str:
    up, down = city.settings.broker.topic, city.settings.broker.down
    return f"""\
user {city.secrets.broker_user}
topic write {up}
topic read {down}/+

user {city.secrets.city_user}
topic read {up}
topic write {down}/#
"""


def _password_line(user: str, password: str) -> str:
    salt = os.urandom(_SALT_SIZE)
    digest = pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"{user}:$7${_ITERATIONS}${b64encode(salt).decode()}${b64encode(digest).decode()}\n"
