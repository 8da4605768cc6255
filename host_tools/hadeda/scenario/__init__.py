"""The world outside the node: a real street and real air, made continuous, the same for the same seed."""

from hadeda.scenario.air import Air
from hadeda.scenario.traffic import Passage
from hadeda.scenario.world import World

__all__ = ["Air", "Passage", "World"]
