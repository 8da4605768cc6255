"""The collector: from the broker to the report store, each report exactly once, everything else to quarantine."""

from hadeda.collect.collector import Collector, Outcome, Status
from hadeda.collect.mqtt import MqttCollector

__all__ = ["Collector", "MqttCollector", "Outcome", "Status"]
