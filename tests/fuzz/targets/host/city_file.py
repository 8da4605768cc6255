"""A city's settings and secrets, as an editor may leave them: settings, or CityError that names file and key."""

from datetime import UTC, datetime
from functools import partial

from on_disk import read_back

from hadeda.city.settings import CitySettings, Secrets, load
from hadeda.errors import CityError


def one_input(data: bytes) -> bool:
    settings = read_back(data, "city.toml", partial(load, model=CitySettings), CityError)
    return read_back(data, "secrets.toml", partial(load, model=Secrets), CityError) or settings


def seeds() -> list[bytes]:
    city = CitySettings(name="Testville", created=datetime(2022, 6, 1, tzinfo=UTC), ntp="time.example")
    secrets = Secrets(broker_user="n", broker_password="p", city_user="c", city_password='q"\\')
    return [city.render().encode(), secrets.render().encode()]
