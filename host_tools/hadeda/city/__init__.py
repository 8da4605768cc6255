"""The city folder: settings, keys, the TLS authority and certificate of its broker, and the registry's database."""

from hadeda.city.city import City
from hadeda.city.settings import CitySettings, Secrets

__all__ = ["City", "CitySettings", "Secrets"]
