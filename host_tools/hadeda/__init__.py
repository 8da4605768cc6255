"""Host tools of Hadeda, the sensor node that keeps people out of its data."""

__version__ = "0.1.0"
